//! The one writer's loop: drain, commit, answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::backlog::Backlog;
use super::{Entry, NotStored, Submission, Wakeups};
use crate::clock::Clock;
use crate::journal::{Committed, Effect, JournalError, Write};

/// How many deliveries share a commit at most.
const DELIVERIES_PER_COMMIT: usize = 1024;
/// How many steps of the worker share a commit at most.
const STEPS_PER_COMMIT: usize = 256;

/// The writer's loop, to be run where it may block.
#[derive(Debug)]
pub struct Writing<W> {
    writer: W,
    clock: Clock,
    backlog: Arc<Backlog>,
    /// Whether the last commit failed.
    failing: Arc<AtomicBool>,
    wakeups: Wakeups,
    from_receiver: mpsc::Receiver<Submission>,
    from_worker: mpsc::Receiver<Entry>,
    /// Senders are answered by tasks, while the next commit is on its way: within the runtime one task wakes another for
    /// less than a thread from outside.
    answering: TaskTracker,
}

/// What shares one commit.
#[derive(Default)]
struct Batch {
    deliveries: Vec<Submission>,
    steps: Vec<Entry>,
}

impl<W: Write> Writing<W> {
    pub(super) fn new(
        writer: W,
        clock: Clock,
        backlog: Arc<Backlog>,
        failing: Arc<AtomicBool>,
        from_receiver: mpsc::Receiver<Submission>,
        from_worker: mpsc::Receiver<Entry>,
    ) -> Self {
        Self {
            writer,
            clock,
            backlog,
            failing,
            wakeups: Wakeups::default(),
            from_receiver,
            from_worker,
            answering: TaskTracker::new(),
        }
    }

    /// Where the flows with new work are announced.
    pub fn wakeups(&self) -> Wakeups {
        self.wakeups.clone()
    }

    /// Commits until both ends are closed and drained, and all are answered, then closes the journal. It runs within a
    /// runtime, which has the tasks that answer.
    pub async fn run(mut self) {
        while let Some(batch) = self.next_batch().await {
            if batch.is_empty() {
                continue;
            }
            let outcome = self.commit(&batch).await;
            self.failing.store(outcome.is_err(), Ordering::Relaxed);
            match outcome {
                Ok(committed) => self.answer(batch, committed),
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        commit.deliveries = batch.deliveries.len(),
                        commit.steps = batch.steps.len(),
                        "a commit failed; its deliveries are refused"
                    );
                    batch.refuse();
                }
            }
        }
        self.answering.close();
        self.answering.wait().await;
        self.writer.close().await;
    }

    /// Everything that waits, or the first thing that comes; nothing when both ends are closed.
    async fn next_batch(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        let Batch { deliveries, steps } = &mut batch;
        tokio::select! {
            // The worker first: its steps free the backlog.
            biased;
            _ = self.from_worker.recv_many(steps, STEPS_PER_COMMIT), if has_more(&self.from_worker) => {}
            _ = self.from_receiver.recv_many(deliveries, DELIVERIES_PER_COMMIT),
                if has_more(&self.from_receiver) => {}
            else => return None,
        }
        while deliveries.len() < DELIVERIES_PER_COMMIT
            && let Ok(more) = self.from_receiver.try_recv()
        {
            deliveries.push(more);
        }
        while steps.len() < STEPS_PER_COMMIT
            && let Ok(more) = self.from_worker.try_recv()
        {
            steps.push(more);
        }
        // Whoever stopped waiting has been answered 503: what it brought must not be stored behind its back.
        deliveries.retain(|submission| !submission.answer.is_closed());
        Some(batch)
    }

    async fn commit(&mut self, batch: &Batch) -> Result<Committed, JournalError> {
        let steps: Vec<_> = batch.steps.iter().map(|entry| &entry.step).collect();
        let deliveries: Vec<_> = batch.deliveries.iter().map(|submission| &submission.delivery).collect();
        self.writer.commit(self.clock.now(), &steps, &deliveries).await
    }

    /// Keeps the backlog's count, and wakes whom an operator wants to be woken.
    fn account(&self, effect: &Effect) {
        match effect {
            Effect::Written { ended } => self.backlog.release(ended),
            Effect::Stale | Effect::Pruned { .. } => {}
            Effect::Acted(acted) => {
                self.backlog.revive(&acted.revived);
                self.backlog.release(&acted.ended);
                self.wakeups.add_at_once(acted.flows.iter().cloned(), acted.wanted.iter().cloned());
            }
        }
    }

    fn answer(&self, batch: Batch, committed: Committed) {
        for (entry, effect) in batch.steps.into_iter().zip(committed.effects) {
            self.account(&effect);
            // A turn that was given up at shutdown does not wait for its answer.
            _ = entry.answer.send(Ok(effect));
        }
        let mut flows = Vec::new();
        let mut answers = Vec::with_capacity(batch.deliveries.len());
        for (submission, admitted) in batch.deliveries.into_iter().zip(committed.admitted) {
            let Submission { delivery, room, bytes, answer } = submission;
            room.keep(&admitted.flows);
            flows.extend(admitted.flows);
            answers.push((answer, admitted.admission, delivery, bytes));
        }
        if !answers.is_empty() {
            self.answering.spawn(async move {
                // What was answered is freed there too, and the room that it took in the queue.
                for (answer, admission, _delivery, _bytes) in answers {
                    // A sender that has hung up by now finds a duplicate when it comes again.
                    _ = answer.send(Ok(admission));
                }
            });
        }
        if !flows.is_empty() {
            self.wakeups.add(flows);
        }
    }
}

/// Whether anything is in the channel or may still come.
fn has_more<T>(channel: &mpsc::Receiver<T>) -> bool {
    !channel.is_closed() || !channel.is_empty()
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.deliveries.is_empty() && self.steps.is_empty()
    }

    /// Answers everyone that nothing was stored; the room they held is given back.
    fn refuse(self) {
        for entry in self.steps {
            _ = entry.answer.send(Err(NotStored));
        }
        for submission in self.deliveries {
            _ = submission.answer.send(Err(NotStored));
        }
    }
}
