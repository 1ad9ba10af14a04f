//! Why a turn stops early, and what its changes and its lane wait for then.

use std::time::Duration;

use jiff::SignedDuration;

use super::{End, Turn};
use crate::change::{Change, Seq};
use crate::journal::{JournalError, Read, Step};
use crate::queue::NotStored;
use crate::tenant::{Failure, Kind};
use crate::worker::kept_gate::keep_gate;

/// A change that its lane has backed off with for this long fails.
const HELD_AT_MOST_MS: i64 = 24 * 3600 * 1000;
/// A tenant that has served another flow within this time is not down.
const OTHERS_SERVED_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// Why a turn stops early.
pub(super) enum Stop {
    /// The journal does not answer; it has said why.
    Journal,
    /// A person discarded one of its changes meanwhile, and what it made of the others rests on that one; or
    /// paused the flow.
    Stale,
    /// A flow call failed.
    Call(Failure),
    /// A lock, or an answer that cannot be used.
    BackOff(String),
    /// Somebody else saved the flow each time between our read and our write.
    Outrun(String),
}

impl From<NotStored> for Stop {
    fn from(_: NotStored) -> Self {
        Self::Journal
    }
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the journal cannot be read");
        Self::Journal
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Call(failure)
    }
}

impl<R: Read> Turn<'_, R> {
    /// How the turn ends, and its changes with it where they do.
    pub(super) async fn stopped(&mut self, stop: Stop) -> Result<End, Stop> {
        match stop {
            Stop::Journal => Ok(self.back_off()),
            // The next turn takes what is pending now.
            Stop::Stale => Ok(End::Settled { again: true }),
            Stop::BackOff(reason) => {
                let wait = self.strain.back_off();
                self.hold(&reason, wait, wait).await
            }
            Stop::Outrun(reason) => {
                let wait = self.strain.back_off_for_others();
                self.hold(&reason, wait, wait).await
            }
            // While a PUT may have landed, its changes do not fail by this: the next turn looks once more.
            Stop::Call(failure) if failure.kind == Kind::NoSuchFlow && !self.undecided => {
                self.fail(|_| true, &failure.message).await?;
                Ok(End::Settled { again: true })
            }
            Stop::Call(failure) => match self.rooms.tenant.gate().closure() {
                Some(closure) => {
                    // The gate first: a crash between the two may cost a reason, not the tenant's peace.
                    keep_gate(&closure, &self.rooms.ledger, &self.rooms.clock).await?;
                    self.record_hold(self.seqs(), &closure.reason, Duration::ZERO).await?;
                    Ok(End::Gated)
                }
                None if failure.kind.is_the_tenants() => Ok(End::Gated),
                None => {
                    let wait = self.strain.back_off();
                    let counted = if self.is_the_flows(&failure).await? { wait } else { Duration::ZERO };
                    self.hold(&failure.message, wait, counted).await
                }
            },
        }
    }

    /// Whether a failure is this flow's own. Of a tenant that does not answer only that can be said which
    /// serves other flows meanwhile: with few flows the gate does not notice that it is down.
    async fn is_the_flows(&self, failure: &Failure) -> Result<bool, Stop> {
        if failure.kind != Kind::Broken {
            return Ok(true);
        }
        let since = self.rooms.clock.now() - OTHERS_SERVED_WITHIN;
        Ok(self.rooms.reader.others_were_served(&self.flow, since).await?)
    }

    /// The lane backs off with its changes; those that it has held for too long, by the waits that are
    /// `counted`, fail, unless a PUT of theirs may have landed.
    async fn hold(&mut self, reason: &str, wait: Duration, counted: Duration) -> Result<End, Stop> {
        tracing::warn!(
            flow.id = %self.flow,
            change.count = self.changes.len(),
            lane.wait_ms = wait.as_millis(),
            lane.reason = reason,
            "a lane backs off"
        );
        let may_fail = !self.undecided && !counted.is_zero();
        let too_long = |change: &Change| may_fail && change.held_ms >= HELD_AT_MOST_MS;
        if self.changes.iter().any(too_long) {
            self.fail(
                too_long,
                &format!("given up after a day of trying, mend it and retry the change: {reason}"),
            )
            .await?;
        }
        let held = self.changes.iter().filter(|change| !too_long(change)).map(|change| change.seq).collect();
        self.record_hold(held, reason, counted).await?;
        Ok(End::BackOff(wait))
    }

    async fn record_hold(&self, seqs: Vec<Seq>, reason: &str, wait: Duration) -> Result<(), Stop> {
        let for_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        self.record(Step::Hold { seqs, reason: reason.to_owned(), for_ms }).await
    }

    fn seqs(&self) -> Vec<Seq> {
        self.changes.iter().map(|change| change.seq).collect()
    }

    pub(super) fn back_off(&mut self) -> End {
        End::BackOff(self.strain.back_off())
    }
}
