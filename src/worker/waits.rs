//! The waits that lanes are in: at most one each, which can be ended early.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::time::Duration;

use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue::Key;

use crate::change::{FlowId, Wanted};

/// Whose wait is over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Lane(FlowId),
    Fetch(Wanted),
}

/// The waits, to be polled by the worker.
#[derive(Debug, Default)]
pub(super) struct Waits {
    queue: DelayQueue<Due>,
    /// Those that have not come to their end: a key is good for no longer.
    keys: BTreeMap<Due, Key>,
}

impl Waits {
    pub(super) fn begin(&mut self, due: Due, wait: Duration) {
        self.cut(&due);
        let key = self.queue.insert(due.clone(), wait);
        self.keys.insert(due, key);
    }

    /// Ends a wait early: left alone, it would come to its end in the middle of a later one and cut that short.
    pub(super) fn cut(&mut self, due: &Due) {
        if let Some(key) = self.keys.remove(due) {
            self.queue.try_remove(&key);
        }
    }

    /// The next wait that is over; nothing if there are none.
    pub(super) async fn next(&mut self) -> Option<Due> {
        let due = poll_fn(|cx| self.queue.poll_expired(cx)).await?.into_inner();
        self.keys.remove(&due);
        Some(due)
    }
}
