//! The questions that the worker asks the journal.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row as _, query};

use super::row::{flow_id, json, key, node_id, time};
use super::{Attempt, DriftCursor, Drifted, GateEnd, JournalError, Mark, Read, Taken, Tally};
use crate::change::{Change, FlowId, Mode, NewChange, NodeId, Seq, Values, Wanted, Work};

/// How many of a flow's changes are its latest.
const LATEST: i64 = 1000;

type Result<T> = std::result::Result<T, JournalError>;

/// Answers questions about the journal, beside the writer.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(super) pool: SqlitePool,
}

/// Pending changes that can be folded.
#[derive(Debug)]
pub struct Ready {
    /// The first ones, in order of arrival.
    pub changes: Vec<Change>,
    /// Whether there are more behind them.
    pub more: bool,
}

impl Reader {
    pub(super) fn new(pool: SqlitePool) -> Self {
        Self { pool }
    }

    /// Closes the connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// How many changes are pending.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn pending_count(&self) -> Result<usize> {
        let row = query("SELECT COUNT(*) FROM changes WHERE state = 'pending'").fetch_one(&self.pool).await?;
        Ok(usize::try_from(row.get::<i64, _>(0)).unwrap_or(0))
    }

    /// How many changes of each flow are pending.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn pending(&self) -> Result<Tally> {
        let rows = query("SELECT flow, COUNT(*) FROM changes WHERE state = 'pending' GROUP BY flow")
            .fetch_all(&self.pool)
            .await?;
        let mut tally = Tally::default();
        for row in &rows {
            tally.add(&flow_id(row.get(0))?, usize::try_from(row.get::<i64, _>(1)).unwrap_or(0));
        }
        Ok(tally)
    }

    /// The flows with work to do: those with pending changes, and those with an undecided attempt.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn flows_with_work(&self) -> Result<Vec<FlowId>> {
        let rows = query(
            "SELECT flow FROM changes WHERE state = 'pending'
             UNION SELECT flow FROM attempts WHERE outcome IS NULL",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| flow_id(row.get(0))).collect()
    }

    /// Until when no call may be started at the tenant.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn gate(&self) -> Result<Option<GateEnd>> {
        let row = query("SELECT until, COALESCE(reason, '') FROM gate WHERE until IS NOT NULL")
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| Ok(GateEnd { until: time(row.get(0))?, reason: row.get(1) })).transpose()
    }
}

