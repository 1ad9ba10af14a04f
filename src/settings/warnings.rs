//! What is to be said at start-up about settings that can be used.

use super::keys::WEBHOOK_SCHEME;
use crate::source::Scheme;

/// Where the scheme signs no time: what a delivery that is sent again can do, and how to prevent it.
pub(super) fn replays(scheme: Scheme) -> Option<String> {
    (!scheme.signs_time()).then(|| {
        format!(
            "{}: `{}` signs no time, so an old event that is sent again can revert a newer one: \
             have every event carry a `timestamp`, or no values, so that they are fetched",
            WEBHOOK_SCHEME.variable,
            scheme.name()
        )
    })
}
