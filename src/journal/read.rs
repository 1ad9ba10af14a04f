//! The questions that the worker asks the journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::pending::Pending;
use super::readers::Readers;
use super::row::{flow_id, json, key, node_id, time};
use super::{Attempt, DriftCursor, Drifted, GateEnd, JournalError, Mark, Read, Taken, Tally, sql};
use crate::change::{Change, FlowId, Mode, NewChange, NodeId, Seq, Values, Wanted, Work};

/// How many of a flow's changes are its latest.
const LATEST: i64 = 1000;
/// A pending change whose values are known.
const READY: &str = "SELECT seq, route, node, mode, variables, fetch_url, order_key, undo, held_ms,
        length(variables) + COALESCE(length(undo), 0) AS bytes
    FROM changes WHERE seq = ? AND state = 'pending' AND variables IS NOT NULL";

type Result<T> = std::result::Result<T, JournalError>;

/// Answers questions about the journal, beside the writer.
#[derive(Clone, Debug)]
pub struct Reader {
    readers: Readers,
    pub(super) pending: Pending,
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
    pub(super) fn new(readers: Readers, pending: Pending) -> Self {
        Self { readers, pending }
    }

    /// Closes the connections.
    pub async fn close(&self) {
        self.readers.close().await;
    }

    /// Asks beside the tasks: it waits for the disk.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.readers.ask(question).await
    }

    /// How many changes of each flow are pending.
    pub fn pending(&self) -> Tally {
        self.pending.tally()
    }

    /// The flows with work to do: those with pending changes, and those with an undecided attempt.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn flows_with_work(&self) -> Result<Vec<FlowId>> {
        let undecided = self.ask(|sql| {
            sql::all(sql, "SELECT flow FROM attempts WHERE outcome IS NULL", [], |row| {
                flow_id(&row.get::<_, String>(0)?)
            })
        });
        let undecided = undecided.await?;
        Ok(self.pending().iter().map(|(flow, _)| flow.clone()).chain(undecided).collect())
    }

    /// Until when no call may be started at the tenant.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn gate(&self) -> Result<Option<GateEnd>> {
        let text = "SELECT until, COALESCE(reason, '') FROM gate WHERE until IS NOT NULL";
        let end = |row: &Row<'_>| Ok(GateEnd { until: time(row.get(0)?)?, reason: row.get(1)? });
        self.ask(move |sql| sql::first(sql, text, [], end)).await
    }
}

impl Read for Reader {
    async fn outset(&self, flow: &FlowId) -> Result<Outset> {
        let text = "SELECT EXISTS (SELECT 1 FROM pauses WHERE flow IN (?1, '*')) AS is_paused,
                id, flow, base_version, plan,
                (SELECT json_group_array(json_array(route, fetch_url)) FROM
                    (SELECT DISTINCT route, fetch_url FROM changes
                     WHERE state = 'pending' AND flow = ?1 AND variables IS NULL ORDER BY route, fetch_url))
                AS wanted
             FROM (SELECT 1) LEFT JOIN attempts ON flow = ?1 AND outcome IS NULL";
        let flow = flow.clone();
        let outset = |row: &Row<'_>| {
            let has_attempt = row.get::<_, Option<String>>("id")?.is_some();
            let wanted: Vec<(String, String)> = json(&row.get::<_, String>("wanted")?, "routes and URLs")?;
            let wanted = wanted.into_iter().map(|(route, url)| Wanted { route: Arc::from(route), url });
            Ok(Outset {
                undecided: has_attempt.then(|| attempt(row)).transpose()?,
                is_paused: row.get("is_paused")?,
                wanted: wanted.collect(),
            })
        };
        self.ask(move |sql| sql::one(sql, text, [flow.as_str()], outset)).await
    }

    async fn ready(&self, flow: &FlowId, at_most: usize, bytes: usize) -> Result<Ready> {
        let (flow, pending) = (flow.clone(), self.pending.clone());
        self.ask(move |sql| ready(sql, &pending, &flow, at_most, bytes)).await
    }

    async fn is_paused(&self, flow: &FlowId) -> Result<bool> {
        self.holds(flow).await
    }

    async fn waiting_for(&self, wanted: &Wanted) -> Result<Option<(Seq, Vec<FlowId>)>> {
        let wanted = wanted.clone();
        let waiting: Vec<(FlowId, Seq)> = self
            .ask(move |sql| {
                sql::all(
                    sql,
                    "SELECT flow, MAX(seq) FROM changes
                     WHERE state = 'pending' AND variables IS NULL AND route = ? AND fetch_url = ?
                     GROUP BY flow ORDER BY flow",
                    params![&*wanted.route, wanted.url],
                    |row| Ok((flow_id(&row.get::<_, String>(0)?)?, row.get(1)?)),
                )
            })
            .await?;
        let (flows, lasts): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        Ok(lasts.into_iter().max().map(|up_to| (up_to, flows)))
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
        let flow = flow.clone();
        self.ask(move |sql| {
            sql::value_if_any(
                sql,
                "SELECT version FROM (SELECT version, seq FROM changes
                     WHERE flow = ? AND state <> 'pending' ORDER BY seq DESC LIMIT ?)
                 WHERE version IS NOT NULL ORDER BY seq DESC LIMIT 1",
                params![flow.as_str(), LATEST],
            )
        })
        .await
    }

    async fn was_lost_at(&self, flow: &FlowId, version: &str) -> Result<bool> {
        let (flow, version) = (flow.clone(), version.to_owned());
        self.ask(move |sql| {
            sql::value(
                sql,
                "SELECT EXISTS (SELECT 1 FROM attempts WHERE outcome = 'lost' AND flow = ? AND base_version = ?)",
                params![flow.as_str(), version],
            )
        })
        .await
    }

    async fn others_were_served(&self, than: &FlowId, since: Timestamp) -> Result<bool> {
        let than = than.clone();
        self.ask(move |sql| {
            // What SQLite must see to prove that its partial index applies, then those in question.
            sql::value(
                sql,
                "SELECT EXISTS (SELECT 1 FROM changes
                 WHERE settled_at >= ? AND state <> 'pending' AND state <> 'failed'
                 AND state IN ('published', 'unchanged') AND flow != ?)",
                params![since.as_millisecond(), than.as_str()],
            )
        })
        .await
    }
}

