//! The questions that people ask the journal, through the admin listener.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{QueryBuilder, Row as _};

use super::row::{json, time};
use super::{JournalError, Reader};
use crate::change::{FlowId, Mode, Seq, State, Undo, Variable};
use crate::http::shown;

type Result<T> = std::result::Result<T, JournalError>;

/// Which changes to list: newest first.
#[derive(Clone, Debug, Default)]
pub struct ChangeFilter {
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those of this flow.
    pub flow: Option<FlowId>,
    /// Only those of this source.
    pub source: Option<String>,
    /// Only those whose delivery arrived then or later.
    pub since: Option<Timestamp>,
    /// Only those older than this one.
    pub before: Option<Seq>,
    /// At most so many.
    pub limit: u32,
}

/// A change as people see it.
#[derive(Debug, Serialize)]
pub struct ChangeView {
    /// Its place in the order of arrival.
    pub seq: Seq,
    /// The source that sent its delivery.
    pub source: String,
    /// The delivery's id.
    pub delivery: String,
    /// The route that made it.
    pub route: String,
    /// The flow.
    pub flow: String,
    /// The node.
    pub node: String,
    /// `merge`, `replace` or `patch`.
    pub mode: String,
    /// The variables it sets; absent while they are to be fetched, and of a patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<Vec<Variable>>,
    /// The merge patch for the node's `configuration`; absent while it is to be fetched. Where it rolls one back, the
    /// members that it restores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<Box<RawValue>>,
    /// Where they are to be fetched, without what may be a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetch_url: Option<String>,
    /// Its place in the source's own order: a time (RFC 3339), or `#` and a revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_key: Option<String>,
    /// The change that it rolls back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolls_back: Option<Seq>,
    /// The variables that it takes away, as there were none before that change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removes: Vec<String>,
    /// Where it stands.
    pub state: String,
    /// Why it failed, or what it waits for, or what is to be noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The flow's version that it is in, spelt as the tenant spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Box<RawValue>>,
    /// When its delivery arrived, RFC 3339.
    pub received_at: String,
    /// When it ended, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<String>,
}

/// A delivery as people see it.
#[derive(Debug, Serialize)]
pub struct DeliveryView {
    /// The source that sent it.
    pub source: String,
    /// The sender's id for it.
    pub id: String,
    /// `accepted` or `rejected`.
    pub state: String,
    /// Why it was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The body of a rejected delivery, as text; bytes that are not UTF-8 are shown as `�`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// When it arrived, RFC 3339.
    pub received_at: String,
    /// What followed from it.
    pub changes: Vec<ChangeView>,
}

const CHANGE: &str = "SELECT c.seq, d.source, d.delivery_id, c.route, c.flow, c.node, c.mode, c.variables,
    c.fetch_url, c.order_key, c.undo, c.state, c.reason, c.version, d.received_at, c.settled_at,
    CASE WHEN c.state = 'pending' THEN
        -- That of all flows comes first: `*` sorts before every id.
        (SELECT IIF(p.flow = '*', 'all flows are paused: ', 'the flow is paused: ') || p.reason
         FROM pauses p WHERE p.flow IN (c.flow, '*') ORDER BY p.flow LIMIT 1)
    END AS paused
    FROM changes c JOIN deliveries d ON d.id = c.delivery WHERE ";

impl ChangeFilter {
    /// Whether it finds all changes there are, but for its limit and where it begins.
    pub fn names_nothing(&self) -> bool {
        self.state.is_none() && self.flow.is_none() && self.source.is_none() && self.since.is_none()
    }

