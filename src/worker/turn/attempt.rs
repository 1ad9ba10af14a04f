//! An attempt: from the commit before its PUT leaves until its outcome is known and settled.

use std::time::Duration;

use super::stop::Stop;
use super::{Base, MANY, Put, Turn};
use crate::change::State;
use crate::flow::{Document, aside, has_moved};
use crate::journal::{Attempt, Outcome, Read, Settlement, Step};
use crate::tenant::{Kind, Written};
use crate::worker::draft::{Decision, decide};

/// The longest pause before the read that follows a conflict.
const JITTER_MS: u64 = 20;

impl<R: Read> Turn<'_, R> {
    pub(super) async fn put(&mut self, attempt: &Attempt, base: Document, text: String) -> Result<Put, Stop> {
        // Before the attempt is committed: who pauses or discards meanwhile is heard.
        if let Err(failure) = self.rooms.tenant.get_ready(&mut self.pass).await {
            self.base = Some(Base::Warm(base));
            return Err(Stop::Call(failure));
        }
        self.record(Step::Attempt(Box::new(attempt.clone()))).await?;
        let written = self.rooms.tenant.write(&mut self.pass, &self.flow, text).await;
        let failure = match written {
            Ok(Written::Document(text)) => match Document::read(text).await {
                Ok(document) => return self.shown(attempt, document).await,
                Err(error) => return self.confirm(attempt, error.to_string()).await,
            },
            Ok(Written::Unseen(why)) => return self.confirm(attempt, why).await,
            // The attempt stays open: the next turn decides it by reading, before anything newer.
            Err(failure) if failure.may_have_landed => {
                self.undecided = true;
                return Err(Stop::Call(failure));
            }
            Err(failure) => failure,
        };
        self.close(attempt, Outcome::Refused).await?;
        match failure.kind {
            Kind::Conflict => {
                // The pause comes before the read, so that what is read is fresh when it is used.
                tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=JITTER_MS))).await;
                Ok(Put::NotThere { why: failure.message, now: self.read().await? })
            }
            Kind::Refused => {
                // Some tenants refuse a version that is not current any more in the same words.
                let now = self.read().await?;
                if has_moved(now.version(), &attempt.base_version) {
                    return Ok(Put::NotThere { why: failure.message, now });
                }
                Ok(Put::Refused(failure.message))
            }
            Kind::Throttled | Kind::Credentials | Kind::GateClosed => {
                // The tenant did not even look at the document, so the base is as good as it was.
                self.base = Some(Base::Warm(base));
                Err(Stop::Call(failure))
            }
            Kind::NoSuchFlow | Kind::Forbidden | Kind::Odd | Kind::Broken => Err(Stop::Call(failure)),
        }
    }

    /// The tenant took a PUT and shows this document.
    async fn shown(&mut self, attempt: &Attempt, document: Document) -> Result<Put, Stop> {
        let (decision, document) = decided(attempt, document).await;
        if decision == Decision::Landed {
            self.settle_landed(attempt, document.version(), None).await?;
            return Ok(Put::Landed(Some(document)));
        }
        self.close(attempt, Outcome::Lost).await?;
        // Not tried again at once: each try would make a version of the flow.
        Err(Stop::BackOff(
            "the tenant took the change and shows the flow without it: look at the node in the designer"
                .to_owned(),
        ))
    }

    /// The tenant took a PUT and showed no document: reading says whether and as which version it landed.
    async fn confirm(&mut self, attempt: &Attempt, why: String) -> Result<Put, Stop> {
        match self.look_up(attempt, &why).await? {
            (Decision::Landed, _) => Ok(Put::Landed(None)),
            (Decision::NotThere, now) => Ok(Put::NotThere { why, now }),
        }
    }

    /// An attempt whose answer was lost, in an earlier turn or an earlier life of the process, is decided
    /// before anything newer is folded.
    pub(super) async fn decide_open(&mut self, attempt: &Attempt) -> Result<(), Stop> {
        match self.look_up(attempt, "its answer was lost").await {
            Ok((_, now)) => self.base = Some(Base::Fresh(now)),
            // Whatever it did is gone with the flow; its changes fail like all others.
            Err(Stop::Call(failure)) if failure.kind == Kind::NoSuchFlow => {
                self.close(attempt, Outcome::Lost).await?;
                self.undecided = false;
            }
            Err(stop) => return Err(stop),
        }
        Ok(())
    }

    /// Decides an attempt by reading the flow, and settles or closes it; `lost` says what is missing of its
    /// answer.
    async fn look_up(&mut self, attempt: &Attempt, lost: &str) -> Result<(Decision, Document), Stop> {
        self.undecided = true;
        let now = self.read_past(&attempt.base_version).await?;
        let (decision, now) = decided(attempt, now).await;
        match decision {
            Decision::Landed => self.settle_landed(attempt, now.version(), Some(lost)).await?,
            Decision::NotThere => self.close(attempt, Outcome::Lost).await?,
        }
        self.undecided = false;
        Ok((decision, now))
    }

    async fn settle_landed(&self, attempt: &Attempt, version: &str, lost: Option<&str>) -> Result<(), Stop> {
        let mut endings = attempt.plan.endings.clone();
        if let Some(lost) = lost {
            let published = endings.iter_mut().filter(|ending| ending.state == State::Published);
            for ending in published {
                let noted = ending.reason.take().map(|reason| format!("{reason}; ")).unwrap_or_default();
                ending.reason = Some(format!("{noted}confirmed by reading: {lost}"));
            }
        }
        tracing::info!(
            flow.id = %self.flow,
            flow.version = version,
            change.count = endings.len(),
            "published a flow"
        );
        self.settle(Settlement {
            attempt: Some((attempt.id.clone(), Outcome::Published)),
            endings,
            version: Some(version.to_owned()),
            marks: attempt.plan.marks.clone(),
        })
        .await
    }

    /// Closes an attempt that did not land: its changes stay pending.
    async fn close(&self, attempt: &Attempt, outcome: Outcome) -> Result<(), Stop> {
        let attempt = Some((attempt.id.clone(), outcome));
        self.settle(Settlement { attempt, ..Settlement::default() }).await
    }
}

/// Decides an attempt by a document that was read after it, [`aside`] if that is much to do.
async fn decided(attempt: &Attempt, document: Document) -> (Decision, Document) {
    if !document.is_large() && attempt.plan.edits.len() < MANY {
        return (decide(attempt, &document), document);
    }
    let attempt = attempt.clone();
    aside(move || (decide(&attempt, &document), document)).await
}