fn ready(sql: &Connection, pending: &Pending, flow: &FlowId, at_most: usize, bytes: usize) -> Result<Ready> {
    // One look, however many statements.
    let sql = &*sql.unchecked_transaction()?;
    let (mut ready, mut taken) = (Ready { changes: Vec::new(), more: false }, 0);
    let mut after = Seq::MIN;
    loop {
        // Some of them may wait for their values, and then it takes another look.
        let seqs = pending.behind(flow, after, at_most.saturating_add(1));
        let Some(last) = seqs.last() else { return Ok(ready) };
        after = *last;
        for seq in seqs {
            let has_room = ready.changes.is_empty() || (ready.changes.len() < at_most && taken < bytes);
            let read = |row: &Row<'_>| {
                let read = || Ok((change(row, flow)?, row.get::<_, i64>("bytes")?));
                has_room.then(read).transpose()
            };
            match sql::first(sql, READY, [seq], read)? {
                // It is pending no more, or waits for its values.
                None => {}
                Some(None) => {
                    ready.more = true;
                    return Ok(ready);
                }
                Some(Some((change, bytes_of))) => {
                    taken += usize::try_from(bytes_of).unwrap_or(0);
                    ready.changes.push(change);
                }
            }
        }
    }
}

fn change(row: &Row<'_>, flow: &FlowId) -> Result<Change> {
    let text = |column| row.get::<_, Option<String>>(column);
    let undo = text("undo")?.map(|text| json(&text, "a rollback")).transpose()?;
    let mode = Mode::parse(&row.get::<_, String>("mode")?)
        .ok_or_else(|| JournalError::corrupt("mode", "merge, replace or patch"))?;
    let values = match (text("variables")?, text("fetch_url")?) {
        (Some(text), _) => match (undo, mode) {
            (Some(undo), _) => Values::Undo(undo),
            (None, Mode::Patch) => Values::Patch(json(&text, "a merge patch")?),
            (None, Mode::Merge | Mode::Replace) => Values::Known(json(&text, "a list of variables")?),
        },
        (None, Some(url)) => Values::Fetch(url),
        (None, None) => return Err(JournalError::corrupt("NULL", "variables or a URL")),
    };
    Ok(Change {
        seq: row.get("seq")?,
        held_ms: row.get("held_ms")?,
        what: NewChange {
            route: Arc::from(row.get::<_, String>("route")?),
            flow: flow.clone(),
            node: node_id(&row.get::<_, String>("node")?)?,
            mode,
            values,
            order_key: key(text("order_key")?.as_deref())?,
        },
    })
}

fn attempt(row: &Row<'_>) -> Result<Attempt> {
    Ok(Attempt {
        id: row.get("id")?,
        flow: flow_id(&row.get::<_, String>("flow")?)?,
        base_version: row.get("base_version")?,
        plan: json(&row.get::<_, String>("plan")?, "an attempt's plan")?,
    })
}
