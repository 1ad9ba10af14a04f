//! The one writer: what goes into a commit, statement by statement.

use std::fs::File;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, Sqlite, Transaction, query};

use super::{Attempt, Effect, Ending, Fetched, JournalError, Mark, Settlement, Step};
use crate::change::{Admission, Delivery, FlowId, NewChange, Seq, State, Values, Verdict};

type Result<T> = std::result::Result<T, JournalError>;

/// Commits to the journal. There is one, and one task owns it.
#[derive(Debug)]
pub struct Writer {
    connection: SqliteConnection,
    /// How to connect again.
    options: SqliteConnectOptions,
    /// Whether the last commit has not been finished.
    unfinished: bool,
    /// Held as long as the journal is open.
    _lock: File,
}

/// A commit in the making: everything in it lands together or not at all.
#[derive(Debug)]
pub struct Commit<'w> {
    transaction: Transaction<'w, Sqlite>,
    unfinished: &'w mut bool,
    pub(super) now_ms: i64,
}

/// What became of a delivery, and which flows have work because of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The answer for the sender.
    pub admission: Admission,
    /// The flows whose lanes must look.
    pub flows: Vec<FlowId>,
}

impl Admitted {
    /// Nothing is pending because of it.
    fn nothing(admission: Admission) -> Self {
        Self { admission, flows: Vec::new() }
    }
}

impl Writer {
    pub(super) fn new(connection: SqliteConnection, options: SqliteConnectOptions, lock: File) -> Self {
        Self { connection, options, unfinished: false, _lock: lock }
    }

