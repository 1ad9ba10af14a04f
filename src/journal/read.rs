//! The questions that the worker asks the journal.

use std::collections::BTreeMap;
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

/// How a flow stands at the outset of a turn.
#[derive(Debug)]
pub struct Outset {
    /// The attempt whose outcome is not known, if there is one.
    pub undecided: Option<Attempt>,
    /// Whether an operator has paused the flow, or all flows.
    pub is_paused: bool,
    /// What pending thin changes of it wait for.
    pub wanted: Vec<Wanted>,
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
    async fn outset(&self, flow: &FlowId) -> Result<Outset> {
        let sql = "SELECT EXISTS (SELECT 1 FROM pauses WHERE flow IN (?1, '*')) AS is_paused,
                id, flow, base_version, plan,
                (SELECT json_group_array(json_array(route, fetch_url)) FROM
                    (SELECT DISTINCT route, fetch_url FROM changes
                     WHERE state = 'pending' AND flow = ?1 AND variables IS NULL ORDER BY route, fetch_url))
                AS wanted
             FROM (SELECT 1) LEFT JOIN attempts ON flow = ?1 AND outcome IS NULL";
        let row = query(sql).bind(flow.as_str()).fetch_one(&self.pool).await?;
        let has_attempt = row.get::<Option<&str>, _>("id").is_some();
        let wanted: Vec<(String, String)> = json(row.get("wanted"), "routes and URLs")?;
        let wanted = wanted.into_iter().map(|(route, url)| Wanted { route: Arc::from(route), url }).collect();
        Ok(Outset {
            undecided: has_attempt.then(|| attempt(&row)).transpose()?,
            is_paused: row.get("is_paused"),
            wanted,
        })
    }

    async fn ready(&self, flow: &FlowId, at_most: usize, bytes: usize) -> Result<Ready> {
        // What is too much is found by lengths alone: only what is taken is read whole. All of it in a window, a
        // thousand changes took seven times as long.
        let sql = "WITH light AS (
                SELECT seq, ROW_NUMBER() OVER before AS place, SUM(bytes) OVER before - bytes AS bytes_before
                FROM (
                    SELECT seq, length(variables) + COALESCE(length(undo), 0) AS bytes
                    FROM changes WHERE state = 'pending' AND flow = ?1 AND variables IS NOT NULL
                    ORDER BY seq LIMIT ?2 + 1)
                WINDOW before AS (ORDER BY seq ROWS UNBOUNDED PRECEDING)),
             beyond AS (
                SELECT MIN(seq) AS first FROM light WHERE place > ?2 OR (bytes_before >= ?3 AND place > 1))
             SELECT seq, route, node, mode, variables, fetch_url, order_key, undo, held_ms,
                first IS NOT NULL AS more
             FROM beyond, changes WHERE state = 'pending' AND flow = ?1 AND variables IS NOT NULL
                AND seq < COALESCE(first, 9223372036854775807)
             ORDER BY seq LIMIT ?2";
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX - 1);
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let rows = query(sql).bind(flow.as_str()).bind(at_most).bind(bytes).fetch_all(&self.pool).await?;
        let more = rows.first().is_some_and(|row| row.get("more"));
        let changes = rows.iter().map(|row| change(row, flow)).collect::<Result<_>>()?;
        Ok(Ready { changes, more })
    }

    async fn is_paused(&self, flow: &FlowId) -> Result<bool> {
        self.holds(flow).await
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

    async fn marks(&self, flow: &FlowId, nodes: &[&NodeId]) -> Result<Vec<Mark>> {
        self.marks_of(flow, nodes).await
    }

    async fn marked_flows(&self, after: Option<&FlowId>, at_most: usize) -> Result<Vec<FlowId>> {
        self.flows_with_marks(after, at_most).await
    }

    async fn works(&self, flow: &FlowId) -> Result<BTreeMap<NodeId, Work>> {
        self.works_of(flow).await
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

    async fn last_published(&self, flow: &FlowId) -> Result<Option<String>> {
        let row = query(
            "SELECT version FROM (SELECT version, seq FROM changes
                 WHERE flow = ? AND state <> 'pending' ORDER BY seq DESC LIMIT ?)
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

fn change(row: &SqliteRow, flow: &FlowId) -> Result<Change> {
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
            flow: flow.clone(),
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
