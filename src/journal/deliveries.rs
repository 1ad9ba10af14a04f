//! The list of deliveries: above all of those that were rejected, which leave no changes to be found by.

use jiff::Timestamp;
use rusqlite::Row;
use serde::Serialize;

use super::row::time;
use super::sql::Question;
use super::{JournalError, Reader};

/// Whether a delivery was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Changes followed from it.
    Accepted,
    /// It could not be carried out, and its body is kept.
    Rejected,
}

impl Standing {
    /// The standing of that name in the journal and in answers.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "accepted" => Some(Self::Accepted),
            "rejected" => Some(Self::Rejected),
            _ => None,
        }
    }
}

/// Which deliveries to list: newest first.
#[derive(Clone, Debug)]
pub struct DeliveryFilter {
    /// Only those that stand so.
    pub state: Option<Standing>,
    /// Only those of this source.
    pub source: Option<String>,
    /// Only those that arrived then or later.
    pub since: Option<Timestamp>,
    /// Only those in rows before this one.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// A delivery in a list.
#[derive(Debug, Serialize)]
pub struct DeliverySummary {
    /// Its row, by which the next page is found.
    #[serde(skip)]
    pub row: i64,
    /// The source that sent it.
    pub source: String,
    /// The sender's id for it.
    pub id: String,
    /// `accepted` or `rejected`.
    pub state: String,
    /// Why it was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it arrived, RFC 3339.
    pub received_at: String,
}

impl Reader {
    /// Lists deliveries, newest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliverySummary>, JournalError> {
        let mut question = Question::new(
            "SELECT id, source, delivery_id, state, reason, received_at FROM deliveries WHERE TRUE",
        );
        match filter.state {
            // Written out, so that SQLite can prove that its partial index applies.
            Some(Standing::Rejected) => _ = question.push(" AND state = 'rejected'"),
            Some(Standing::Accepted) => _ = question.push(" AND state = 'accepted'"),
            None => {}
        }
        if let Some(source) = &filter.source {
            question.push(" AND source = ").push_bind(source.clone());
        }
        if let Some(since) = filter.since {
            question.push(" AND received_at >= ").push_bind(since.as_millisecond());
        }
        if let Some(before) = filter.before {
            question.push(" AND id < ").push_bind(before);
        }
        question.push(" ORDER BY id DESC LIMIT ").push_bind(filter.limit);
        self.ask(move |sql| question.all(sql, summary)).await
    }
}

fn summary(row: &Row<'_>) -> Result<DeliverySummary, JournalError> {
    Ok(DeliverySummary {
        row: row.get("id")?,
        source: row.get("source")?,
        id: row.get("delivery_id")?,
        state: row.get("state")?,
        reason: row.get("reason")?,
        received_at: time(row.get("received_at")?)?.to_string(),
    })
}