    /// Begins a commit whose entries are dated `now`.
    ///
    /// # Errors
    /// When SQLite does not give the write lock.
    pub async fn begin(&mut self, now: Timestamp) -> Result<Commit<'_>> {
        if self.unfinished {
            self.recover().await?;
        }
        self.unfinished = true;
        let transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Commit { transaction, unfinished: &mut self.unfinished, now_ms: now.as_millisecond() })
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

    /// Closes the file in order, so that the next start finds no WAL to recover.
    pub async fn close(self) {
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
        Ok(())
    }

    pub(super) fn sql(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// Stores a delivery with its changes, or finds that it is known.
    ///
    /// A known id is not a duplicate when its delivery was rejected (it is judged anew), or when it has
    /// changes again and some of the first ones failed (those become pending again).
    ///
    /// # Errors
    /// When a statement failed; the commit must then be dropped.
    pub async fn admit(&mut self, delivery: &Delivery) -> Result<Admitted> {
        let (state, reason, body) = match &delivery.verdict {
            Verdict::Changes(_) => ("accepted", None, None),
            Verdict::Rejected { reason, body } => ("rejected", Some(reason.as_str()), Some(body.as_ref())),
        };
        // A row that is there already is taken over only if it was rejected.
        let stored = query(
            "INSERT INTO deliveries (source, delivery_id, state, reason, body, received_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (source, delivery_id) DO UPDATE
             SET state = excluded.state, reason = excluded.reason, body = excluded.body,
                 received_at = excluded.received_at
             WHERE deliveries.state = 'rejected'
             RETURNING id",
        )
        .bind(&*delivery.source)
        .bind(&delivery.id)
        .bind(state)
        .bind(reason)
        .bind(body)
        .bind(delivery.received_at.as_millisecond())
        .fetch_optional(self.sql())
        .await?;
        let id: Option<i64> = stored.map(|row| row.get(0));
        match (id, &delivery.verdict) {
            (None, Verdict::Changes(_)) => self.readmit(delivery).await,
            // What failed under this id gets no other chance from a body that is refused.
            (None, Verdict::Rejected { .. }) => Ok(Admitted::nothing(Admission::Duplicate)),
            (Some(_), Verdict::Rejected { .. }) => Ok(Admitted::nothing(Admission::Rejected)),
            (Some(id), Verdict::Changes(changes)) => {
                for change in changes {
                    self.insert(id, change).await?;
                }
                let flows = changes.iter().map(|change| change.flow.clone()).collect();
                Ok(Admitted { admission: Admission::Accepted { changes: changes.len() }, flows })
            }
        }
    }

    async fn insert(&mut self, delivery: i64, change: &NewChange) -> Result<()> {
        let (variables, fetch_url) = match &change.values {
            Values::Known(variables) => (Some(encode(variables)), None),
            Values::Fetch(url) => (None, Some(url.as_str())),
        };
        query(
            "INSERT INTO changes (delivery, route, flow, node, mode, variables, fetch_url, order_key, state)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'pending')",
        )
        .bind(delivery)
        .bind(&*change.route)
        .bind(change.flow.as_str())
        .bind(change.node.as_str())
        .bind(change.mode.as_str())
        .bind(variables)
        .bind(fetch_url)
        .bind(change.order_key.map(|key| key.0.to_string()))
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// An accepted delivery came again: what failed of it gets another chance.
    async fn readmit(&mut self, delivery: &Delivery) -> Result<Admitted> {
        let rows = query(
            "UPDATE changes SET state = 'pending', reason = NULL, held_ms = 0, settled_at = NULL
             WHERE state = 'failed' AND delivery =
                 (SELECT id FROM deliveries WHERE source = ? AND delivery_id = ?)
             RETURNING flow",
        )
        .bind(&*delivery.source)
        .bind(&delivery.id)
        .fetch_all(self.sql())
        .await?;
        if rows.is_empty() {
            return Ok(Admitted::nothing(Admission::Duplicate));
        }
        let flows = rows.iter().map(|row| super::read::flow_id(row.get(0))).collect::<Result<_>>()?;
        Ok(Admitted { admission: Admission::Accepted { changes: rows.len() }, flows })
    }

    /// Writes one step.
    ///
    /// # Errors
    /// When a statement failed; the commit must then be dropped.
    pub async fn step(&mut self, step: &Step) -> Result<Effect> {
        let ended = match step {
            Step::Act { verb, chosen } => return self.act(*verb, chosen).await.map(Effect::Acted),
            Step::Attempt(attempt) if self.is_stale(&attempt.plan.endings).await? => {
                return Ok(Effect::Stale);
            }
            // What an open attempt carries cannot be discarded: its settlement is never stale.
            Step::Settle { settlement, .. }
                if settlement.attempt.is_none() && self.is_stale(&settlement.endings).await? =>
            {
                return Ok(Effect::Stale);
            }
            Step::Attempt(attempt) => self.attempt(attempt).await.map(|()| 0),
            Step::Settle { flow, settlement } => self.settle(flow, settlement).await,
            Step::Hold { seqs, reason, for_ms } => self.hold(seqs, reason, *for_ms).await.map(|()| 0),
            Step::Fetched { url, up_to, fetched } => self.fetched(url, *up_to, fetched).await,
            Step::Gate(end) => {
                query("UPDATE gate SET until = ?, reason = ?")
                    .bind(end.until.as_millisecond())
                    .bind(end.reason.as_str())
                    .execute(self.sql())
                    .await?;
                Ok(0)
            }
            Step::Prune { before, at_most } => self.prune(*before, *at_most).await.map(|()| 0),
            Step::Probe => {
                query("UPDATE gate SET id = id").execute(self.sql()).await?;
                Ok(0)
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

    async fn attempt(&mut self, attempt: &Attempt) -> Result<()> {
        query("INSERT INTO attempts (id, flow, base_version, plan, started_at) VALUES (?, ?, ?, ?, ?)")
            .bind(&attempt.id)
            .bind(attempt.flow.as_str())
            .bind(&attempt.base_version)
            .bind(encode(&attempt.plan))
            .bind(self.now_ms)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    async fn settle(&mut self, flow: &FlowId, settlement: &Settlement) -> Result<usize> {
        let now = self.now_ms;
        if let Some((id, outcome)) = &settlement.attempt {
            query("UPDATE attempts SET outcome = ?, ended_at = ? WHERE id = ?")
                .bind(outcome.as_str())
                .bind(now)
                .bind(id)
                .execute(self.sql())
                .await?;
        }
        for mark in &settlement.marks {
            self.mark(flow, mark).await?;
        }
        let mut ended = 0;
        for ending in &settlement.endings {
            let version = settlement.version.as_ref().filter(|_| ending.state == State::Published);
            let done = query(
                "UPDATE changes SET state = ?, reason = ?, version = ?, settled_at = ?
                 WHERE seq = ? AND state = 'pending'",
            )
            .bind(ending.state.as_str())
            .bind(&ending.reason)
            .bind(version)
            .bind(now)
            .bind(ending.seq)
            .execute(self.sql())
            .await?;
            ended += usize::try_from(done.rows_affected()).unwrap_or(0);
        }
        Ok(ended)
    }

    async fn mark(&mut self, flow: &FlowId, mark: &Mark) -> Result<()> {
        query(
            "INSERT INTO marks (flow, node, target, route, order_key, seq) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (flow, node, target) DO UPDATE
             SET route = excluded.route, order_key = excluded.order_key, seq = excluded.seq",
        )
        .bind(flow.as_str())
        .bind(&mark.node)
        .bind(mark.target.encode())
        .bind(&mark.route)
        .bind(mark.order_key.map(|key| key.to_string()))
        .bind(mark.seq)
        .execute(self.sql())
        .await?;
        Ok(())
    }

    async fn hold(&mut self, seqs: &[Seq], reason: &str, for_ms: i64) -> Result<()> {
        for seq in seqs {
            query("UPDATE changes SET reason = ?, held_ms = held_ms + ? WHERE seq = ? AND state = 'pending'")
                .bind(reason)
                .bind(for_ms)
                .bind(seq)
                .execute(self.sql())
                .await?;
        }
        Ok(())
    }

    async fn fetched(&mut self, url: &str, up_to: Seq, fetched: &Fetched) -> Result<usize> {
        let now = self.now_ms;
        let update = match fetched {
            Fetched::Values(variables) => query(
                "UPDATE changes SET variables = ?, reason = NULL
                 WHERE state = 'pending' AND variables IS NULL AND fetch_url = ? AND seq <= ?",
            )
            .bind(encode(variables)),
            Fetched::Nothing(reason) => query(
                "UPDATE changes SET reason = ?
                 WHERE state = 'pending' AND variables IS NULL AND fetch_url = ? AND seq <= ?",
            )
            .bind(reason),
            Fetched::Unfit(reason) => query(
                "UPDATE changes SET state = 'failed', settled_at = ?, reason = ?
                 WHERE state = 'pending' AND variables IS NULL AND fetch_url = ? AND seq <= ?",
            )
            .bind(now)
            .bind(reason),
        };
        let done = update.bind(url).bind(up_to).execute(self.sql()).await?;
        match fetched {
            Fetched::Unfit(_) => Ok(usize::try_from(done.rows_affected()).unwrap_or(0)),
            Fetched::Values(_) | Fetched::Nothing(_) => Ok(0),
        }
    }

    /// Drops settled changes, then deliveries that have none left. `failed` changes stay until someone
    /// ends them; marks stay for ever.
    async fn prune(&mut self, before: Timestamp, at_most: u32) -> Result<()> {
        let before = before.as_millisecond();
        let gone = query(
            "DELETE FROM changes WHERE seq IN (
                 SELECT seq FROM changes
                 WHERE settled_at < ? AND state IN ('published', 'unchanged', 'superseded', 'discarded')
                 ORDER BY settled_at LIMIT ?)
             RETURNING delivery",
        )
        .bind(before)
        .bind(at_most)
        .fetch_all(self.sql())
        .await?;
        for row in gone {
            query(
                "DELETE FROM deliveries WHERE id = ?1
                 AND NOT EXISTS (SELECT 1 FROM changes WHERE delivery = ?1)",
            )
            .bind(row.get::<i64, _>(0))
            .execute(self.sql())
            .await?;
        }
        query(
            "DELETE FROM deliveries WHERE id IN (
                 SELECT id FROM deliveries WHERE state = 'rejected' AND received_at < ? LIMIT ?)",
        )
        .bind(before)
        .bind(at_most)
        .execute(self.sql())
        .await?;
        query(
            "DELETE FROM attempts WHERE id IN (
                 SELECT id FROM attempts WHERE outcome IS NOT NULL AND ended_at < ?1 LIMIT ?2)",
        )
        .bind(before)
        .bind(at_most)
        .execute(self.sql())
        .await?;
        Ok(())
    }
}

/// JSON text of a value of ours: strings, numbers and raw JSON, which always serialise.
fn encode<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("journal values have string keys and hold valid JSON")
}
