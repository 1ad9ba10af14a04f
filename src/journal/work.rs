//! What a node has of changes: who compares it with its source, or with what was applied to it, asks whether anybody
//! works on it.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, query};

use super::row::json;
use super::{Commit, JournalError, Reader};
use crate::change::{FlowId, NodeId, Work};

type Result<T> = std::result::Result<T, JournalError>;

/// The plus keeps SQLite from looking for pending changes among all that the node ever had.
const WORK: &str = "SELECT
    (SELECT MAX(seq) FROM changes WHERE flow = ?1 AND node = ?2) AS last,
    EXISTS (SELECT 1 FROM changes WHERE state = 'pending' AND flow = ?1 AND +node = ?2 AND variables IS NOT NULL)
        AS is_pending,
    (SELECT json_group_object(route, found) FROM
        (SELECT route, COUNT(*) AS found FROM changes
         WHERE state = 'pending' AND flow = ?1 AND +node = ?2 AND variables IS NULL GROUP BY route)) AS thin";

impl Commit<'_> {
    pub(super) async fn work_of(&mut self, flow: &FlowId, node: &NodeId) -> Result<Work> {
        work(&query(WORK).bind(flow.as_str()).bind(node.as_str()).fetch_one(self.sql()).await?)
    }
}

impl Reader {
    pub(super) async fn work_of(&self, flow: &FlowId, node: &NodeId) -> Result<Work> {
        work(&query(WORK).bind(flow.as_str()).bind(node.as_str()).fetch_one(&self.pool).await?)
    }
}

fn work(row: &SqliteRow) -> Result<Work> {
    let thin = json(row.get("thin"), "how many changes routes have")?;
    Ok(Work { last: row.get("last"), is_pending: row.get("is_pending"), thin })
}
