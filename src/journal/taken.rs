//! What was last taken from a route's source, target by target: what it says now is compared with that.
//!
//! It is written in the very commit that stores fetched values with a change, and whatever becomes of that change it
//! stays: what failed or was discarded is not made again until the source says something else.

use jiff::Timestamp;
use rusqlite::Row;

use super::row::{flow_id, node_id, time};
use super::{Commit, JournalError, Reader, sql};
use crate::change::{FlowId, NewChange, NodeId, Seq, Values};

type Result<T> = std::result::Result<T, JournalError>;

/// What was last taken from a route's source for one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The flow.
    pub flow: FlowId,
    /// The node.
    pub node: NodeId,
    /// The values as JSON: a list of variables, or of a route that patches the merge patch.
    pub value: String,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// The change that it became.
    pub seq: Seq,
    /// Where that was fetched, as long as it is kept.
    pub url: Option<String>,
    /// Whether that change has an order key and has ended by it or by its values, not by a failure or by a person's
    /// word: then a mark with a lower number says that it lost to a higher key.
    pub ended_by_key: bool,
}

/// A route, a flow and a node of it, as the journal spells them.
pub(super) type Place<'a> = (&'a str, &'a str, &'a str);

impl Commit<'_> {
    /// Notes what was taken and became this change. What became an older one and is fetched later, as where each
    /// event names a revision of its own, is not what the source says now.
    pub(super) fn take(&self, place: Place<'_>, seq: Seq, value: &str) -> Result<()> {
        let (route, flow, node) = place;
        sql::execute(
            self.sql(),
            "INSERT INTO taken (route, flow, node, value, seq, taken_at) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (route, flow, node) DO UPDATE
             SET value = excluded.value, seq = excluded.seq, taken_at = excluded.taken_at
             WHERE excluded.seq >= taken.seq",
            (route, flow, node, value, seq, self.now_ms),
        )?;
        Ok(())
    }

    /// Whether what a change rests on has moved since it was made.
    pub(super) fn has_moved(&self, change: &NewChange) -> Result<bool> {
        let Values::Taken { seen, .. } = &change.values else { return Ok(false) };
        let work = self.work_of(&change.flow, &change.node)?;
        if work.is_pending || work != seen.work {
            return Ok(true);
        }
        let taken = sql::value_if_any::<Seq>(
            self.sql(),
            "SELECT seq FROM taken WHERE route = ? AND flow = ? AND node = ?",
            (&*change.route, change.flow.as_str(), change.node.as_str()),
        )?;
        Ok(taken != seen.taken)
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
        let (route, flow, node) = (route.to_owned(), flow.to_owned(), node.to_owned());
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
        self.ask(move |sql| {
            sql::all(
                sql,
                "SELECT t.flow, t.node, t.value, t.taken_at, t.seq, c.fetch_url,
                     COALESCE(c.order_key IS NOT NULL
                         AND c.state IN ('published', 'unchanged', 'superseded'), FALSE) AS ended_by_key
                 FROM taken t LEFT JOIN changes c ON c.seq = t.seq
                 WHERE t.route = ? AND (t.flow, t.node) > (?, ?) ORDER BY t.flow, t.node LIMIT ?",
                (route, flow, node, at_most),
                taken,
            )
        })
        .await
    }
}

fn taken(row: &Row<'_>) -> Result<Taken> {
    Ok(Taken {
        flow: flow_id(&row.get::<_, String>("flow")?)?,
        node: node_id(&row.get::<_, String>("node")?)?,
        value: row.get("value")?,
        taken_at: time(row.get("taken_at")?)?,
        seq: row.get("seq")?,
        url: row.get("fetch_url")?,
        ended_by_key: row.get("ended_by_key")?,
    })
}
