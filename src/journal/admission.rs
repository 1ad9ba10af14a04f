//! Deliveries on their way into a commit: which are new, and which are known.

use std::ops::RangeInclusive;

use sqlx::sqlite::SqliteQueryResult;
use sqlx::{QueryBuilder, Row as _, query};

use super::row::flow_id;
use super::rows::portions;
use super::write::encode;
use super::{Commit, JournalError};
use crate::change::{Admission, Delivery, FlowId, Mode, NewChange, Values, Verdict};

type Result<T> = std::result::Result<T, JournalError>;

/// What became of a delivery, and which flows have work because of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The answer for the sender.
    pub admission: Admission,
    /// The flows whose lanes must look: each as often as it has changes that are pending now because of it.
    pub flows: Vec<FlowId>,
}

impl Admitted {
    /// Nothing is pending because of it.
    fn nothing(admission: Admission) -> Self {
        Self { admission, flows: Vec::new() }
    }
}

impl Commit<'_> {
    /// Stores a delivery with its changes, or finds that it is known.
    ///
    /// # Errors
    /// As [`admit_all`](Self::admit_all).
    pub async fn admit(&mut self, delivery: &Delivery) -> Result<Admitted> {
        let mut admitted = self.admit_all(&[delivery]).await?;
        Ok(admitted.remove(0))
    }

    /// Stores deliveries with their changes, or finds that they are known: as if they came one after the other, in
    /// few statements.
    ///
    /// A known id is not a duplicate when its delivery was rejected (it is judged anew), or when it has
    /// changes again and some of the first ones failed (those become pending again).
    ///
    /// # Errors
    /// When a statement failed; the commit must then be dropped.
    pub async fn admit_all(&mut self, deliveries: &[&Delivery]) -> Result<Vec<Admitted>> {
        let mut admitted = Vec::with_capacity(deliveries.len());
        // What rests on what was seen looks at what those before it have stored.
        for group in deliveries.chunk_by(|one, next| !rests_on_seen(one) && !rests_on_seen(next)) {
            if let [alone] = group
                && self.is_overtaken(&alone.verdict).await?
            {
                admitted.push(Admitted::nothing(Admission::Stale));
            } else {
                self.admit_group(group, &mut admitted).await?;
            }
        }
        Ok(admitted)
    }

    async fn admit_group(&mut self, group: &[&Delivery], admitted: &mut Vec<Admitted>) -> Result<()> {
        let stored = self.store(group).await?;
        let mut new = Vec::with_capacity(group.len());
        for (delivery, row) in group.iter().zip(stored) {
            let row = match row {
                Some(row) => Some(row),
                None => self.take_over(delivery).await?,
            };
            admitted.push(match (row, &delivery.verdict) {
                (None, Verdict::Changes(_)) => self.readmit(delivery).await?,
                // What failed under this id gets no other chance from a body that is refused.
                (None, Verdict::Rejected { .. }) => Admitted::nothing(Admission::Duplicate),
                (Some(_), Verdict::Rejected { .. }) => Admitted::nothing(Admission::Rejected),
                (Some(row), Verdict::Changes(changes)) => {
                    new.extend(changes.iter().map(|change| (row, change)));
                    let flows = changes.iter().map(|change| change.flow.clone()).collect();
                    Admitted { admission: Admission::Accepted { changes: changes.len() }, flows }
                }
            });
        }
        self.insert(&new).await
    }

    /// Stores those deliveries whose ids are new, of twins the first: the rows of these, and none for the others.
    ///
    /// `OR ROLLBACK`: what cannot be undone alone need not note what each page was like before it; and where a
    /// statement fails, the commit is dropped anyway.
    async fn store(&mut self, deliveries: &[&Delivery]) -> Result<Vec<Option<i64>>> {
        let mut rows = Vec::with_capacity(deliveries.len());
        for portion in portions(deliveries) {
            let mut sql = QueryBuilder::new(
                "INSERT OR ROLLBACK INTO deliveries (source, delivery_id, state, reason, body, received_at) ",
            );
            sql.push_values(portion, |mut row, delivery| {
                let (state, reason, body) = standing(&delivery.verdict);
                row.push_bind(&*delivery.source).push_bind(&delivery.id).push_bind(state).push_bind(reason);
                row.push_bind(body).push_bind(delivery.received_at.as_millisecond());
            });
            sql.push(" ON CONFLICT (source, delivery_id) DO NOTHING");
            let stored = sql.build().execute(self.sql()).await?;
            let new = numbers(&stored);
            match stored.rows_affected() {
                // Then SQLite's last number is of another statement.
                0 => rows.extend(portion.iter().map(|_| None)),
                all if all == portion.len() as u64 => rows.extend(new.map(Some)),
                _ => self.tell_apart(portion, *new.start(), &mut rows).await?,
            }
        }
        Ok(rows)
    }

    /// Finds out which of these deliveries have just been stored, in this order, in rows from `first` on.
    async fn tell_apart(
        &mut self,
        portion: &[&Delivery],
        first: i64,
        rows: &mut Vec<Option<i64>>,
    ) -> Result<()> {
        let stored = query("SELECT id, source, delivery_id FROM deliveries WHERE id >= ? ORDER BY id")
            .bind(first)
            .fetch_all(self.sql())
            .await?;
        let mut stored = stored.iter().peekable();
        rows.extend(portion.iter().map(|delivery| {
            let name = (&*delivery.source, delivery.id.as_str());
            stored.next_if(|row| (row.get(1), row.get(2)) == name).map(|row| row.get(0))
        }));
        Ok(())
    }

    /// The row of a delivery that is known as rejected, and is judged anew: it is now as this one says.
    async fn take_over(&mut self, delivery: &Delivery) -> Result<Option<i64>> {
        let (state, reason, body) = standing(&delivery.verdict);
        let row = query(
            "UPDATE deliveries SET state = ?, reason = ?, body = ?, received_at = ?
             WHERE source = ? AND delivery_id = ? AND state = 'rejected' RETURNING id",
        )
        .bind(state)
        .bind(reason)
        .bind(body)
        .bind(delivery.received_at.as_millisecond())
        .bind(&*delivery.source)
        .bind(&delivery.id)
        .fetch_optional(self.sql())
        .await?;
        Ok(row.map(|row| row.get(0)))
    }

    /// Stores changes of deliveries, in this order.
    pub(super) async fn insert(&mut self, changes: &[(i64, &NewChange)]) -> Result<()> {
        for portion in portions(changes) {
            let mut sql = QueryBuilder::new(
                "INSERT INTO changes
                     (delivery, route, flow, node, mode, variables, fetch_url, order_key, undo, state) ",
            );
            sql.push_values(portion, |mut row, (delivery, change)| {
                let (values, fetch_url) = stored_values(&change.values);
                let mode = if matches!(values, Values::Patch(_)) { Mode::Patch } else { change.mode };
                let undo = if let Values::Undo(undo) = values { Some(encode(undo)) } else { None };
                row.push_bind(delivery).push_bind(&*change.route).push_bind(change.flow.as_str());
                row.push_bind(change.node.as_str()).push_bind(mode.as_str());
                row.push_bind(text_of(values, change.mode)).push_bind(fetch_url);
                row.push_bind(change.order_key.map(|key| key.to_string())).push_bind(undo);
                row.push("'pending'");
            });
            let stored = sql.build().execute(self.sql()).await?;
            self.last = Some(stored.last_insert_rowid());
            for (seq, (_, change)) in numbers(&stored).zip(portion) {
                if let Values::Taken { taken, .. } = &change.values
                    && let Some(taken) = text_of(taken, change.mode)
                {
                    let place = (&*change.route, change.flow.as_str(), change.node.as_str());
                    self.take(place, seq, &taken).await?;
                }
            }
        }
        Ok(())
    }

    /// Whether a change of the delivery rests on what has moved since it was made.
    async fn is_overtaken(&mut self, verdict: &Verdict) -> Result<bool> {
        if let Verdict::Changes(changes) = verdict {
            for change in changes {
                if self.has_moved(change).await? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// An accepted delivery came again: what failed of it gets another chance.
    async fn readmit(&mut self, delivery: &Delivery) -> Result<Admitted> {
        let rows = query(
            "UPDATE changes SET state = 'pending', reason = NULL, held_ms = 0, settled_at = NULL
             WHERE state = 'failed' AND delivery =
                 (SELECT id FROM deliveries WHERE source = ? AND delivery_id = ?)
             RETURNING flow",
        )
        .bind(&*delivery.source)
        .bind(&delivery.id)
        .fetch_all(self.sql())
        .await?;
        if rows.is_empty() {
            return Ok(Admitted::nothing(Admission::Duplicate));
        }
        let flows = rows.iter().map(|row| flow_id(row.get(0))).collect::<Result<_>>()?;
        Ok(Admitted { admission: Admission::Accepted { changes: rows.len() }, flows })
    }
}

/// Whether a delivery may be stored only while nothing has moved since it was made.
fn rests_on_seen(delivery: &Delivery) -> bool {
    let rests = |change: &NewChange| matches!(change.values, Values::Taken { .. });
    matches!(&delivery.verdict, Verdict::Changes(changes) if changes.iter().any(rests))
}

/// How a delivery stands, and of a rejected one why and its body.
fn standing(verdict: &Verdict) -> (&'static str, Option<&str>, Option<&[u8]>) {
    match verdict {
        Verdict::Changes(_) => ("accepted", None, None),
        Verdict::Rejected { reason, body } => ("rejected", Some(reason), Some(body)),
    }
}

/// The numbers of the rows that a statement has inserted, if it has inserted any. A new row's is one more than the
/// greatest so far, so those of one statement follow each other.
fn numbers(stored: &SqliteQueryResult) -> RangeInclusive<i64> {
    let last = stored.last_insert_rowid();
    last - stored.rows_affected().cast_signed() + 1..=last
}

/// The values of a change as they are stored, and where those came from or are to be fetched.
fn stored_values(values: &Values) -> (&Values, Option<&str>) {
    match values {
        Values::Taken { url, values, .. } => (values, Some(url)),
        Values::Fetch(url) => (values, Some(url)),
        Values::Known(_) | Values::Patch(_) | Values::Undo(_) => (values, None),
    }
}

/// The variables or the patch of a change as JSON; none while they are to be fetched.
pub(super) fn text_of(values: &Values, mode: Mode) -> Option<String> {
    match values {
        Values::Known(variables) => Some(encode(variables)),
        Values::Patch(patch) => Some(patch.get().to_owned()),
        // What it restores, for people to see.
        Values::Undo(undo) if mode == Mode::Patch => Some(encode(&undo.restored_members())),
        Values::Undo(undo) => Some(encode(&undo.restores())),
        Values::Fetch(_) => None,
        Values::Taken { values, .. } => text_of(values, mode),
    }
}
