//! One turn of a lane: read, edit, PUT, settle.

mod attempt;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::draft::{Draft, all_superseded, draft};
use super::strain::Strain;
use crate::change::{Change, FlowId, Seq, State};
use crate::clock::Clock;
use crate::flow::Document;
use crate::journal::{Attempt, Effect, Ending, GateEnd, JournalError, Mark, Reader, Ready, Settlement, Step};
use crate::queue::{Ledger, NotStored};
use crate::tenant::{Closure, Failure, Kind, Pass, Tenant};

/// How many bytes of values a publish folds; the change that passes it is the last.
const FOLD_BYTES: usize = 4 * 1024 * 1024;
/// How often a conflict is answered with a fresh read and another PUT before the lane backs off.
const QUICK_TRIES: usize = 5;
/// A change that its lane has backed off with for this long fails.
const HELD_AT_MOST_MS: i64 = 24 * 3600 * 1000;

/// Keeps a closed gate's end in the journal, so that the next start waits for it too.
///
/// # Errors
/// [`NotStored`] when the journal did not take it.
pub async fn keep_gate(closure: &Closure, ledger: &Ledger, clock: &Clock) -> Result<(), NotStored> {
    let until = clock.now() + closure.until.saturating_duration_since(tokio::time::Instant::now());
    ledger.record(Step::Gate(GateEnd { until, reason: closure.reason.clone() })).await.map(drop)
}

/// What every turn needs.
#[derive(Clone, Debug)]
pub(super) struct Rooms {
    pub(super) tenant: Arc<Tenant>,
    pub(super) reader: Reader,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
}

/// How a turn ended, for its lane.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing was to be done.
    Idle,
    /// Calls were made, and what they brought is settled; `again` if there may be more to do.
    Settled { again: bool },
    /// The lane must stay away for so long.
    BackOff(Duration),
    /// The whole tenant is out of reach: the changes wait at its gate.
    Gated,
}

/// What a turn leaves behind.
#[derive(Debug)]
pub(super) struct Turned {
    pub(super) end: End,
    /// What the lane has been through.
    pub(super) strain: Strain,
    /// The document to start the next turn with.
    pub(super) document: Option<Document>,
    /// Where thin changes of the flow wait to be fetched.
    pub(super) wanted: Vec<String>,
}

