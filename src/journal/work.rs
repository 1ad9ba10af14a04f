//! What a node has of changes: who compares it with its source, or with what was applied to it, asks whether anybody
//! works on it.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row, params};

use super::row::{json, node_id};
use super::write::encode;
use super::{Commit, JournalError, Reader, sql};
use crate::change::{FlowId, NodeId, Seq, Work};

type Result<T> = std::result::Result<T, JournalError>;

/// Of the flow's pending changes those of the node, and an index of those of the node that have ended.
const WORK: &str = "WITH pending AS MATERIALIZED (
        SELECT c.seq, c.route, c.variables IS NULL AS is_thin
        FROM json_each(?3) AS of_flow CROSS JOIN changes c ON c.seq = of_flow.value
        WHERE c.state = 'pending' AND c.node = ?2)
    SELECT
    (SELECT MAX(seq) FROM pending) AS last_pending,
    (SELECT MAX(seq) FROM changes WHERE state <> 'pending' AND flow = ?1 AND node = ?2) AS last_ended,
    EXISTS (SELECT 1 FROM pending WHERE NOT is_thin) AS is_pending,
    (SELECT json_group_object(route, found) FROM
        (SELECT route, COUNT(*) AS found FROM pending WHERE is_thin GROUP BY route)) AS thin";

/// The same of each node that has marks. The pending changes of the flow are gone through once, for all of them.
const WORKS: &str = "WITH found AS (
        SELECT DISTINCT node, TRUE AS is_marked, NULL AS route, FALSE AS is_thin, 0 AS changes, NULL AS last
        FROM marks WHERE flow = ?1
        UNION ALL
        SELECT c.node, FALSE, c.route, c.variables IS NULL AS is_thin, COUNT(*), MAX(c.seq)
        FROM json_each(?2) AS of_flow CROSS JOIN changes c ON c.seq = of_flow.value
        WHERE c.state = 'pending' GROUP BY c.node, c.route, is_thin)
    SELECT node, MAX(last) AS last_pending,
        (SELECT MAX(seq) FROM changes WHERE state <> 'pending' AND flow = ?1 AND node = found.node) AS last_ended,
        MAX(NOT is_marked AND NOT is_thin) AS is_pending,
        json_group_object(route, changes) FILTER (WHERE is_thin) AS thin
    FROM found GROUP BY node HAVING MAX(is_marked)";

impl Commit<'_> {
    pub(super) fn work_of(&self, flow: &FlowId, node: &NodeId) -> Result<Work> {
        work_of(self.sql(), flow, node, &self.pending_of(flow))
    }
}

impl Reader {
    pub(super) async fn work_of(&self, flow: &FlowId, node: &NodeId) -> Result<Work> {
        let (flow, node, pending) = (flow.clone(), node.clone(), self.pending.clone());
        self.ask(move |sql| work_of(sql, &flow, &node, &pending.of(&flow))).await
    }

    pub(super) async fn works_of(&self, flow: &FlowId) -> Result<BTreeMap<NodeId, Work>> {
        let (flow, pending) = (flow.clone(), self.pending.clone());
        self.ask(move |sql| {
            let works = sql::all(sql, WORKS, params![flow.as_str(), encode(&pending.of(&flow))], |row| {
                Ok((node_id(&row.get::<_, String>("node")?)?, work(row)?))
            })?;
            Ok(works.into_iter().collect())
        })
        .await
    }
}

fn work_of(sql: &Connection, flow: &FlowId, node: &NodeId, pending: &BTreeSet<Seq>) -> Result<Work> {
    let params = params![flow.as_str(), node.as_str(), encode(pending)];
    sql::one(sql, WORK, params, work)
}

fn work(row: &Row<'_>) -> Result<Work> {
    let thin = json(&row.get::<_, String>("thin")?, "how many changes routes have")?;
    let last = row.get::<_, Option<Seq>>("last_pending")?.max(row.get("last_ended")?);
    Ok(Work { last, is_pending: row.get("is_pending")?, thin })
}
