//! What is to be said at start-up about settings that can be used.

use super::Layers;
use super::keys::{FETCH_URL, FLOW_ID, NODE_ID};
use super::sources::Caller;
use crate::route::{Native, Route};
use crate::source::Scheme;

/// The presets whose senders can be made to send what the built-in routes understand: an event of one's own, or the
/// pushes of a git repository. All other presets' senders say what they have to say in their own words.
const UNDERSTOOD: [&str; 7] =
    ["standard-webhooks", "svix", "github", "gitlab", "gitlab-token", "gitea", "forgejo"];

/// All of it.
pub(super) fn all(layers: &Layers, callers: &[Caller], native: &Native, routes: &[Route]) -> Vec<String> {
    let mut warnings = layers.warnings.clone();
    for caller in callers {
        let name = &**caller.source.name();
        let ours: Vec<&Route> = routes.iter().filter(|route| route.sources().any(|of| of == name)).collect();
        warnings.extend(caller.warnings.iter().cloned());
        if ours.is_empty() {
            warnings.extend(unrouted(layers, caller));
            warnings.extend(replays_of_the_built_in(caller, native));
        } else {
            warnings.extend(ours.into_iter().filter_map(|route| replays(layers, caller, route)));
        }
    }
    for route in routes {
        let place = layers.place(&format!("routes.{}", route.name()));
        warnings.extend(route.warnings().map(|warning| format!("{place}: {warning}")));
    }
    warnings
}

/// Where no route looks at what a sender sends.
fn unrouted(layers: &Layers, caller: &Caller) -> Option<String> {
    let scheme = caller.source.scheme();
    let is_preset = Scheme::all().any(|preset| preset.name() == scheme.name());
    let name = caller.source.name();
    (is_preset && !UNDERSTOOD.contains(&scheme.name())).then(|| {
        format!(
            "{}: no route names it, and the built-in ones ignore what `{}` sends: add a [routes.NAME] with \
             `source = \"{name}\"`",
            layers.place(&format!("sources.{name}")),
            scheme.name()
        )
    })
}

/// Where the scheme signs no time: what an event that is sent again can do, and how to prevent it. A push
/// cannot do it; so whoever has set all that a push needs is left in peace.
fn replays_of_the_built_in(caller: &Caller, native: &Native) -> Option<String> {
    let scheme = caller.source.scheme();
    let needed = [
        (FLOW_ID, native.flow.is_some()),
        (NODE_ID, native.node.is_some()),
        (FETCH_URL, native.fetch_url.is_some()),
    ];
    let missing: Vec<&str> =
        needed.iter().filter(|(_, is_set)| !is_set).map(|(key, _)| key.variable).collect();
    if scheme.signs_time() || missing.is_empty() {
        return None;
    }
    Some(format!(
        "{}: `{}` signs no time, so an old event that is sent again can revert a newer one: have every event \
         carry a `timestamp`; a repository's pushes are ignored until {} is set",
        caller.scheme_key,
        scheme.name(),
        missing.join(" and ")
    ))
}

/// The same for a route of the settings file.
fn replays(layers: &Layers, caller: &Caller, route: &Route) -> Option<String> {
    let scheme = caller.source.scheme();
    (!scheme.signs_time() && route.is_replayable()).then(|| {
        format!(
            "{}: `{}` of the source `{}` signs no time, so an old event that is sent again can revert a newer one: \
             give the route an `order_by` that is in the body, or `fetch`",
            layers.place(&format!("routes.{}", route.name())),
            scheme.name(),
            caller.source.name()
        )
    })
}
