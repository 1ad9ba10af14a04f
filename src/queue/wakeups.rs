//! Which flows have new work: a set, so that a flood for one flow wakes its lane once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::change::FlowId;

/// The flows whose lanes must look into the journal. Bounded by the backlog, since a flow is in it at
/// most once and only because of a pending change.
#[derive(Clone, Debug, Default)]
pub struct Wakeups(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    flows: Mutex<BTreeSet<FlowId>>,
    added: Notify,
}

impl Wakeups {
    /// Adds flows whose changes have just become pending.
    pub fn add(&self, flows: impl IntoIterator<Item = FlowId>) {
        self.0.flows.lock().unwrap_or_else(PoisonError::into_inner).extend(flows);
        self.0.added.notify_one();
    }

    /// Waits until there are some, and takes them all.
    pub async fn next(&self) -> BTreeSet<FlowId> {
        loop {
            // Subscribed first, looked second: what is added in between is not slept through.
            let added = self.0.added.notified();
            let flows = std::mem::take(&mut *self.0.flows.lock().unwrap_or_else(PoisonError::into_inner));
            if !flows.is_empty() {
                return flows;
            }
            added.await;
        }
    }
}
