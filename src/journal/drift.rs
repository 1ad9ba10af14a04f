//! Drift: where a flow does not hold what was last applied to it, and nobody but a person can have done that.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, query};

use super::row::{flow_id, node_id, target, time};
use super::{Commit, JournalError, Reader, Target};
use crate::change::{FlowId, NodeId};

type Result<T> = std::result::Result<T, JournalError>;

/// One target of a flow that does not hold what was last applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The node.
    pub node: NodeId,
    /// What of it differs.
    pub target: Target,
    /// The JSON text that was last applied; none if there was to be nothing.
    pub ours: Option<String>,
    /// The JSON text that the flow holds; none if it holds nothing.
    pub there: Option<String>,
    /// The route whose value was last applied.
    pub route: String,
}

/// A drift that is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drifted {
    /// The flow.
    pub flow: FlowId,
    /// What of it differs.
    pub drift: Drift,
    /// When it was first seen.
    pub since: Timestamp,
    /// When it was last seen.
    pub seen: Timestamp,
}

/// What differs in one flow.
const IN_FLOW: &str = "SELECT flow, node, target, ours, there, route, since, seen FROM drift
    WHERE flow = ? ORDER BY node, target";

/// The last drift of a page: the next one begins behind it.
pub type DriftCursor<'a> = (&'a FlowId, &'a NodeId, &'a Target);

impl Commit<'_> {
    /// Records what of these nodes differs now, in place of all that did. What differed before keeps its time; where
    /// nothing has changed nothing is written anew, so that looking often costs the commits of others little.
    pub(super) async fn drifts(&mut self, flow: &FlowId, nodes: &[NodeId], found: &[Drift]) -> Result<()> {
        let now = self.now_ms;
        let there = query(IN_FLOW).bind(flow.as_str()).fetch_all(self.sql()).await?;
        let there = there.iter().map(|row| drifted(row).map(|drifted| drifted.drift));
        let mut there: Vec<Drift> = there.collect::<Result<_>>()?;
        there.retain(|drift| nodes.contains(&drift.node));
        let is_as_it_was = there.len() == found.len() && there.iter().all(|drift| found.contains(drift));
        let mut known: BTreeMap<(String, String), i64> = BTreeMap::new();
        for node in nodes {
            if is_as_it_was {
                query("UPDATE drift SET seen = ? WHERE flow = ? AND node = ?")
                    .bind(now)
                    .bind(flow.as_str())
                    .bind(node.as_str())
                    .execute(self.sql())
                    .await?;
                continue;
            }
            let gone = query("DELETE FROM drift WHERE flow = ? AND node = ? RETURNING target, since")
                .bind(flow.as_str())
                .bind(node.as_str())
                .fetch_all(self.sql())
                .await?;
            let since = |row: &SqliteRow| ((node.as_str().to_owned(), row.get("target")), row.get("since"));
            known.extend(gone.iter().map(since));
        }
        if is_as_it_was {
            return Ok(());
        }
        for drift in found {
            let place = (drift.node.as_str().to_owned(), drift.target.encode());
            query(
                "INSERT INTO drift (flow, node, target, ours, there, route, since, seen)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(flow.as_str())
            .bind(&place.0)
            .bind(&place.1)
            .bind(&drift.ours)
            .bind(&drift.there)
            .bind(&drift.route)
            .bind(known.get(&place).copied().unwrap_or(now))
            .bind(now)
            .execute(self.sql())
            .await?;
        }
        Ok(())
    }
}

impl Reader {
    pub(super) async fn drift_behind(
        &self,
        after: Option<DriftCursor<'_>>,
        at_most: usize,
    ) -> Result<Vec<Drifted>> {
        let (flow, node, target) = match after {
            Some((flow, node, target)) => (flow.as_str(), node.as_str(), target.encode()),
            None => ("", "", String::new()),
        };
        let rows = query(
            "SELECT flow, node, target, ours, there, route, since, seen FROM drift
             WHERE (flow, node, target) > (?, ?, ?) ORDER BY flow, node, target LIMIT ?",
        )
        .bind(flow)
        .bind(node)
        .bind(target)
        .bind(i64::try_from(at_most).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(drifted).collect()
    }

    pub(super) async fn drift_in(&self, flow: &FlowId) -> Result<Vec<Drifted>> {
        let rows = query(IN_FLOW).bind(flow.as_str()).fetch_all(&self.pool).await?;
        rows.iter().map(drifted).collect()
    }
}

fn drifted(row: &SqliteRow) -> Result<Drifted> {
    let drift = Drift {
        node: node_id(row.get("node"))?,
        target: target(row.get("target"))?,
        ours: row.get("ours"),
        there: row.get("there"),
        route: row.get("route"),
    };
    let (since, seen) = (time(row.get("since"))?, time(row.get("seen"))?);
    Ok(Drifted { flow: flow_id(row.get("flow"))?, drift, since, seen })
}
