//! What was last taken from a route's source, target by target: what it says now is compared with that.
//!
//! It is written in the very commit that stores fetched values with a change, and whatever becomes of that change it
//! stays: what failed or was discarded is not made again until the source says something else.

use jiff::Timestamp;
use sqlx::{Row as _, query};

use super::row::{flow_id, node_id, time};
use super::{Commit, JournalError, Reader};
use crate::change::{FlowId, NodeId};

type Result<T> = std::result::Result<T, JournalError>;

/// What was last taken from a route's source for one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The flow.
    pub flow: FlowId,
    /// The node.
    pub node: NodeId,
    /// The values as JSON: a list of variables.
    pub value: String,
    /// When it was taken.
    pub taken_at: Timestamp,
}

impl Commit<'_> {
    pub(super) async fn take(&mut self, route: &str, flow: &str, node: &str, value: &str) -> Result<()> {
        query(
            "INSERT INTO taken (route, flow, node, value, taken_at) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (route, flow, node) DO UPDATE
             SET value = excluded.value, taken_at = excluded.taken_at",
        )
        .bind(route)
        .bind(flow)
        .bind(node)
        .bind(value)
        .bind(self.now_ms)
        .execute(self.sql())
        .await?;
        Ok(())
    }
}

impl Reader {
    pub(super) async fn taken_by(
        &self,
        route: &str,
        after: Option<(&FlowId, &NodeId)>,
        at_most: usize,
    ) -> Result<Vec<Taken>> {
        // No flow is named by the empty text.
        let (flow, node) = after.map_or(("", ""), |(flow, node)| (flow.as_str(), node.as_str()));
        let rows = query(
            "SELECT flow, node, value, taken_at FROM taken
             WHERE route = ? AND (flow, node) > (?, ?) ORDER BY flow, node LIMIT ?",
        )
        .bind(route)
        .bind(flow)
        .bind(node)
        .bind(i64::try_from(at_most).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        let taken = |row: &sqlx::sqlite::SqliteRow| {
            Ok(Taken {
                flow: flow_id(row.get("flow"))?,
                node: node_id(row.get("node"))?,
                value: row.get("value"),
                taken_at: time(row.get("taken_at"))?,
            })
        };
        rows.iter().map(taken).collect()
    }
}
