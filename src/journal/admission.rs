//! Deliveries on their way into a commit: which are new, and which are known.

use sqlx::{Row as _, query};

use super::row::flow_id;
use super::write::encode;
use super::{Commit, JournalError};
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
    /// Nothing is pending because of it.
    fn nothing(admission: Admission) -> Self {
        Self { admission, flows: Vec::new() }
    }
}

impl Commit<'_> {
    /// Stores a delivery with its changes, or finds that it is known.
    ///
    /// A known id is not a duplicate when its delivery was rejected (it is judged anew), or when it has
    /// changes again and some of the first ones failed (those become pending again).
    ///
    /// # Errors
    /// When a statement failed; the commit must then be dropped.
    pub async fn admit(&mut self, delivery: &Delivery) -> Result<Admitted> {
        if self.is_overtaken(&delivery.verdict).await? {
            return Ok(Admitted::nothing(Admission::Stale));
        }
        let (state, reason, body) = match &delivery.verdict {
            Verdict::Changes(_) => ("accepted", None, None),
            Verdict::Rejected { reason, body } => ("rejected", Some(reason.as_str()), Some(body.as_ref())),
        };
        // A row that is there already is taken over only if it was rejected.
        let stored = query(
            "INSERT INTO deliveries (source, delivery_id, state, reason, body, received_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (source, delivery_id) DO UPDATE
             SET state = excluded.state, reason = excluded.reason, body = excluded.body,
                 received_at = excluded.received_at
             WHERE deliveries.state = 'rejected'
             RETURNING id",
        )
        .bind(&*delivery.source)
        .bind(&delivery.id)
        .bind(state)
        .bind(reason)
        .bind(body)
        .bind(delivery.received_at.as_millisecond())
        .fetch_optional(self.sql())
        .await?;
        let id: Option<i64> = stored.map(|row| row.get(0));
        match (id, &delivery.verdict) {
            (None, Verdict::Changes(_)) => self.readmit(delivery).await,
            // What failed under this id gets no other chance from a body that is refused.
            (None, Verdict::Rejected { .. }) => Ok(Admitted::nothing(Admission::Duplicate)),
            (Some(_), Verdict::Rejected { .. }) => Ok(Admitted::nothing(Admission::Rejected)),
            (Some(id), Verdict::Changes(changes)) => {
                for change in changes {
                    self.insert(id, change).await?;
                }
                let flows = changes.iter().map(|change| change.flow.clone()).collect();
                Ok(Admitted { admission: Admission::Accepted { changes: changes.len() }, flows })
            }
        }
    }

    pub(super) async fn insert(&mut self, delivery: i64, change: &NewChange) -> Result<Seq> {
        let (values, fetch_url, taken) = match &change.values {
            Values::Taken { url, values, taken, .. } => {
                (&**values, Some(url.as_str()), text_of(taken, change.mode))
            }
            Values::Fetch(url) => (&change.values, Some(url.as_str()), None),
            Values::Known(_) | Values::Patch(_) | Values::Undo(_) => (&change.values, None, None),
        };
        let undo = if let Values::Undo(undo) = values { Some(encode(undo)) } else { None };
        let row = query(
            "INSERT INTO changes
                 (delivery, route, flow, node, mode, variables, fetch_url, order_key, undo, state)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending') RETURNING seq",
        )
        .bind(delivery)
        .bind(&*change.route)
        .bind(change.flow.as_str())
        .bind(change.node.as_str())
        .bind(if matches!(values, Values::Patch(_)) { Mode::Patch } else { change.mode }.as_str())
        .bind(text_of(values, change.mode))
        .bind(fetch_url)
        .bind(change.order_key.map(|key| key.to_string()))
        .bind(undo)
        .fetch_one(self.sql())
        .await?;
        let seq = row.get(0);
        self.last = Some(seq);
        if let Some(taken) = taken {
            self.take((&change.route, change.flow.as_str(), change.node.as_str()), seq, &taken).await?;
        }
        Ok(seq)
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
