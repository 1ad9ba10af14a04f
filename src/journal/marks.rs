//! Marks: for each target of a node who won it, the highest keys, and the value that was last applied.
//!
//! They are never pruned: what is old must not win after the row of what beat it is gone.

use std::collections::BTreeMap;

use rusqlite::Row;
use serde::{Deserialize, Serialize};

use super::row::{flow_id, json, key, target};
use super::write::encode;
use super::{Commit, JournalError, Reader, Target, sql};
use crate::change::{FlowId, NodeId, OrderKey, Seq};

type Result<T> = std::result::Result<T, JournalError>;

/// What stands so far for one target of one node. What wins without a key, or for another route, leaves the highest
/// keys where they were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Kept")]
pub struct Mark {
    /// The node's id.
    pub node: String,
    /// What was contended for.
    pub target: Target,
    /// The highest key of each route, be it of a change that lost.
    pub keys: BTreeMap<String, OrderKey>,
    /// The winner's key.
    pub order_key: Option<OrderKey>,
    /// The winner's sequence number.
    pub seq: Seq,
    /// The route of the value, and of the winner unless that is a rollback.
    pub route: String,
    /// The JSON text that was last applied, or found to be there; none if it is not known, or was taken away with the
    /// list that it was in. A rollback wins and leaves it as it was: what it restores is not what the source wants.
    pub value: Option<String>,
}

/// A mark as it stands in an attempt's plan, which may be one that an earlier version left open.
#[derive(Deserialize)]
struct Kept {
    node: String,
    target: Target,
    /// None of an earlier version, whose one key was the highest of its route.
    keys: Option<BTreeMap<String, OrderKey>>,
    order_key: Option<OrderKey>,
    seq: Seq,
    route: String,
    value: Option<String>,
}

impl From<Kept> for Mark {
    fn from(kept: Kept) -> Self {
        let Kept { node, target, keys, order_key, seq, route, value } = kept;
        let keys = keys.unwrap_or_else(|| order_key.map(|key| (route.clone(), key)).into_iter().collect());
        Self { node, target, keys, order_key, seq, route, value }
    }
}

impl Commit<'_> {
    pub(super) fn mark(&self, flow: &FlowId, marks: &[Mark]) -> Result<()> {
        sql::insert(
            self.sql(),
            [
                "INSERT INTO marks (flow, node, target, route, order_key, keys, seq, value)",
                "(?, ?, ?, ?, ?, ?, ?, ?)",
                "ON CONFLICT (flow, node, target) DO UPDATE
                 SET route = excluded.route, order_key = excluded.order_key, keys = excluded.keys,
                     seq = excluded.seq, value = excluded.value",
            ],
            marks,
            |row, mark| {
                row.push(flow.as_str())?;
                row.push(&mark.node)?;
                row.push(mark.target.encode())?;
                row.push(&mark.route)?;
                row.push(mark.order_key.map(|key| key.to_string()))?;
                row.push(encode(&mark.keys))?;
                row.push(mark.seq)?;
                row.push(&mark.value)
            },
            |_, _| {},
        )
    }
}

impl Reader {
    pub(super) async fn marks_of(&self, flow: &FlowId, nodes: &[&NodeId]) -> Result<Vec<Mark>> {
        let nodes: Vec<&str> = nodes.iter().map(|node| node.as_str()).collect();
        let (flow, nodes) = (flow.clone(), encode(&nodes));
        self.ask(move |sql| {
            sql::all(
                sql,
                "SELECT node, target, route, order_key, keys, seq, value FROM marks
                 WHERE flow = ? AND node IN (SELECT value FROM json_each(?)) ORDER BY node, target",
                (flow.as_str(), nodes),
                mark,
            )
        })
        .await
    }

    pub(super) async fn flows_with_marks(
        &self,
        after: Option<&FlowId>,
        at_most: usize,
    ) -> Result<Vec<FlowId>> {
        let after = after.map_or("", FlowId::as_str).to_owned();
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
        self.ask(move |sql| {
            sql::all(
                sql,
                "SELECT DISTINCT flow FROM marks WHERE flow > ? ORDER BY flow LIMIT ?",
                (after, at_most),
                |row| flow_id(&row.get::<_, String>(0)?),
            )
        })
        .await
    }
}

fn mark(row: &Row<'_>) -> Result<Mark> {
    Ok(Mark {
        node: row.get("node")?,
        target: target(&row.get::<_, String>("target")?)?,
        route: row.get("route")?,
        order_key: key(row.get::<_, Option<String>>("order_key")?.as_deref())?,
        keys: json(&row.get::<_, String>("keys")?, "the keys of routes")?,
        seq: row.get("seq")?,
        value: row.get("value")?,
    })
}