    /// Appends the conditions, the order and the limit to a `SELECT … FROM changes c JOIN deliveries d … WHERE `.
    pub(super) fn push_to(&self, sql: &mut QueryBuilder<Sqlite>) {
        sql.push("TRUE");
        match self.state {
            // Written out, so that SQLite can prove that its partial indexes apply.
            Some(State::Pending) => _ = sql.push(" AND c.state = 'pending'"),
            Some(State::Failed) => _ = sql.push(" AND c.state = 'failed'"),
            Some(state) => _ = sql.push(" AND c.state <> 'pending' AND c.state = ").push_bind(state.as_str()),
            None => {}
        }
        match &self.flow {
            Some(flow) if self.state.is_some() => _ = sql.push(" AND c.flow = ").push_bind(flow.as_str()),
            // One index has those that are pending, another those that have ended.
            Some(flow) => {
                sql.push(" AND c.seq IN (SELECT seq FROM changes WHERE state = 'pending' AND flow = ");
                sql.push_bind(flow.as_str());
                sql.push(" UNION ALL SELECT seq FROM changes WHERE state <> 'pending' AND flow = ");
                sql.push_bind(flow.as_str()).push(")");
            }
            None => {}
        }
        if let Some(source) = &self.source {
            sql.push(" AND d.source = ").push_bind(source.clone());
        }
        if let Some(since) = self.since {
            sql.push(" AND d.received_at >= ").push_bind(since.as_millisecond());
        }
        if let Some(before) = self.before {
            sql.push(" AND c.seq < ").push_bind(before);
        }
        sql.push(" ORDER BY c.seq DESC LIMIT ").push_bind(self.limit);
    }
}

impl Reader {
    /// Lists changes, newest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn changes(&self, filter: &ChangeFilter) -> Result<Vec<ChangeView>> {
        let mut sql = QueryBuilder::<Sqlite>::new(CHANGE);
        filter.push_to(&mut sql);
        let rows = sql.build().fetch_all(&self.pool).await?;
        rows.iter().map(view).collect()
    }

    /// One change.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn change(&self, seq: Seq) -> Result<Option<ChangeView>> {
        let mut sql = QueryBuilder::<Sqlite>::new(CHANGE);
        let row = sql.push("c.seq = ").push_bind(seq).build().fetch_optional(&self.pool).await?;
        row.as_ref().map(view).transpose()
    }

    /// One delivery, with its changes.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn delivery(&self, source: &str, id: &str) -> Result<Option<DeliveryView>> {
        let found = sqlx::query(
            "SELECT id, state, reason, body, received_at FROM deliveries WHERE source = ? AND delivery_id = ?",
        )
        .bind(source)
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = found else { return Ok(None) };
        let mut sql = QueryBuilder::<Sqlite>::new(CHANGE);
        sql.push("c.delivery = ").push_bind(row.get::<i64, _>("id")).push(" ORDER BY c.seq");
        let changes = sql.build().fetch_all(&self.pool).await?;
        Ok(Some(DeliveryView {
            source: source.to_owned(),
            id: id.to_owned(),
            state: row.get("state"),
            reason: row.get("reason"),
            body: row.get::<Option<&[u8]>, _>("body").map(|body| String::from_utf8_lossy(body).into_owned()),
            received_at: time(row.get("received_at"))?.to_string(),
            changes: changes.iter().map(view).collect::<Result<_>>()?,
        }))
    }
}

fn view(row: &SqliteRow) -> Result<ChangeView> {
    let is_patch = row.get::<&str, _>("mode") == Mode::Patch.as_str();
    let text = row.get::<Option<&str>, _>("variables");
    let version = row.get::<Option<String>, _>("version");
    let undo = row.get::<Option<&str>, _>("undo").map(|text| json::<Undo>(text, "a rollback")).transpose()?;
    let unreadable = |expected| move |_bad| JournalError::corrupt("text", expected);
    Ok(ChangeView {
        seq: row.get("seq"),
        source: row.get("source"),
        delivery: row.get("delivery_id"),
        route: row.get("route"),
        flow: row.get("flow"),
        node: row.get("node"),
        mode: row.get("mode"),
        variables: text
            .filter(|_| !is_patch)
            .map(serde_json::from_str)
            .transpose()
            .map_err(unreadable("a list of variables"))?,
        patch: text
            .filter(|_| is_patch)
            .map(serde_json::from_str)
            .transpose()
            .map_err(unreadable("a merge patch"))?,
        fetch_url: row.get::<Option<&str>, _>("fetch_url").map(shown),
        order_key: row.get("order_key"),
        rolls_back: undo.as_ref().map(|undo| undo.of),
        removes: undo.iter().filter(|_| !is_patch).flat_map(Undo::removes).map(str::to_owned).collect(),
        state: row.get("state"),
        reason: row.get::<Option<String>, _>("paused").or_else(|| row.get("reason")),
        version: version.map(RawValue::from_string).transpose().map_err(unreadable("a version"))?,
        received_at: time(row.get("received_at"))?.to_string(),
        settled_at: row.get::<Option<i64>, _>("settled_at").map(time).transpose()?.map(|at| at.to_string()),
    })
}
