//! Drift: where a flow does not hold what was last applied to it, and nobody but a person can have done that.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::Row;

use super::row::{flow_id, node_id, target, time};
use super::{Commit, JournalError, Reader, Target, sql};
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
    pub(super) fn drifts(&self, flow: &FlowId, nodes: &[NodeId], found: &[Drift]) -> Result<()> {
        let now = self.now_ms;
        let mut there: Vec<Drift> =
            sql::all(self.sql(), IN_FLOW, [flow.as_str()], |row| Ok(drifted(row)?.drift))?;
        there.retain(|drift| nodes.contains(&drift.node));
        let is_as_it_was = there.len() == found.len() && there.iter().all(|drift| found.contains(drift));
        let mut known: BTreeMap<(String, String), i64> = BTreeMap::new();
        for node in nodes {
            if is_as_it_was {
                sql::execute(
                    self.sql(),
                    "UPDATE drift SET seen = ? WHERE flow = ? AND node = ?",
                    (now, flow.as_str(), node.as_str()),
                )?;
                continue;
            }
            known.extend(sql::all(
                self.sql(),
                "DELETE FROM drift WHERE flow = ? AND node = ? RETURNING target, since",
                (flow.as_str(), node.as_str()),
                |row| {
                    let place = (node.as_str().to_owned(), row.get::<_, String>("target")?);
                    Ok((place, row.get::<_, i64>("since")?))
                },
            )?);
        }
        if is_as_it_was {
            return Ok(());
        }
        for drift in found {
            let place = (drift.node.as_str().to_owned(), drift.target.encode());
            let since = known.get(&place).copied().unwrap_or(now);
            let (node, target) = &place;
            sql::execute(
                self.sql(),
                "INSERT INTO drift (flow, node, target, ours, there, route, since, seen)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (flow.as_str(), node, target, &drift.ours, &drift.there, &drift.route, since, now),
            )?;
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
            Some((flow, node, target)) => {
                (flow.as_str().to_owned(), node.as_str().to_owned(), target.encode())
            }
            None => (String::new(), String::new(), String::new()),
        };
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
        self.ask(move |sql| {
            sql::all(
                sql,
                "SELECT flow, node, target, ours, there, route, since, seen FROM drift
                 WHERE (flow, node, target) > (?, ?, ?) ORDER BY flow, node, target LIMIT ?",
                (flow, node, target, at_most),
                drifted,
            )
        })
        .await
    }

    pub(super) async fn drift_in(&self, flow: &FlowId) -> Result<Vec<Drifted>> {
        let flow = flow.clone();
        self.ask(move |sql| sql::all(sql, IN_FLOW, [flow.as_str()], drifted)).await
    }
}

fn drifted(row: &Row<'_>) -> Result<Drifted> {
    let drift = Drift {
        node: node_id(&row.get::<_, String>("node")?)?,
        target: target(&row.get::<_, String>("target")?)?,
        ours: row.get("ours")?,
        there: row.get("there")?,
        route: row.get("route")?,
    };
    let (since, seen) = (time(row.get("since")?)?, time(row.get("seen")?)?);
    Ok(Drifted { flow: flow_id(&row.get::<_, String>("flow")?)?, drift, since, seen })
}
