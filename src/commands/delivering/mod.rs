//! Delivering to a running service as its senders do, and following what becomes of it: for `send` and `demo`.

mod answer;
mod change;
mod delivery;
mod following;
mod posting;
mod problem;

use std::time::Duration;

pub(super) use delivery::{Delivery, Ending};
pub(super) use following::Following;
pub(super) use posting::Posting;
pub(super) use problem::Problem;
use secrecy::SecretString;

use super::listener::Listener;

/// The admin listener, and how to ask it.
pub(super) struct Admin {
    pub(super) listener: Listener,
    pub(super) token: Option<SecretString>,
    /// How long a delivery is followed.
    pub(super) wait: Duration,
}
