//! Deliveries on their way into a commit: which are new, and which are known.

use std::ops::Range;

use rusqlite::params;

use super::ids::{self, DeliveryRow};
use super::row::flow_id;
use super::write::encode;
use super::{Commit, JournalError, sql};
use crate::change::{Admission, Delivery, FlowId, Mode, NewChange, Seq, Values, Verdict};

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
    /// It is new, or judged anew.
    fn new(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Changes(changes) => {
                let flows = changes.iter().map(|change| change.flow.clone()).collect();
                Self { admission: Admission::Accepted { changes: changes.len() }, flows }
            }
            Verdict::Rejected { .. } => Self::nothing(Admission::Rejected),
        }
    }

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
    pub fn admit(&mut self, delivery: &Delivery) -> Result<Admitted> {
        let mut admitted = self.admit_all(&[delivery])?;
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
    pub fn admit_all(&mut self, deliveries: &[&Delivery]) -> Result<Vec<Admitted>> {
        let mut admitted = Vec::with_capacity(deliveries.len());
        let mut new = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            // What rests on what was seen looks at what those before it have stored.
            if rests_on_seen(delivery) {
                self.store(&mut new)?;
                if self.is_overtaken(&delivery.verdict)? {
                    admitted.push(Admitted::nothing(Admission::Stale));
                    continue;
                }
            }
            let hash = ids::hash(&delivery.source, &delivery.id);
            let rows = self.ids.rows(self.sql(), &self.ids_moved, hash)?;
            if !rows.is_empty() {
                // One of them may be a twin that came just before.
                self.store(&mut new)?;
                if let Some(known) = self.known(&rows, delivery)? {
                    admitted.push(self.admit_again(known, delivery)?);
                    continue;
                }
            }
            new.push((self.ids.add(&mut self.ids_moved, hash), *delivery));
            admitted.push(Admitted::new(&delivery.verdict));
        }
        self.store(&mut new)?;
        Ok(admitted)
    }

    /// A row for a delivery of ours, whose id is new.
    pub(super) fn new_row(&mut self, source: &str, id: &str) -> DeliveryRow {
        self.ids.add(&mut self.ids_moved, ids::hash(source, id))
    }

    /// Which of these rows is that of the delivery, if any of them is.
    fn known(&self, rows: &[DeliveryRow], delivery: &Delivery) -> Result<Option<DeliveryRow>> {
        for row in rows {
            let is_known =
                "SELECT EXISTS (SELECT 1 FROM deliveries WHERE id = ? AND source = ? AND delivery_id = ?)";
            if sql::value(self.sql(), is_known, params![row, &*delivery.source, &delivery.id])? {
                return Ok(Some(*row));
            }
        }
        Ok(None)
    }

    /// A delivery came again that stands in this row.
    fn admit_again(&mut self, row: DeliveryRow, delivery: &Delivery) -> Result<Admitted> {
        let is_taken_over = self.take_over(row, delivery)?;
        match &delivery.verdict {
            Verdict::Changes(changes) if is_taken_over => {
                let numbers = self.insert(&changes.iter().map(|change| (row, change)).collect::<Vec<_>>())?;
                self.note_changes(row, numbers)?;
                Ok(Admitted::new(&delivery.verdict))
            }
            Verdict::Changes(_) => self.readmit(row),
            Verdict::Rejected { .. } if is_taken_over => Ok(Admitted::new(&delivery.verdict)),
            // What failed under this id gets no other chance from a body that is refused.
            Verdict::Rejected { .. } => Ok(Admitted::nothing(Admission::Duplicate)),
        }
    }

    /// Stores new deliveries, and their changes.
    ///
    /// `OR ROLLBACK`: what cannot be undone alone need not note what each page was like before it; and where a
    /// statement fails, the commit is dropped anyway.
    fn store(&mut self, new: &mut Vec<(DeliveryRow, &Delivery)>) -> Result<()> {
        let changes =
            new.iter().flat_map(|(row, delivery)| changes_of(delivery).iter().map(|change| (*row, change)));
        let mut next = self.insert(&changes.collect::<Vec<_>>())?.start;
        let texts = [
            "INSERT OR ROLLBACK INTO deliveries
                 (id, source, delivery_id, state, reason, body, received_at, first_change, last_change)",
            "(?, ?, ?, ?, ?, ?, ?, ?, ?)",
            "",
        ];
        let bind = |row: &mut sql::Binding<'_, '_>, (id, delivery): &(DeliveryRow, &Delivery)| {
            let (state, reason, body) = standing(&delivery.verdict);
            let first = next;
            next += seqs(changes_of(delivery).len());
            let has_changes = first < next;
            row.push(id)?;
            row.push(&*delivery.source)?;
            row.push(&delivery.id)?;
            row.push(state)?;
            row.push(reason)?;
            row.push(body)?;
            row.push(delivery.received_at.as_millisecond())?;
            row.push(has_changes.then_some(first))?;
            row.push(has_changes.then_some(next - 1))
        };
        sql::insert(self.sql(), texts, new, bind, |_, _| {})?;
        new.clear();
        Ok(())
    }

    /// A delivery that was stored before has changes with these numbers now, and no others.
    pub(super) fn note_changes(&self, row: DeliveryRow, numbers: Range<Seq>) -> Result<()> {
        let text = "UPDATE deliveries SET first_change = ?, last_change = ? WHERE id = ?";
        sql::execute(self.sql(), text, params![numbers.start, numbers.end - 1, row])?;
        Ok(())
    }

    /// A delivery that is known as rejected is judged anew, and is now as this one says; whether it is one.
    fn take_over(&self, row: DeliveryRow, delivery: &Delivery) -> Result<bool> {
        let (state, reason, body) = standing(&delivery.verdict);
        let taken = sql::execute(
            self.sql(),
            "UPDATE deliveries SET state = ?, reason = ?, body = ?, received_at = ?
             WHERE id = ? AND state = 'rejected'",
            params![state, reason, body, delivery.received_at.as_millisecond(), row],
        )?;
        Ok(taken > 0)
    }

    /// Stores changes of deliveries, in this order: the numbers that they have got.
    pub(super) fn insert(&mut self, changes: &[(DeliveryRow, &NewChange)]) -> Result<Range<Seq>> {
        let texts = [
            "INSERT OR ROLLBACK INTO changes
                 (delivery, route, flow, node, mode, variables, fetch_url, order_key, undo, state)",
            "(?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')",
            "",
        ];
        let (sql, moves, last) = (&self.transaction, &mut self.moves, &mut self.last);
        let mut taken = Vec::new();
        sql::insert(sql, texts, changes, bind_change, |portion, new| {
            // A new row's number is one more than the greatest so far, so those of one statement follow each other.
            let newest = sql.last_insert_rowid();
            let first = newest + 1 - i64::try_from(new).unwrap_or(0);
            *last = Some(newest);
            let numbered = || portion.iter().map(|(_, change)| *change).zip(first..);
            moves.came(numbered().map(|(change, seq)| (change.flow.clone(), seq)));
            taken.extend(numbered().filter_map(|(change, seq)| {
                let Values::Taken { taken, .. } = &change.values else { return None };
                Some((change, text_of(taken, change.mode)?, seq))
            }));
        })?;
        for (change, value, seq) in taken {
            self.take((&*change.route, change.flow.as_str(), change.node.as_str()), seq, &value)?;
        }
        // All of them follow each other, since nobody else writes.
        let end = self.last.unwrap_or(0) + 1;
        Ok(end - seqs(changes.len())..end)
    }

    /// Whether a change of the delivery rests on what has moved since it was made.
    fn is_overtaken(&self, verdict: &Verdict) -> Result<bool> {
        if let Verdict::Changes(changes) = verdict {
            for change in changes {
                if self.has_moved(change)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// An accepted delivery came again: what failed of it gets another chance.
    fn readmit(&mut self, row: DeliveryRow) -> Result<Admitted> {
        let revived = sql::all(
            self.sql(),
            "UPDATE changes SET state = 'pending', reason = NULL, held_ms = 0, settled_at = NULL
             WHERE seq BETWEEN (SELECT first_change FROM deliveries WHERE id = ?1)
                 AND (SELECT last_change FROM deliveries WHERE id = ?1)
             AND state = 'failed' AND delivery = ?1 RETURNING flow, seq",
            [row],
            |row| Ok((flow_id(&row.get::<_, String>(0)?)?, row.get(1)?)),
        )?;
        if revived.is_empty() {
            return Ok(Admitted::nothing(Admission::Duplicate));
        }
        let flows: Vec<_> = revived.iter().map(|(flow, _)| flow.clone()).collect();
        self.moves.came(revived);
        Ok(Admitted { admission: Admission::Accepted { changes: flows.len() }, flows })
    }
}

/// The changes that follow from a delivery.
fn changes_of(delivery: &Delivery) -> &[NewChange] {
    match &delivery.verdict {
        Verdict::Changes(changes) => changes,
        Verdict::Rejected { .. } => &[],
    }
}

/// A count of changes, to reckon with their numbers.
fn seqs(count: usize) -> Seq {
    Seq::try_from(count).expect("no more changes are in memory than numbers are there")
}

/// Gives a row of `changes` its values.
fn bind_change(
    row: &mut sql::Binding<'_, '_>,
    (delivery, change): &(DeliveryRow, &NewChange),
) -> rusqlite::Result<()> {
    let (values, fetch_url) = stored_values(&change.values);
    let mode = if matches!(values, Values::Patch(_)) { Mode::Patch } else { change.mode };
    row.push(delivery)?;
    row.push(&*change.route)?;
    row.push(change.flow.as_str())?;
    row.push(change.node.as_str())?;
    row.push(mode.as_str())?;
    row.push(text_of(values, change.mode))?;
    row.push(fetch_url)?;
    row.push(change.order_key.map(|key| key.to_string()))?;
    row.push(if let Values::Undo(undo) = values { Some(encode(undo)) } else { None })
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
