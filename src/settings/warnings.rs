//! What is to be said at start-up about settings that can be used.

use super::keys::{FETCH_URL, FLOW_ID, NODE_ID, WEBHOOK_SCHEME};
use crate::route;
use crate::source::Scheme;

/// Where the scheme signs no time: what an event that is sent again can do, and how to prevent it. A push
/// cannot do it; so whoever has set all that a push needs is left in peace.
pub(super) fn replays(scheme: Scheme, routes: &route::Native) -> Option<String> {
    let needed = [
        (FLOW_ID, routes.flow.is_some()),
        (NODE_ID, routes.node.is_some()),
        (FETCH_URL, routes.fetch_url.is_some()),
    ];
    let missing: Vec<&str> =
        needed.iter().filter(|(_, is_set)| !is_set).map(|(key, _)| key.variable).collect();
    if scheme.signs_time() || missing.is_empty() {
        return None;
    }
    Some(format!(
        "{}: `{}` signs no time, so an old event that is sent again can revert a newer one: have every event \
         carry a `timestamp`; a repository's pushes are ignored until {} is set",
        WEBHOOK_SCHEME.variable,
        scheme.name(),
        missing.join(" and ")
    ))
}
