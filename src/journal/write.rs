//! The one writer, and its commits: begun, filled step by step, and made durable.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::ids::{self, Ids};
use super::lock::Lock;
use super::pending::{self, Pending};
use super::{Committed, Effect, Ending, JournalError, Step, Tally, Write, sql};
use crate::change::{Delivery, FlowId, Seq};

type Result<T> = std::result::Result<T, JournalError>;

/// Commits to the journal. There is one, and one task owns it, whose thread it blocks while it writes and waits for the
/// disk.
#[derive(Debug)]
pub struct Writer {
    connection: Connection,
    /// Whether damage was met. What is written into a damaged file can damage more of it.
    is_damaged: bool,
    pub(super) pending: Pending,
    ids: Ids,
    /// Held as long as the journal is open; remembers the last change that was committed.
    lock: Lock,
}

/// A commit in the making: everything in it lands together or not at all.
#[derive(Debug)]
pub struct Commit<'w> {
    pub(super) transaction: Transaction<'w>,
    pub(super) now_ms: i64,
    /// The last change that is new in it.
    pub(super) last: Option<Seq>,
    pending: &'w Pending,
    /// What it makes pending, and ends.
    pub(super) moves: pending::Moves,
    pub(super) ids: &'w mut Ids,
    /// The deliveries that come by it, and go.
    pub(super) ids_moved: ids::Moves,
    lock: &'w mut Lock,
}

impl Writer {
    pub(super) fn new(connection: Connection, pending: Pending, ids: Ids, lock: Lock) -> Self {
        Self { connection, is_damaged: false, pending, ids, lock }
    }

    /// Begins a commit whose entries are dated `now`.
    ///
    /// # Errors
    /// When SQLite does not give the write lock.
    pub fn begin(&mut self, now: Timestamp) -> Result<Commit<'_>> {
        let Self { connection, pending, ids, lock, .. } = self;
        if !lock.is_in_place() {
            return Err(JournalError::Gone { path: lock.path().to_owned() });
        }
        if !connection.is_autocommit() {
            // The last one was dropped, and could not be rolled back then.
            connection.execute_batch("ROLLBACK")?;
        }
        Ok(Commit {
            transaction: connection.transaction_with_behavior(TransactionBehavior::Immediate)?,
            now_ms: now.as_millisecond(),
            last: None,
            pending,
            moves: pending::Moves::default(),
            ids,
            ids_moved: ids::Moves::default(),
            lock,
        })
    }

    /// Reads anew which changes are pending.
    pub(super) fn reload(&self) -> Result<()> {
        self.pending.reload(&self.connection)
    }

    fn commit_all(&mut self, now: Timestamp, steps: &[&Step], deliveries: &[&Delivery]) -> Result<Committed> {
        let mut commit = self.begin(now)?;
        let mut committed = Committed::default();
        for step in steps {
            committed.effects.push(commit.step(step)?);
        }
        committed.admitted = commit.admit_all(deliveries)?;
        commit.finish()?;
        Ok(committed)
    }
}

impl Write for Writer {
    async fn commit(
        &mut self,
        now: Timestamp,
        steps: &[&Step],
        deliveries: &[&Delivery],
    ) -> Result<Committed> {
        if self.is_damaged {
            return Err(JournalError::GivenUp);
        }
        let committed = self.commit_all(now, steps, deliveries);
        self.is_damaged = matches!(committed, Err(JournalError::Malformed(_)));
        committed
    }

    /// So that the next start finds no WAL to recover.
    async fn close(mut self) {
        if let Err(error) = self.ids.write_all(&mut self.connection) {
            tracing::debug!(error = %error, "what waits of ids was not written; the next start finds it in the deliveries");
        }
        // Everything committed is durable already; a failure here costs a recovery, nothing else.
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(error = %error, "the journal was not closed in order; the next start recovers it");
        }
    }
}