/// Why a turn stops early.
enum Stop {
    /// The journal does not answer; it has said why.
    Journal,
    /// A person discarded one of its changes meanwhile, and what it made of the others rests on that one.
    Stale,
    /// A flow call failed.
    Call(Failure),
    /// Somebody else's edits, a lock, or an answer that cannot be used.
    BackOff(String),
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

/// The document that a PUT is to be based on.
enum Base {
    /// What the last PUT returned: only good as a base, since the version check vouches for it.
    Warm(Document),
    /// Read in this turn: what it says of the flow is true.
    Fresh(Document),
}

/// What became of one PUT.
enum Put {
    /// It landed; the tenant may have shown the document.
    Landed(Option<Document>),
    /// It is not there; `why`, and what the flow is now.
    NotThere { why: String, now: Document },
    /// The tenant does not take the document.
    Refused(String),
}

/// One flow's turn.
pub(super) struct Turn<'a> {
    rooms: &'a Rooms,
    flow: FlowId,
    pass: Pass,
    strain: Strain,
    base: Option<Base>,
    /// The changes it is about.
    changes: Vec<Change>,
    /// Whether an attempt is open, so that nobody knows yet how its changes end.
    undecided: bool,
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        rooms: &'a Rooms,
        flow: FlowId,
        pass: Pass,
        strain: Strain,
        warm: Option<Document>,
    ) -> Self {
        let (base, changes) = (warm.map(Base::Warm), Vec::new());
        Self { rooms, flow, pass, strain, base, changes, undecided: false }
    }

    /// Takes the turn.
    pub(super) async fn take(mut self) -> Turned {
        let end = match self.publish().await {
            Ok(end) => {
                self.strain.relieve();
                end
            }
            Err(stop) => self.stopped(stop).await.unwrap_or_else(|_| self.back_off()),
        };
        let (end, wanted) = match self.rooms.reader.wanted_urls(&self.flow).await {
            Ok(wanted) => (end, wanted),
            // The lane must come back, or its thin changes would wait for the next event.
            Err(_unreadable) => (self.back_off(), Vec::new()),
        };
        let document = match self.base {
            Some(Base::Warm(document)) => Some(document),
            Some(Base::Fresh(_)) | None => None,
        };
        Turned { end, strain: self.strain, document, wanted }
    }

    async fn publish(&mut self) -> Result<End, Stop> {
        // Taken before an open attempt is decided, so that what stops that holds them and says why.
        let mut again = self.take_changes().await?;
        if let Some(attempt) = self.rooms.reader.open_attempt(&self.flow).await? {
            self.decide_open(&attempt).await?;
            // Some of them may have ended by it.
            again = self.take_changes().await?;
        }
        if self.changes.is_empty() {
            return Ok(End::Idle);
        }
        let marks = self.marks().await?;
        if let Some(endings) = all_superseded(&self.changes, &marks) {
            self.settle(Settlement { endings, ..Settlement::default() }).await?;
            return Ok(End::Settled { again });
        }
        for _quick_try in 0..QUICK_TRIES {
            let (document, Draft { text, plan }) = self.draft(&marks).await?;
            let Some(text) = text else {
                self.settle(Settlement { endings: plan.endings, marks: plan.marks, ..Settlement::default() })
                    .await?;
                return Ok(End::Settled { again });
            };
            let attempt = Attempt {
                id: Uuid::now_v7().to_string(),
                flow: self.flow.clone(),
                base_version: document.version().to_owned(),
                plan,
            };
            match self.put(&attempt, document, text).await? {
                Put::Landed(document) => {
                    self.base = document.map(Base::Warm);
                    return Ok(End::Settled { again });
                }
                Put::Refused(why) => return self.isolate(why).await,
                Put::NotThere { why, now } if now.version() == attempt.base_version => {
                    // Nobody's edit, since the version stands still: a lock, or a refusal.
                    return Err(Stop::BackOff(why));
                }
                Put::NotThere { now, .. } => self.base = Some(Base::Fresh(now)),
            }
        }
        Err(Stop::BackOff(format!(
            "flow `{}` was changed by others at each of {QUICK_TRIES} tries",
            self.flow
        )))
    }

    /// Takes the changes that the turn is about; says whether it leaves some behind.
    async fn take_changes(&mut self) -> Result<bool, Stop> {
        let at_most = self.strain.fold_at_most();
        let Ready { changes, more } = self.rooms.reader.ready(&self.flow, at_most, FOLD_BYTES).await?;
        self.changes = changes;
        Ok(more)
    }

    /// Drafts the publish: on the warm document if it may rest on one, else on one that is read now.
    async fn draft(&mut self, marks: &[Mark]) -> Result<(Document, Draft), Stop> {
        let unusable = |error: &dyn std::error::Error| Stop::BackOff(error.to_string());
        let document = match self.base.take() {
            Some(Base::Warm(document)) => {
                let drafted = draft(&document, &self.changes, marks).map_err(|error| unusable(&error))?;
                if drafted.only_publishes() {
                    return Ok((document, drafted));
                }
                self.read_past(document).await?
            }
            Some(Base::Fresh(document)) => document,
            None => self.read().await?,
        };
        let drafted = draft(&document, &self.changes, marks).map_err(|error| unusable(&error))?;
        Ok((document, drafted))
    }

    async fn read(&mut self) -> Result<Document, Stop> {
        self.base = None;
        let text = self.rooms.tenant.read(&mut self.pass, &self.flow).await?;
        Document::parse(text)
            .map_err(|error| Stop::BackOff(format!("flow `{}` cannot be read: {error}", self.flow)))
    }

    /// Reads the flow, which our last PUT returned as `ours`. A tenant that shows an older version may be
    /// behind, and nothing true can be said by that; one that still does after two waits has another flow.
    async fn read_past(&mut self, ours: Document) -> Result<Document, Stop> {
        let now = self.read().await?;
        if !is_older(now.version(), ours.version()) {
            return Ok(now);
        }
        let why = format!(
            "the tenant shows version {} of flow `{}` though it has had version {}",
            now.version(),
            self.flow,
            ours.version()
        );
        self.base = self.strain.is_gone().then_some(Base::Warm(ours));
        Err(Stop::BackOff(why))
    }

    async fn marks(&self) -> Result<Vec<Mark>, Stop> {
        let mut nodes: Vec<_> = self.changes.iter().map(|change| &change.what.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let mut marks = Vec::new();
        for node in nodes {
            marks.extend(self.rooms.reader.marks(&self.flow, node).await?);
        }
        Ok(marks)
    }

    async fn settle(&self, settlement: Settlement) -> Result<(), Stop> {
        for ending in settlement.endings.iter().filter(|ending| ending.state == State::Failed) {
            let reason = ending.reason.as_deref().unwrap_or_default();
            tracing::warn!(flow.id = %self.flow, change.seq = ending.seq, change.reason = reason, "a change failed");
        }
        let flow = self.flow.clone();
        self.record(Step::Settle { flow, settlement }).await
    }

    /// The tenant does not take the document: half as many changes next time, until one stands alone.
    async fn isolate(&mut self, why: String) -> Result<End, Stop> {
        match self.changes.as_slice() {
            [_] => self.fail(|_| true, &why).await?,
            changes => {
                tracing::warn!(
                    flow.id = %self.flow,
                    change.count = changes.len(),
                    change.reason = why,
                    "the tenant does not take a flow with these changes; trying half of them"
                );
                self.strain.halve(changes.len());
            }
        }
        Ok(End::Settled { again: true })
    }

    /// Fails those of the turn's changes that `which` says.
    async fn fail(&self, which: impl Fn(&Change) -> bool, why: &str) -> Result<(), Stop> {
        let ending =
            |change: &Change| Ending { seq: change.seq, state: State::Failed, reason: Some(why.to_owned()) };
        let endings = self.changes.iter().filter(|change| which(change)).map(ending).collect();
        self.settle(Settlement { endings, ..Settlement::default() }).await
    }

    async fn stopped(&mut self, stop: Stop) -> Result<End, Stop> {
        match stop {
            Stop::Journal => Ok(self.back_off()),
            // The next turn takes what is pending now.
            Stop::Stale => Ok(End::Settled { again: true }),
            Stop::BackOff(reason) => self.hold(&reason).await,
            Stop::Call(failure) if failure.kind == Kind::NoSuchFlow => {
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
                None => self.hold(&failure.message).await,
            },
        }
    }

    /// The lane backs off with its changes; those that it has held for too long fail, unless a PUT of theirs
    /// may have landed.
    async fn hold(&mut self, reason: &str) -> Result<End, Stop> {
        let wait = self.strain.back_off();
        tracing::warn!(
            flow.id = %self.flow,
            change.count = self.changes.len(),
            lane.wait_ms = wait.as_millis(),
            lane.reason = reason,
            "a lane backs off"
        );
        let decided = !self.undecided;
        let too_long = |change: &Change| decided && change.held_ms >= HELD_AT_MOST_MS;
        if self.changes.iter().any(too_long) {
            self.fail(too_long, &format!("given up after a day: {reason}")).await?;
        }
        let held = self.changes.iter().filter(|change| !too_long(change)).map(|change| change.seq).collect();
        self.record_hold(held, reason, wait).await?;
        Ok(End::BackOff(wait))
    }

    async fn record_hold(&self, seqs: Vec<Seq>, reason: &str, wait: Duration) -> Result<(), Stop> {
        let for_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        self.record(Step::Hold { seqs, reason: reason.to_owned(), for_ms }).await
    }

    async fn record(&self, step: Step) -> Result<(), Stop> {
        match self.rooms.ledger.record(step).await? {
            Effect::Written { .. } | Effect::Acted(_) => Ok(()),
            Effect::Stale => Err(Stop::Stale),
        }
    }

    fn seqs(&self) -> Vec<Seq> {
        self.changes.iter().map(|change| change.seq).collect()
    }

    fn back_off(&mut self) -> End {
        End::BackOff(self.strain.back_off())
    }
}

/// Whether both versions are whole numbers and the first is the lower one.
fn is_older(version: &str, than: &str) -> bool {
    matches!((version.parse::<u64>(), than.parse::<u64>()), (Ok(version), Ok(than)) if version < than)
}
