//! The bounded in-process queue and the one writer behind it: many deliveries, one fsync.
//!
//! # What it must hold
//!
//! * A delivery is answered after the commit that holds it, never before.
//! * Two bounds. The queue holds deliveries that wait for their commit: at most [`QUEUE_DELIVERIES`] of
//!   them and [`QUEUE_BYTES`] in all. The backlog holds `pending` changes: at most the
//!   [`capacity`](Settings::capacity), and of one flow only part of it, so that a flow that is hot or paused
//!   leaves room for the others. Room for all changes of a delivery is reserved before it is queued and given
//!   back if they are not committed.
//! * Nothing else remembers deliveries: the journal decides what a duplicate is, inside the commit. A twin of a
//!   delivery that is not committed yet simply waits its turn behind it.
//!
//! # Its life
//!
//! [`open`] gives the receiver its [`Queue`], the worker its [`Ledger`], and the [`Writing`] future, which is
//! to be run on a thread of its own: it waits for the disk there. It drains both ends into group commits, tells
//! the worker through [`Wakeups`] which flows have work, and ends when every `Queue` and `Ledger` is gone and
//! all they held is committed.

mod backlog;
mod wakeups;
mod writing;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::change::{Admission, Delivery, Seq, Verdict};
use crate::clock::Clock;
use crate::journal::{Acted, Chosen, Effect, Step, Tally, Verb, Write};
use backlog::{Backlog, Reservation};
pub use wakeups::{Wakeups, Woken};
pub use writing::Writing;

/// How many deliveries may wait for their commit.
pub const QUEUE_DELIVERIES: usize = 8192;
/// How many bytes of deliveries may wait for their commit.
pub const QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// What a delivery weighs beside its values.
const DELIVERY_OVERHEAD_BYTES: usize = 512;
/// How many steps of the worker may wait for their commit before it waits too.
const LEDGER_STEPS: usize = 1024;

/// The queue's own settings.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many changes may be pending before deliveries are refused; `FLOWHOOK_QUEUE_CAPACITY`,
    /// default 100,000. Failed changes do not count. One flow may have at most nine times the room that is left.
    pub capacity: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { capacity: 100_000 }
    }
}

/// The receiver's end.
#[derive(Clone, Debug)]
pub struct Queue {
    deliveries: mpsc::Sender<Submission>,
    bytes: Arc<Semaphore>,
    backlog: Arc<Backlog>,
}

/// The worker's and the operators' end: their steps share the group commits.
#[derive(Clone, Debug)]
pub struct Ledger {
    steps: mpsc::Sender<Entry>,
    backlog: Arc<Backlog>,
    failing: Arc<AtomicBool>,
}

/// A delivery in the queue, with the room it holds.
#[derive(Debug)]
struct Submission {
    delivery: Delivery,
    room: Reservation,
    bytes: OwnedSemaphorePermit,
    answer: oneshot::Sender<Result<Admission, NotStored>>,
}

/// A step on its way to the journal.
#[derive(Debug)]
struct Entry {
    step: Step,
    answer: oneshot::Sender<Result<Effect, NotStored>>,
}

/// Why a delivery was not taken; the sender should come back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Too many deliveries, or bytes of them, wait for their commit.
    #[error("the queue is full")]
    QueueFull,
    /// Too many changes are pending.
    #[error("the backlog is full")]
    BacklogFull,
    /// Too many changes of one of its flows are pending; deliveries for other flows are taken.
    #[error("the backlog has no more room for a flow of it")]
    FlowFull,
    /// The writer has stopped.
    #[error("the journal is closed")]
    Closed,
}

/// The commit failed: nothing of it was stored. The writer has logged why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal did not store it")]
pub struct NotStored;

/// A delivery that waits for its commit.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Result<Admission, NotStored>>);

