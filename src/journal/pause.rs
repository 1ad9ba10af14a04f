//! What operators have paused, and the flows as they see them.
//!
//! A pause holds from its commit on: an attempt that would be committed after it is not, so that no PUT leaves
//! whose answer a person would not expect. One that is committed already runs to its end.

use rusqlite::Row;
use serde::Serialize;

use super::row::time;
use super::{Acted, Commit, JournalError, Reader, sql};
use crate::change::FlowId;

type Result<T> = std::result::Result<T, JournalError>;

/// All flows, in the place of a flow's id.
const ALL: &str = "*";
/// Whether nothing of a flow may be published now.
const IS_PAUSED: &str = "SELECT EXISTS (SELECT 1 FROM pauses WHERE flow IN (?, '*'))";
/// Why, where nobody says it.
const NO_REASON: &str = "an operator said so";

/// What a pause is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One flow.
    Flow(FlowId),
    /// All flows, those too that are not known yet.
    AllFlows,
}

impl Reach {
    fn as_str(&self) -> &str {
        match self {
            Self::Flow(flow) => flow.as_str(),
            Self::AllFlows => ALL,
        }
    }
}

/// A pause that holds.
#[derive(Clone, Debug, Serialize)]
pub struct Pause {
    /// Why, in an operator's words.
    pub reason: String,
    /// Since when, RFC 3339.
    pub since: String,
}

/// A flow, as far as something is to be done about it.
#[derive(Debug, Serialize)]
pub struct FlowView {
    /// The flow.
    pub flow: String,
    /// How many of its changes are pending.
    pub pending: usize,
    /// How many of its changes have failed.
    pub failed: usize,
    /// Its own pause, whether or not all flows are paused.
    pub paused: Option<Pause>,
}

/// Which flows to list, by their ids.
#[derive(Clone, Debug)]
pub struct FlowFilter {
    /// Only this one, which is then always there.
    pub only: Option<FlowId>,
    /// Only those with a pause of their own.
    pub paused: bool,
    /// Only those behind this one.
    pub after: Option<FlowId>,
    /// At most so many.
    pub limit: u32,
}

impl Commit<'_> {
    /// Pauses a flow, or all. What is paused already stays so since when it was; a new reason takes the old one's place.
    pub(super) fn pause(&self, reach: &Reach, reason: Option<&str>) -> Result<Acted> {
        sql::execute(
            self.sql(),
            "INSERT INTO pauses (flow, reason, since) VALUES (?1, COALESCE(?2, ?3), ?4)
             ON CONFLICT (flow) DO UPDATE SET reason = COALESCE(?2, reason)",
            (reach.as_str(), reason, NO_REASON, self.now_ms),
        )?;
        Ok(Acted::default())
    }

    /// Ends a pause; the flows with work behind it are to look at once.
    pub(super) fn resume(&self, reach: &Reach) -> Result<Acted> {
        let ended = sql::execute(self.sql(), "DELETE FROM pauses WHERE flow = ?", [reach.as_str()])?;
        let mut acted = Acted::default();
        if ended == 0 {
            return Ok(acted);
        }
        match reach {
            Reach::Flow(flow) => _ = acted.flows.insert(flow.clone()),
            Reach::AllFlows => acted.flows.extend(self.flows_with_pending()),
        }
        Ok(acted)
    }

    /// Whether nothing of the flow may be published now.
    pub(super) fn is_paused(&self, flow: &FlowId) -> Result<bool> {
        sql::value(self.sql(), IS_PAUSED, [flow.as_str()])
    }
}

impl Reader {
    /// The pause of all flows, if there is one.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn pause_of_all(&self) -> Result<Option<Pause>> {
        let text = "SELECT reason, since FROM pauses WHERE flow = ?";
        self.ask(move |sql| sql::first(sql, text, [ALL], |row| pause(row.get("reason")?, row.get("since")?)))
            .await
    }

    /// Whether nothing of the flow may be published now.
    pub(super) async fn holds(&self, flow: &FlowId) -> Result<bool> {
        let flow = flow.clone();
        self.ask(move |sql| sql::value(sql, IS_PAUSED, [flow.as_str()])).await
    }

    /// The flows that have pending or failed changes, and those that are paused, in the order of their ids.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn flows(&self, filter: &FlowFilter) -> Result<Vec<FlowView>> {
        // Each state by itself, so that SQLite has its partial index for it.
        let text = "SELECT found.flow, SUM(pending) AS pending, SUM(failed) AS failed, reason, since FROM (
                 SELECT flow, COUNT(*) AS pending, 0 AS failed FROM changes WHERE state = 'pending' GROUP BY flow
                 UNION ALL
                 SELECT flow, 0, COUNT(*) FROM changes WHERE state = 'failed' GROUP BY flow
                 UNION ALL SELECT flow, 0, 0 FROM pauses
                 UNION ALL SELECT ?1, 0, 0 WHERE ?1 IS NOT NULL
             ) AS found LEFT JOIN pauses ON pauses.flow = found.flow
             WHERE found.flow <> ?2 AND (?1 IS NULL OR found.flow = ?1)
                 AND found.flow > ?3 AND (NOT ?4 OR reason IS NOT NULL)
             GROUP BY found.flow ORDER BY found.flow LIMIT ?5";
        let FlowFilter { only, paused, after, limit } = filter.clone();
        self.ask(move |sql| {
            let only = only.as_ref().map(FlowId::as_str);
            let after = after.as_ref().map_or("", FlowId::as_str);
            sql::all(sql, text, (only, ALL, after, paused, limit), view)
        })
        .await
    }
}

fn view(row: &Row<'_>) -> Result<FlowView> {
    let paused = match (row.get::<_, Option<String>>("reason")?, row.get::<_, Option<i64>>("since")?) {
        (Some(reason), Some(since)) => Some(pause(reason, since)?),
        _ => None,
    };
    let count = |number: i64| usize::try_from(number).unwrap_or(0);
    let (pending, failed) = (count(row.get("pending")?), count(row.get("failed")?));
    Ok(FlowView { flow: row.get("flow")?, pending, failed, paused })
}

fn pause(reason: String, since: i64) -> Result<Pause> {
    Ok(Pause { reason, since: time(since)?.to_string() })
}
