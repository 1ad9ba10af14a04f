//! The questions that people ask the journal, through the admin listener.

use jiff::Timestamp;
use rusqlite::Row;
use serde::Serialize;
use serde_json::value::RawValue;

use super::row::{json, time};
use super::sql::{self, Question};
use super::{JournalError, Reader, ids};
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
    pub(super) fn push_to(&self, sql: &mut Question) {
        sql.push("TRUE");
        match self.state {
            // Written out, so that SQLite can prove that its partial indexes apply.
            Some(State::Pending) => _ = sql.push(" AND c.state = 'pending'"),
            Some(State::Failed) => _ = sql.push(" AND c.state = 'failed'"),
            Some(state) => {
                sql.push(" AND c.state <> 'pending' AND c.state = ").push_bind(state.as_str().to_owned());
            }
            None => {}
        }
        match &self.flow {
            Some(flow) if self.state.is_some() => {
                sql.push(" AND c.flow = ").push_bind(flow.as_str().to_owned());
            }
            // One index has all that are pending, in the order of arrival; another those of a flow that have ended.
            Some(flow) => {
                sql.push(" AND c.seq IN (SELECT seq FROM changes WHERE state = 'pending' AND flow = ");
                sql.push_bind(flow.as_str().to_owned());
                sql.push(" UNION ALL SELECT seq FROM changes WHERE state <> 'pending' AND flow = ");
                sql.push_bind(flow.as_str().to_owned()).push(")");
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
        let mut question = Question::new(CHANGE);
        filter.push_to(&mut question);
        self.ask(move |sql| question.all(sql, view)).await
    }

    /// One change.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn change(&self, seq: Seq) -> Result<Option<ChangeView>> {
        self.ask(move |sql| sql::first(sql, &format!("{CHANGE}c.seq = ?"), [seq], view)).await
    }

    /// One delivery, with its changes.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn delivery(&self, source: &str, id: &str) -> Result<Option<DeliveryView>> {
        let (source, id) = (source.to_owned(), id.to_owned());
        self.ask(move |sql| {
            let found = sql::first(
                sql,
                // The latest are not in the table of ids yet.
                "SELECT id, state, reason, body, received_at FROM deliveries
                 WHERE source = ?1 AND delivery_id = ?2
                     AND (id IN (SELECT delivery FROM ids WHERE hash = ?3)
                         OR id > (SELECT delivery FROM ids_known_to))",
                (&source, &id, ids::hash(&source, &id)),
                |row| {
                    let body = row.get::<_, Option<Vec<u8>>>("body")?;
                    let delivery = DeliveryView {
                        source: source.clone(),
                        id: id.clone(),
                        state: row.get("state")?,
                        reason: row.get("reason")?,
                        body: body.map(|body| String::from_utf8_lossy(&body).into_owned()),
                        received_at: time(row.get("received_at")?)?.to_string(),
                        changes: Vec::new(),
                    };
                    Ok((row.get::<_, i64>("id")?, delivery))
                },
            )?;
            let Some((row, mut delivery)) = found else { return Ok(None) };
            let changes = "c.seq BETWEEN d.first_change AND d.last_change AND d.id = ? ORDER BY c.seq";
            delivery.changes = sql::all(sql, &format!("{CHANGE}{changes}"), [row], view)?;
            Ok(Some(delivery))
        })
        .await
    }
}

fn view(row: &Row<'_>) -> Result<ChangeView> {
    let mode = row.get::<_, String>("mode")?;
    let is_patch = mode == Mode::Patch.as_str();
    let text = row.get::<_, Option<String>>("variables")?;
    let version = row.get::<_, Option<String>>("version")?;
    let undo = row.get::<_, Option<String>>("undo")?;
    let undo = undo.map(|text| json::<Undo>(&text, "a rollback")).transpose()?;
    let paused = row.get::<_, Option<String>>("paused")?;
    let unreadable = |expected| move |_bad| JournalError::corrupt("text", expected);
    Ok(ChangeView {
        seq: row.get("seq")?,
        source: row.get("source")?,
        delivery: row.get("delivery_id")?,
        route: row.get("route")?,
        flow: row.get("flow")?,
        node: row.get("node")?,
        mode,
        variables: text
            .as_deref()
            .filter(|_| !is_patch)
            .map(serde_json::from_str)
            .transpose()
            .map_err(unreadable("a list of variables"))?,
        patch: text
            .as_deref()
            .filter(|_| is_patch)
            .map(serde_json::from_str)
            .transpose()
            .map_err(unreadable("a merge patch"))?,
        fetch_url: row.get::<_, Option<String>>("fetch_url")?.as_deref().map(shown),
        order_key: row.get("order_key")?,
        rolls_back: undo.as_ref().map(|undo| undo.of),
        removes: undo.iter().filter(|_| !is_patch).flat_map(Undo::removes).map(str::to_owned).collect(),
        state: row.get("state")?,
        reason: paused.map_or_else(|| row.get("reason"), |paused| Ok(Some(paused)))?,
        version: version.map(RawValue::from_string).transpose().map_err(unreadable("a version"))?,
        received_at: time(row.get("received_at")?)?.to_string(),
        settled_at: row.get::<_, Option<i64>>("settled_at")?.map(time).transpose()?.map(|at| at.to_string()),
    })
}