/// Opens the queue over a journal in which these changes are pending already.
pub fn open<W: Write>(
    settings: Settings,
    writer: W,
    clock: Clock,
    pending: Tally,
) -> (Queue, Ledger, Writing<W>) {
    let (deliveries, from_receiver) = mpsc::channel(QUEUE_DELIVERIES);
    let (steps, from_worker) = mpsc::channel(LEDGER_STEPS);
    let backlog = Arc::new(Backlog::new(settings.capacity, pending));
    let failing = Arc::new(AtomicBool::new(false));
    let queue =
        Queue { deliveries, bytes: Arc::new(Semaphore::new(QUEUE_BYTES)), backlog: Arc::clone(&backlog) };
    let ledger = Ledger { steps, backlog: Arc::clone(&backlog), failing: Arc::clone(&failing) };
    let writing = Writing::new(writer, clock, backlog, failing, from_receiver, from_worker);
    (queue, ledger, writing)
}

impl Queue {
    /// Puts a delivery into the queue, with room reserved for all its changes.
    ///
    /// # Errors
    /// [`NotTaken`]: nothing was stored, and the sender should come back later.
    pub fn submit(&self, delivery: Delivery) -> Result<Receipt, NotTaken> {
        let flows = match &delivery.verdict {
            Verdict::Changes(changes) => changes.iter().map(|change| change.flow.clone()).collect(),
            Verdict::Rejected { .. } => Vec::new(),
        };
        let room = Backlog::reserve(&self.backlog, flows)?;
        let weight = u32::try_from(delivery.weight() + DELIVERY_OVERHEAD_BYTES).unwrap_or(u32::MAX);
        let bytes = Arc::clone(&self.bytes)
            .try_acquire_many_owned(weight)
            .map_err(|_none_left| NotTaken::QueueFull)?;
        let (answer, receipt) = oneshot::channel();
        let submission = Submission { delivery, room, bytes, answer };
        self.deliveries.try_send(submission).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => NotTaken::QueueFull,
            mpsc::error::TrySendError::Closed(_) => NotTaken::Closed,
        })?;
        Ok(Receipt(receipt))
    }
}

impl Receipt {
    /// Waits for the commit that holds the delivery. A receipt that is dropped before its delivery's turn, as when that
    /// takes too long, withdraws it.
    ///
    /// # Errors
    /// [`NotStored`] when the commit failed.
    pub async fn committed(self) -> Result<Admission, NotStored> {
        self.0.await.unwrap_or(Err(NotStored))
    }
}

impl Ledger {
    /// Commits a step, together with whatever else waits.
    ///
    /// # Errors
    /// [`NotStored`] when the commit failed.
    pub async fn record(&self, step: Step) -> Result<Effect, NotStored> {
        let (answer, done) = oneshot::channel();
        self.steps.send(Entry { step, answer }).await.map_err(|_closed| NotStored)?;
        done.await.unwrap_or(Err(NotStored))
    }

    /// Carries out an operator's verb; answers after the commit. Lanes that it concerns look at once.
    ///
    /// # Errors
    /// [`NotStored`] when the commit failed.
    pub async fn act(&self, verb: Verb, chosen: Chosen) -> Result<Acted, NotStored> {
        acted(self.record(Step::Act { verb, chosen }).await?)
    }

    /// Has changes rolled back, by changes of their own; answers after the commit that makes those.
    ///
    /// # Errors
    /// [`NotStored`] when the commit failed.
    pub async fn roll_back(&self, seqs: Vec<Seq>) -> Result<Acted, NotStored> {
        acted(self.record(Step::Rollback { seqs }).await?)
    }

    /// Whether deliveries can be accepted now. After a failed commit the journal is tried again, so that
    /// an idle service notices when it has recovered.
    pub async fn can_accept(&self) -> bool {
        if self.failing.load(Ordering::Relaxed) && self.record(Step::Probe).await.is_err() {
            return false;
        }
        self.backlog.has_room() && !self.steps.is_closed()
    }
}

fn acted(effect: Effect) -> Result<Acted, NotStored> {
    match effect {
        Effect::Acted(acted) => Ok(acted),
        Effect::Written { .. } | Effect::Stale | Effect::Pruned { .. } => Err(NotStored),
    }
}
