//! One turn of a lane: read, edit, PUT, settle.

mod attempt;
mod stop;

use std::sync::Arc;
use std::time::Duration;

use super::draft::{Draft, all_superseded, draft, together};
use super::observed::observed;
use super::strain::{FOLD_BYTES, Strain};
use crate::change::{Change, FlowId, State, Wanted};
use crate::clock::Clock;
use crate::flow::{AddressError, Document, aside, has_moved, is_older};
use crate::journal::{Attempt, Effect, Ending, Mark, Outset, Plan, Read, Ready, Settlement, Step};
use crate::queue::Ledger;
use crate::tenant::{Pass, Tenant};
use stop::Stop;

/// How often a conflict is answered with a fresh read and another PUT before the lane backs off.
const QUICK_TRIES: usize = 5;
/// From so many changes on they are decided [`aside`], however small the document: it takes milliseconds, in which the
/// runtime's thread would serve no other lane.
const MANY: usize = 256;

/// What every turn needs.
#[derive(Clone, Debug)]
pub(super) struct Rooms<R> {
    pub(super) tenant: Arc<Tenant>,
    pub(super) reader: R,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
}

/// How a turn ended, for its lane.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing was to be done.
    Idle,
    /// An operator has paused the flow.
    Paused,
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
    /// What thin changes of the flow wait for.
    pub(super) wanted: Vec<Wanted>,
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
pub(super) struct Turn<'a, R> {
    rooms: &'a Rooms<R>,
    flow: FlowId,
    pass: Pass,
    strain: Strain,
    /// What thin changes of the flow wait for.
    wanted: Vec<Wanted>,
    base: Option<Base>,
    /// The changes it is about.
    changes: Vec<Change>,
    /// Whether there are more than these.
    more: bool,
    /// Whether an attempt is open, so that nobody knows yet how its changes end.
    undecided: bool,
}

impl<'a, R: Read> Turn<'a, R> {
    pub(super) fn new(
        rooms: &'a Rooms<R>,
        flow: FlowId,
        pass: Pass,
        strain: Strain,
        warm: Option<Document>,
    ) -> Self {
        let (base, changes, wanted) = (warm.map(Base::Warm), Vec::new(), Vec::new());
        Self { rooms, flow, pass, strain, wanted, base, changes, more: false, undecided: false }
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
        let document = match self.base {
            Some(Base::Warm(document)) => Some(document),
            Some(Base::Fresh(_)) | None => None,
        };
        Turned { end, strain: self.strain, document, wanted: self.wanted }
    }

    async fn publish(&mut self) -> Result<End, Stop> {
        let mut outset = self.outset().await?;
        if let Some(attempt) = outset.undecided {
            // So that what stops its decision holds them and says why.
            self.take_changes().await?;
            self.decide_open(&attempt).await?;
            outset = self.outset().await?;
        }
        // Behind the decision: a PUT that may have landed is looked up, paused or not. Whoever resumes wakes the lane.
        if outset.is_paused {
            return Ok(End::Paused);
        }
        // Behind that look, so that all that came during a pause goes out together.
        self.take_changes().await?;
        if self.changes.is_empty() {
            return Ok(End::Idle);
        }
        let marks = self.marks().await?;
        let known = Arc::clone(&marks);
        if let Some(settlement) = self.decided(false, move |changes| all_superseded(changes, &known)).await {
            self.settle(settlement).await?;
            return Ok(End::Settled { again: self.more });
        }
        for _quick_try in 0..QUICK_TRIES {
            let (document, Draft { text, plan, .. }) = self.draft(&marks).await?;
            let Some(text) = text else {
                if self.needs_fence(&document, &plan).await? {
                    self.fence(document).await?;
                    continue;
                }
                self.settle(Settlement { endings: plan.endings, marks: plan.marks, ..Settlement::default() })
                    .await?;
                return Ok(End::Settled { again: self.more });
            };
            if self.rooms.tenant.only_reads() {
                self.observe(plan).await?;
                return Ok(End::Settled { again: self.more });
            }
            let attempt = self.attempt(&document, plan);
            match self.put(&attempt, document, text).await? {
                Put::Landed(document) => {
                    self.base = document.map(Base::Warm);
                    return Ok(End::Settled { again: self.more });
                }
                Put::Refused(why) => return self.isolate(why).await,
                Put::NotThere { why, now } if !has_moved(now.version(), &attempt.base_version) => {
                    // Nobody's edit, since the version stands still: a lock, or a refusal.
                    return Err(Stop::BackOff(why));
                }
                Put::NotThere { now, .. } => self.base = Some(Base::Fresh(now)),
            }
        }
        Err(Stop::Outrun(format!(
            "flow `{}` was changed by others at each of {QUICK_TRIES} tries",
            self.flow
        )))
    }

    /// How the flow stands. What thin changes wait for is kept for the end, however the turn comes to it: one that
    /// arrives from here on wakes the lane.
    async fn outset(&mut self) -> Result<Outset, Stop> {
        let mut outset = self.rooms.reader.outset(&self.flow).await?;
        self.wanted = std::mem::take(&mut outset.wanted);
        Ok(outset)
    }

    fn attempt(&self, document: &Document, plan: Plan) -> Attempt {
        let base_version = document.version().to_owned();
        Attempt { id: self.rooms.clock.new_id(), flow: self.flow.clone(), base_version, plan }
    }

    /// Whether a change would end `unchanged` on a version that a PUT of ours was lost on: carried out late, that
    /// PUT would still be taken, and put an older value over the one that is there.
    async fn needs_fence(&self, document: &Document, plan: &Plan) -> Result<bool, Stop> {
        let says_so = plan.endings.iter().any(|ending| ending.state == State::Unchanged);
        Ok(says_so
            && !self.rooms.tenant.only_reads()
            && self.rooms.reader.was_lost_at(&self.flow, document.version()).await?)
    }

