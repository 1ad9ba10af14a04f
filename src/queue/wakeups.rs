//! Which flows have new work: a set, so that a flood for one flow wakes its lane once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::change::{FlowId, Wanted};

/// The flows whose lanes must look into the journal. Bounded by the backlog, since a flow is in it at
/// most once and only because of a pending change.
#[derive(Clone, Debug, Default)]
pub struct Wakeups(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    woken: Mutex<Woken>,
    added: Notify,
}

/// Who must look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// The flows with new work: what their lanes wait for, they go on waiting for.
    pub flows: BTreeSet<FlowId>,
    /// The flows whose lanes must look at once, because a person said so.
    pub at_once: BTreeSet<FlowId>,
    /// What must be fetched at once for thin changes, for the same reason.
    pub wanted: BTreeSet<Wanted>,
}

impl Woken {
    fn is_empty(&self) -> bool {
        self.flows.is_empty() && self.at_once.is_empty() && self.wanted.is_empty()
    }
}

impl Wakeups {
    /// Adds flows whose changes have just become pending.
    pub fn add(&self, flows: impl IntoIterator<Item = FlowId>) {
        self.change(|woken| woken.flows.extend(flows));
    }

    /// Adds flows, and what is to be fetched, that a person wants to be tried now.
    pub fn add_at_once(
        &self,
        flows: impl IntoIterator<Item = FlowId>,
        wanted: impl IntoIterator<Item = Wanted>,
    ) {
        self.change(|woken| {
            woken.at_once.extend(flows);
            woken.wanted.extend(wanted);
        });
    }

    fn change(&self, add: impl FnOnce(&mut Woken)) {
        add(&mut self.0.woken.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.added.notify_one();
    }

    /// Waits until there are some, and takes them all.
    pub async fn next(&self) -> Woken {
        loop {
            // Subscribed first, looked second: what is added in between is not slept through.
            let added = self.0.added.notified();
            let woken = std::mem::take(&mut *self.0.woken.lock().unwrap_or_else(PoisonError::into_inner));
            if !woken.is_empty() {
                return woken;
            }
            added.await;
        }
    }
}
