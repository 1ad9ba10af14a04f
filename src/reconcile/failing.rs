//! Sources that cannot be compared: the log tells of them, and so does whoever is asked what differs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The routes whose sources gave nothing in their last passes, each with the reason. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Failing(Arc<Mutex<Reasons>>);

type Reasons = BTreeMap<Arc<str>, String>;

impl Failing {
    /// Notes what came of a pass over a route, and tells what is new of it.
    pub(super) fn note(&self, route: &Arc<str>, failure: Option<String>) {
        let mut reasons = self.reasons();
        let before = reasons.remove(route);
        match &failure {
            Some(why) if before.as_ref() != Some(why) => tracing::warn!(
                route.name = &**route,
                fetch.reason = why,
                "what a route's source says now cannot be compared with the flows; each pass tries again"
            ),
            None if before.is_some() => {
                tracing::info!(route.name = &**route, "what a route's source says can be compared again");
            }
            Some(_) | None => {}
        }
        reasons.extend(failure.map(|why| (Arc::clone(route), why)));
    }

    /// Forgets the routes that are not reconciled any more.
    pub(super) fn keep(&self, is_kept: impl Fn(&str) -> bool) {
        self.reasons().retain(|route, _| is_kept(route));
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<(Arc<str>, String)> {
        self.reasons().iter().map(|(route, why)| (Arc::clone(route), why.clone())).collect()
    }

    fn reasons(&self) -> MutexGuard<'_, Reasons> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