impl Commit<'_> {
    /// Makes everything in the commit durable.
    ///
    /// # Errors
    /// When the commit failed: then nothing of it is stored.
    pub fn finish(self) -> Result<()> {
        let Self { transaction, last, pending, moves, ids, mut ids_moved, lock, .. } = self;
        ids.write(&transaction, &mut ids_moved)?;
        transaction.commit()?;
        ids.apply(ids_moved);
        pending.apply(moves);
        if let Some(last) = last {
            // Into the page cache, in place: it waits for no disk.
            lock.remember(last);
        }
        Ok(())
    }

    pub(super) fn sql(&self) -> &Connection {
        &self.transaction
    }

    /// The flows that have pending changes, and maybe some whose last one has ended by this commit.
    pub(super) fn flows_with_pending(&self) -> BTreeSet<FlowId> {
        let mut flows = BTreeSet::from_iter(self.pending.flows());
        flows.extend(self.moves.flows().cloned());
        flows
    }

    /// The changes of a flow that are pending, and maybe some that have ended by this commit.
    pub(super) fn pending_of(&self, flow: &FlowId) -> BTreeSet<Seq> {
        let mut seqs = self.pending.of(flow);
        seqs.extend(self.moves.of(flow));
        seqs
    }

    /// Writes one step.
    ///
    /// # Errors
    /// When a statement failed; the commit must then be dropped.
    pub fn step(&mut self, step: &Step) -> Result<Effect> {
        let ended = match step {
            Step::Act { verb, chosen } => return self.act(*verb, chosen).map(Effect::Acted),
            Step::Rollback { seqs } => return self.roll_back(seqs).map(Effect::Acted),
            Step::Pause { reach, reason } => {
                return self.pause(reach, reason.as_deref()).map(Effect::Acted);
            }
            Step::Resume { reach } => return self.resume(reach).map(Effect::Acted),
            Step::Prune { before, at_most } => return self.prune(*before, *at_most),
            Step::Attempt(attempt)
                if self.is_paused(&attempt.flow)? || self.is_stale(&attempt.plan.endings)? =>
            {
                return Ok(Effect::Stale);
            }
            // What an open attempt carries cannot be discarded: its settlement is never stale.
            Step::Settle { settlement, .. }
                if settlement.attempt.is_none() && self.is_stale(&settlement.endings)? =>
            {
                return Ok(Effect::Stale);
            }
            Step::Attempt(attempt) => self.attempt(attempt).map(|()| Tally::default()),
            Step::Settle { flow, settlement } => self.settle(flow, settlement),
            Step::Hold { seqs, reason, for_ms } => {
                self.hold(seqs, reason, *for_ms).map(|()| Tally::default())
            }
            Step::Fetched { wanted, up_to, fetched } => self.fetched(wanted, *up_to, fetched),
            Step::Drift { flow, nodes, found } => self.drifts(flow, nodes, found).map(|()| Tally::default()),
            Step::Gate(end) => {
                let text = "UPDATE gate SET until = ?, reason = ?";
                sql::execute(self.sql(), text, params![end.until.as_millisecond(), end.reason])?;
                Ok(Tally::default())
            }
            Step::Probe => {
                sql::execute(self.sql(), "UPDATE gate SET id = id", [])?;
                Ok(Tally::default())
            }
        };
        ended.map(|ended| Effect::Written { ended })
    }

    /// Whether a change among these is not pending any more: somebody discarded it after the turn read it, and
    /// what the turn made of the others rests on it too.
    fn is_stale(&self, endings: &[Ending]) -> Result<bool> {
        let seqs: Vec<Seq> = endings.iter().map(|ending| ending.seq).collect();
        sql::value(
            self.sql(),
            "SELECT EXISTS (SELECT 1 FROM json_each(?) AS wanted WHERE NOT EXISTS
                 (SELECT 1 FROM changes WHERE seq = wanted.value AND state = 'pending'))",
            [encode(&seqs)],
        )
    }
}

/// JSON text of a value of ours: strings, numbers and raw JSON, which always serialise.
pub(super) fn encode<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("journal values have string keys and hold valid JSON")
}