impl Read for Reader {
    async fn ready(&self, flow: &FlowId, at_most: usize, bytes: usize) -> Result<Ready> {
        let sql = "SELECT * FROM (
                SELECT *, COUNT(*) OVER () AS found, ROW_NUMBER() OVER (ORDER BY seq) AS place,
                    SUM(bytes) OVER (ORDER BY seq) - bytes AS bytes_before
                FROM (
                    SELECT seq, route, flow, node, mode, variables, fetch_url, order_key, undo, held_ms,
                        length(variables) + COALESCE(length(undo), 0) AS bytes
                    FROM changes WHERE state = 'pending' AND flow = ?1 AND variables IS NOT NULL
                    ORDER BY seq LIMIT ?2 + 1))
             WHERE place <= ?2 AND (bytes_before < ?3 OR place = 1) ORDER BY seq";
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX - 1);
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let rows = query(sql).bind(flow.as_str()).bind(at_most).bind(bytes).fetch_all(&self.pool).await?;
        let found = rows.first().map_or(0, |row| row.get::<i64, _>("found"));
        let changes: Vec<Change> = rows.iter().map(change).collect::<Result<_>>()?;
        let more = i64::try_from(changes.len()).is_ok_and(|taken| taken < found);
        Ok(Ready { changes, more })
    }

    async fn is_paused(&self, flow: &FlowId) -> Result<bool> {
        self.holds(flow).await
    }

    async fn wanted(&self, flow: &FlowId) -> Result<Vec<Wanted>> {
        let rows = query(
            "SELECT DISTINCT route, fetch_url FROM changes
             WHERE state = 'pending' AND flow = ? AND variables IS NULL ORDER BY route, fetch_url",
        )
        .bind(flow.as_str())
        .fetch_all(&self.pool)
        .await?;
        let wanted = |row: &SqliteRow| Wanted { route: Arc::from(row.get::<&str, _>(0)), url: row.get(1) };
        Ok(rows.iter().map(wanted).collect())
    }

    async fn waiting_for(&self, wanted: &Wanted) -> Result<Option<(Seq, Vec<FlowId>)>> {
        let rows = query(
            "SELECT flow, MAX(seq) FROM changes
             WHERE state = 'pending' AND variables IS NULL AND route = ? AND fetch_url = ?
             GROUP BY flow ORDER BY flow",
        )
        .bind(&*wanted.route)
        .bind(&wanted.url)
        .fetch_all(&self.pool)
        .await?;
        let flows = rows.iter().map(|row| flow_id(row.get(0))).collect::<Result<_>>()?;
        Ok(rows.iter().map(|row| row.get(1)).max().map(|up_to| (up_to, flows)))
    }

    async fn marks(&self, flow: &FlowId, node: &NodeId) -> Result<Vec<Mark>> {
        self.marks_of(flow, node).await
    }

    async fn marked_flows(&self, after: Option<&FlowId>, at_most: usize) -> Result<Vec<FlowId>> {
        self.flows_with_marks(after, at_most).await
    }

    async fn marked_nodes(&self, flow: &FlowId) -> Result<Vec<NodeId>> {
        self.nodes_with_marks(flow).await
    }

    async fn taken(
        &self,
        route: &str,
        after: Option<(&FlowId, &NodeId)>,
        at_most: usize,
    ) -> Result<Vec<Taken>> {
        self.taken_by(route, after, at_most).await
    }

    async fn drift(&self, after: Option<DriftCursor<'_>>, at_most: usize) -> Result<Vec<Drifted>> {
        self.drift_behind(after, at_most).await
    }

    async fn drift_of(&self, flow: &FlowId) -> Result<Vec<Drifted>> {
        self.drift_in(flow).await
    }

    async fn work(&self, flow: &FlowId, node: &NodeId) -> Result<Work> {
        self.work_of(flow, node).await
    }

    async fn open_attempt(&self, flow: &FlowId) -> Result<Option<Attempt>> {
        let row =
            query("SELECT id, flow, base_version, plan FROM attempts WHERE flow = ? AND outcome IS NULL")
                .bind(flow.as_str())
                .fetch_optional(&self.pool)
                .await?;
        row.as_ref().map(attempt).transpose()
    }

    async fn last_published(&self, flow: &FlowId) -> Result<Option<String>> {
        let row = query(
            "SELECT version FROM (SELECT version, seq FROM changes WHERE flow = ? ORDER BY seq DESC LIMIT ?)
             WHERE version IS NOT NULL ORDER BY seq DESC LIMIT 1",
        )
        .bind(flow.as_str())
        .bind(LATEST)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| row.get(0)))
    }

    async fn was_lost_at(&self, flow: &FlowId, version: &str) -> Result<bool> {
        let row = query(
            "SELECT EXISTS (SELECT 1 FROM attempts WHERE outcome = 'lost' AND flow = ? AND base_version = ?)",
        )
        .bind(flow.as_str())
        .bind(version)
        .fetch_one(&self.pool)
        .await?;
        Ok(row.get(0))
    }

    async fn others_were_served(&self, than: &FlowId, since: Timestamp) -> Result<bool> {
        // All the states that SQLite must see to prove that its partial index applies, then those in question.
        let row = query(
            "SELECT EXISTS (SELECT 1 FROM changes
             WHERE settled_at >= ? AND state IN ('published', 'unchanged', 'superseded', 'discarded')
             AND state IN ('published', 'unchanged') AND flow != ?)",
        )
        .bind(since.as_millisecond())
        .bind(than.as_str())
        .fetch_one(&self.pool)
        .await?;
        Ok(row.get(0))
    }
}

fn change(row: &SqliteRow) -> Result<Change> {
    let undo = row.get::<Option<&str>, _>("undo").map(|text| json(text, "a rollback")).transpose()?;
    let mode = Mode::parse(row.get("mode"))
        .ok_or_else(|| JournalError::corrupt("mode", "merge, replace or patch"))?;
    let values = match (row.get::<Option<&str>, _>("variables"), row.get::<Option<String>, _>("fetch_url")) {
        (Some(text), _) => match (undo, mode) {
            (Some(undo), _) => Values::Undo(undo),
            (None, Mode::Patch) => Values::Patch(json(text, "a merge patch")?),
            (None, Mode::Merge | Mode::Replace) => Values::Known(json(text, "a list of variables")?),
        },
        (None, Some(url)) => Values::Fetch(url),
        (None, None) => return Err(JournalError::corrupt("NULL", "variables or a URL")),
    };
    Ok(Change {
        seq: row.get("seq"),
        held_ms: row.get("held_ms"),
        what: NewChange {
            route: Arc::from(row.get::<&str, _>("route")),
            flow: flow_id(row.get("flow"))?,
            node: node_id(row.get("node"))?,
            mode,
            values,
            order_key: key(row.get("order_key"))?,
        },
    })
}

fn attempt(row: &SqliteRow) -> Result<Attempt> {
    Ok(Attempt {
        id: row.get("id"),
        flow: flow_id(row.get("flow"))?,
        base_version: row.get("base_version"),
        plan: json(row.get("plan"), "an attempt's plan")?,
    })
}
