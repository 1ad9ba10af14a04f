//! The one writer, and its commits: begun, filled step by step, and made durable.

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, Sqlite, Transaction, query};

use super::checkpoint::Checkpoints;
use super::lock::Lock;
use super::{Committed, Effect, Ending, JournalError, Step, Tally, Write};
use crate::change::{Delivery, Seq};

type Result<T> = std::result::Result<T, JournalError>;

/// Commits to the journal. There is one, and one task owns it.
#[derive(Debug)]
pub struct Writer {
    connection: SqliteConnection,
    /// How to connect again.
    options: SqliteConnectOptions,
    /// Whether the last commit has not been finished.
    unfinished: bool,
    /// Whether damage was met. What is written into a damaged file can damage more of it.
    is_damaged: bool,
    checkpoints: Checkpoints,
    /// Held as long as the journal is open; remembers the last change that was committed.
    lock: Lock,
}

/// A commit in the making: everything in it lands together or not at all.
#[derive(Debug)]
pub struct Commit<'w> {
    transaction: Transaction<'w, Sqlite>,
    unfinished: &'w mut bool,
    lock: &'w mut Lock,
    /// The last change that is new in it.
    pub(super) last: Option<Seq>,
    pub(super) now_ms: i64,
}

impl Writer {
    pub(super) fn new(
        connection: SqliteConnection,
        options: SqliteConnectOptions,
        checkpoints: Checkpoints,
        lock: Lock,
    ) -> Self {
        Self { connection, options, unfinished: false, is_damaged: false, checkpoints, lock }
    }

    /// Begins a commit whose entries are dated `now`.
    ///
    /// # Errors
    /// When SQLite does not give the write lock.
    pub async fn begin(&mut self, now: Timestamp) -> Result<Commit<'_>> {
        if !self.lock.is_in_place() {
            return Err(JournalError::Gone { path: self.lock.path().to_owned() });
        }
        if self.unfinished {
            self.recover().await?;
        }
        self.unfinished = true;
        let transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        let (unfinished, lock) = (&mut self.unfinished, &mut self.lock);
        Ok(Commit { transaction, unfinished, lock, last: None, now_ms: now.as_millisecond() })
    }

    /// Makes the connection usable again after a commit that was dropped. Where SQLite rolled that back by
    /// itself, as it does when the disk is full, sqlx cannot roll it back and counts it as open for ever.
    async fn recover(&mut self) -> Result<()> {
        // The rollback that dropping it asked for comes first.
        let alive = self.connection.ping().await.is_ok();
        if !alive || self.connection.is_in_transaction() {
            self.connection = self.options.connect().await?;
        }
        Ok(())
    }

    async fn commit_all(
        &mut self,
        now: Timestamp,
        steps: &[&Step],
        deliveries: &[&Delivery],
    ) -> Result<Committed> {
        let mut commit = self.begin(now).await?;
        let mut committed = Committed::default();
        for step in steps {
            committed.effects.push(commit.step(step).await?);
        }
        committed.admitted = commit.admit_all(deliveries).await?;
        commit.finish().await?;
        self.checkpoints.committed(steps.len() + deliveries.len());
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
        let committed = self.commit_all(now, steps, deliveries).await;
        self.is_damaged = matches!(committed, Err(JournalError::Malformed(_)));
        committed
    }

    /// So that the next start finds no WAL to recover.
    async fn close(self) {
        self.checkpoints.close().await;
        // Everything committed is durable already; a failure here costs a recovery, nothing else.
        if let Err(error) = self.connection.close().await {
            tracing::warn!(error = %error, "the journal was not closed in order; the next start recovers it");
        }
    }
}

impl Commit<'_> {
    /// Makes everything in the commit durable.
    ///
    /// # Errors
    /// When the commit failed: then nothing of it is stored.
    pub async fn finish(self) -> Result<()> {
        self.transaction.commit().await?;
        *self.unfinished = false;
        if let Some(last) = self.last {
            // Into the page cache, in place: it waits for no disk.
            self.lock.remember(last);
        }
        Ok(())
    }

    pub(super) fn sql(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// Writes one step.
    ///
    /// # Errors
    /// When a statement failed; the commit must then be dropped.
    pub async fn step(&mut self, step: &Step) -> Result<Effect> {
        let ended = match step {
            Step::Act { verb, chosen } => return self.act(*verb, chosen).await.map(Effect::Acted),
            Step::Rollback { seqs } => return self.roll_back(seqs).await.map(Effect::Acted),
            Step::Pause { reach, reason } => {
                return self.pause(reach, reason.as_deref()).await.map(Effect::Acted);
            }
            Step::Resume { reach } => return self.resume(reach).await.map(Effect::Acted),
            Step::Prune { before, at_most } => return self.prune(*before, *at_most).await,
            Step::Attempt(attempt)
                if self.is_paused(&attempt.flow).await? || self.is_stale(&attempt.plan.endings).await? =>
            {
                return Ok(Effect::Stale);
            }
            // What an open attempt carries cannot be discarded: its settlement is never stale.
            Step::Settle { settlement, .. }
                if settlement.attempt.is_none() && self.is_stale(&settlement.endings).await? =>
            {
                return Ok(Effect::Stale);
            }
            Step::Attempt(attempt) => self.attempt(attempt).await.map(|()| Tally::default()),
            Step::Settle { flow, settlement } => self.settle(flow, settlement).await,
            Step::Hold { seqs, reason, for_ms } => {
                self.hold(seqs, reason, *for_ms).await.map(|()| Tally::default())
            }
            Step::Fetched { wanted, up_to, fetched } => self.fetched(wanted, *up_to, fetched).await,
            Step::Drift { flow, nodes, found } => {
                self.drifts(flow, nodes, found).await.map(|()| Tally::default())
            }
            Step::Gate(end) => {
                query("UPDATE gate SET until = ?, reason = ?")
                    .bind(end.until.as_millisecond())
                    .bind(end.reason.as_str())
                    .execute(self.sql())
                    .await?;
                Ok(Tally::default())
            }
            Step::Probe => {
                query("UPDATE gate SET id = id").execute(self.sql()).await?;
                Ok(Tally::default())
            }
        };
        ended.map(|ended| Effect::Written { ended })
    }

    /// Whether a change among these is not pending any more: somebody discarded it after the turn read it, and
    /// what the turn made of the others rests on it too.
    async fn is_stale(&mut self, endings: &[Ending]) -> Result<bool> {
        let seqs: Vec<Seq> = endings.iter().map(|ending| ending.seq).collect();
        let row = query(
            "SELECT EXISTS (SELECT 1 FROM json_each(?) AS wanted WHERE NOT EXISTS
                 (SELECT 1 FROM changes WHERE seq = wanted.value AND state = 'pending'))",
        )
        .bind(encode(&seqs))
        .fetch_one(self.sql())
        .await?;
        Ok(row.get(0))
    }
}

/// JSON text of a value of ours: strings, numbers and raw JSON, which always serialise.
pub(super) fn encode<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("journal values have string keys and hold valid JSON")
}
