//! What a node has of changes: who compares it with its source, or with what was applied to it, asks whether anybody
//! works on it.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, query};

use super::row::{json, node_id};
use super::{Commit, JournalError, Reader};
use crate::change::{FlowId, NodeId, Seq, Work};

type Result<T> = std::result::Result<T, JournalError>;

/// One index has the flow's changes that are pending, another those of the node that have ended.
const WORK: &str = "SELECT
    (SELECT seq FROM changes WHERE state = 'pending' AND flow = ?1 AND node = ?2 ORDER BY seq DESC LIMIT 1)
        AS last_pending,
    (SELECT MAX(seq) FROM changes WHERE state <> 'pending' AND flow = ?1 AND node = ?2) AS last_ended,
    EXISTS (SELECT 1 FROM changes WHERE state = 'pending' AND flow = ?1 AND node = ?2 AND variables IS NOT NULL)
        AS is_pending,
    (SELECT json_group_object(route, found) FROM
        (SELECT route, COUNT(*) AS found FROM changes
         WHERE state = 'pending' AND flow = ?1 AND node = ?2 AND variables IS NULL GROUP BY route)) AS thin";

/// The same of each node that has marks. The pending changes of the flow are gone through once, for all of them.
const WORKS: &str = "WITH found AS (
        SELECT DISTINCT node, TRUE AS is_marked, NULL AS route, FALSE AS is_thin, 0 AS changes, NULL AS last
        FROM marks WHERE flow = ?1
        UNION ALL
        SELECT node, FALSE, route, variables IS NULL AS is_thin, COUNT(*), MAX(seq)
        FROM changes WHERE state = 'pending' AND flow = ?1 GROUP BY node, route, is_thin)
    SELECT node, MAX(last) AS last_pending,
        (SELECT MAX(seq) FROM changes WHERE state <> 'pending' AND flow = ?1 AND node = found.node) AS last_ended,
        MAX(NOT is_marked AND NOT is_thin) AS is_pending,
        json_group_object(route, changes) FILTER (WHERE is_thin) AS thin
    FROM found GROUP BY node HAVING MAX(is_marked)";

impl Commit<'_> {
    pub(super) async fn work_of(&mut self, flow: &FlowId, node: &NodeId) -> Result<Work> {
        work(&query(WORK).bind(flow.as_str()).bind(node.as_str()).fetch_one(self.sql()).await?)
    }
}

impl Reader {
    pub(super) async fn work_of(&self, flow: &FlowId, node: &NodeId) -> Result<Work> {
        work(&query(WORK).bind(flow.as_str()).bind(node.as_str()).fetch_one(&self.pool).await?)
    }

    pub(super) async fn works_of(&self, flow: &FlowId) -> Result<BTreeMap<NodeId, Work>> {
        let rows = query(WORKS).bind(flow.as_str()).fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((node_id(row.get("node"))?, work(row)?))).collect()
    }
}

fn work(row: &SqliteRow) -> Result<Work> {
    let thin = json(row.get("thin"), "how many changes routes have")?;
    let last = row.get::<Option<Seq>, _>("last_pending").max(row.get("last_ended"));
    Ok(Work { last, is_pending: row.get("is_pending"), thin })
}