    /// Writes the flow as it is: one version more, and what was lost on the last one is refused from now on.
    async fn fence(&mut self, document: Document) -> Result<(), Stop> {
        let attempt = self.attempt(&document, Plan::default());
        let text = document.text().to_owned();
        match self.put(&attempt, document, text).await? {
            // What is there now has to be read once more before anything is said of it.
            Put::Landed(_) => self.base = None,
            Put::NotThere { now, .. } if has_moved(now.version(), &attempt.base_version) => {
                self.base = Some(Base::Fresh(now));
            }
            Put::NotThere { why, .. } | Put::Refused(why) => return Err(Stop::BackOff(why)),
        }
        Ok(())
    }

    /// Tells what would be published, and ends the changes by that.
    async fn observe(&self, plan: Plan) -> Result<(), Stop> {
        let settlement = observed(plan);
        for ending in settlement.endings.iter().filter(|ending| ending.state == State::Discarded) {
            let reason = ending.reason.as_deref().unwrap_or_default();
            tracing::info!(flow.id = %self.flow, change.seq = ending.seq, change.reason = reason, "observed a change");
        }
        self.settle(settlement).await
    }

    /// Takes the changes that the turn is about.
    async fn take_changes(&mut self) -> Result<(), Stop> {
        let at_most = self.strain.fold_at_most();
        let Ready { mut changes, more } = self.rooms.reader.ready(&self.flow, at_most, FOLD_BYTES).await?;
        let (found, taken) = (changes.len(), together(&changes));
        changes.truncate(taken);
        self.changes = changes;
        self.more = more || taken < found;
        Ok(())
    }

    /// Drafts the publish: on the warm document if it may rest on one, else on one that is read now.
    async fn draft(&mut self, marks: &Arc<[Mark]>) -> Result<(Document, Draft), Stop> {
        let unusable = |error: &dyn std::error::Error| Stop::BackOff(error.to_string());
        let document = match self.base.take() {
            Some(Base::Warm(document)) => {
                let (document, drafted) = self.drafted(document, marks).await;
                let drafted = drafted.map_err(|error| unusable(&error))?;
                if drafted.only_publishes() {
                    return Ok((document, drafted));
                }
                let known = document.version().to_owned();
                self.read_past(&known).await?
            }
            Some(Base::Fresh(document)) => document,
            None => self.read().await?,
        };
        let (document, drafted) = self.drafted(document, marks).await;
        let drafted = drafted.map_err(|error| unusable(&error))?;
        // What goes out is vouched for by the version check of its PUT; nothing vouches for the rest.
        if !drafted.only_publishes()
            && let Some(known) = self.rooms.reader.last_published(&self.flow).await?
        {
            self.check_age(&document, &known)?;
        }
        Ok((document, drafted))
    }

    /// Drafts onto this document, which comes back with the draft.
    async fn drafted(
        &mut self,
        document: Document,
        marks: &Arc<[Mark]>,
    ) -> (Document, Result<Draft, AddressError>) {
        let marks = Arc::clone(marks);
        let drafted = self.decided(document.is_large(), move |changes| {
            let drafted = draft(&document, changes, &marks);
            (document, drafted)
        });
        let (document, drafted) = drafted.await;
        if let Ok(Draft { taken, .. }) = drafted
            && taken < self.changes.len()
        {
            self.changes.truncate(taken);
            self.more = true;
        }
        (document, drafted)
    }

    /// Decides something of the changes, [`aside`] if that is much to do.
    async fn decided<T: Send + 'static>(
        &mut self,
        is_much: bool,
        decide: impl FnOnce(&[Change]) -> T + Send + 'static,
    ) -> T {
        let changes = std::mem::take(&mut self.changes);
        let is_much = is_much || changes.len() >= MANY;
        let work = move || {
            let decided = decide(&changes);
            (changes, decided)
        };
        let (changes, decided) = if is_much { aside(work).await } else { work() };
        self.changes = changes;
        decided
    }

    async fn read(&mut self) -> Result<Document, Stop> {
        self.base = None;
        let text = self.rooms.tenant.read(&mut self.pass, &self.flow).await?;
        Document::read(text)
            .await
            .map_err(|error| Stop::BackOff(format!("flow `{}` cannot be read: {error}", self.flow)))
    }

    /// Reads the flow, which has had the version `known`.
    async fn read_past(&mut self, known: &str) -> Result<Document, Stop> {
        let now = self.read().await?;
        self.check_age(&now, known)?;
        Ok(now)
    }

    /// Stops on a document that is older than the version `known`: the tenant may be behind, and nothing
    /// true can be said by that. One that still shows it after some waits has another flow.
    fn check_age(&mut self, document: &Document, known: &str) -> Result<(), Stop> {
        if !is_older(document.version(), known) || self.strain.believes_older() {
            return Ok(());
        }
        Err(Stop::BackOff(format!(
            "the tenant shows version {} of flow `{}` though it has had version {known}",
            document.version(),
            self.flow
        )))
    }

    async fn marks(&self) -> Result<Arc<[Mark]>, Stop> {
        let mut nodes: Vec<_> = self.changes.iter().map(|change| &change.what.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        Ok(self.rooms.reader.marks(&self.flow, &nodes).await?.into())
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

    async fn record(&self, step: Step) -> Result<(), Stop> {
        match self.rooms.ledger.record(step).await? {
            Effect::Written { .. } | Effect::Acted(_) | Effect::Pruned { .. } => Ok(()),
            Effect::Stale => Err(Stop::Stale),
        }
    }
}
