//! What is to be said at start-up about settings that can be used.

use super::keys::{FETCH_URL, WEBHOOK_SCHEME};
use crate::route;
use crate::source::Scheme;

/// Where the scheme signs no time: what a delivery that is sent again can do, and how to prevent it.
pub(super) fn replays(scheme: Scheme, routes: &route::Settings) -> Option<String> {
    if scheme.signs_time() {
        return None;
    }
    let events = format!(
        "{}: `{}` signs no time, so an old event that is sent again can revert a newer one: \
         have every event carry a `timestamp`, or no values, so that they are fetched",
        WEBHOOK_SCHEME.variable,
        scheme.name()
    );
    let pushes = format!(
        "; the same holds for an old push while {} has `{{revision}}`: have only the newest one sent again",
        FETCH_URL.variable
    );
    Some(if routes.fetches_revisions() { events + &pushes } else { events })
}
