//! Looking at flows: one is read, compared with what was last applied to it, and what differs is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::drift::drift;
use crate::change::{FlowId, NodeId, Seq, shorten};
use crate::clock::Clock;
use crate::flow::{Document, is_older};
use crate::journal::{Drift, Drifted, JournalError, Mark, Read, Step, Target};
use crate::queue::Ledger;
use crate::tenant::{Pass, Tenant, Wait};

/// How soon a look asks again for a place at the tenant, where lanes have them all, and how often.
const ADMIT_AGAIN: Duration = Duration::from_secs(1);
const ADMIT_TRIES: usize = 20;
/// How many flows are remembered of which the tenant has shown an older version than it has had.
const DOUBTED_AT_MOST: usize = 1000;
/// How many of the targets of a flow that differ are recorded: all of them are one commit, which others wait for.
const DRIFT_AT_MOST: usize = 1000;
/// How many of the targets that differ a line of the log names.
const NAMED: usize = 5;

/// What looks at flows. Clones share the one turn there is.
#[derive(Clone, Debug)]
pub(super) struct Looker<R> {
    pub(super) tenant: Arc<Tenant>,
    pub(super) reader: R,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    /// One read at a time, whoever wants it: lanes have something to publish.
    turn: Arc<Semaphore>,
    /// The flows of which the tenant last showed an older version than it has had. It may be behind; one that still
    /// shows it at the next look has another flow.
    doubted: Arc<Mutex<BTreeSet<FlowId>>>,
}

/// What a look at a flow brought.
#[derive(Debug)]
pub(super) enum Look {
    /// It was compared.
    Seen(Comparison),
    /// It could not be, for this reason; the next look tries again.
    Left(String),
    /// No flow can be read now, for this reason.
    Closed(String),
}

/// A flow as it was found.
#[derive(Debug)]
pub(super) struct Comparison {
    /// What does not hold what was last applied.
    pub(super) drift: Vec<Drift>,
    /// The flow's last change when it was looked at.
    pub(super) last: Option<Seq>,
}

/// Whether a flow is at rest, so that what it holds can be compared with what was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Since its last change, if it had any.
    Since(Option<Seq>),
    /// An operator has paused it.
    Paused,
    /// Changes of it are pending.
    Pending,
}

/// What stands in the journal for a flow that nobody works on.
#[derive(Debug, PartialEq, Eq)]
struct Standing {
    last: Option<Seq>,
    nodes: BTreeMap<NodeId, Vec<Mark>>,
}

/// Why a flow was not read.
enum Unread {
    /// It is this flow.
    This(String),
    /// It is the whole tenant.
    All(String),
}

impl<R: Read> Looker<R> {
    pub(super) fn new(tenant: Arc<Tenant>, reader: R, ledger: Ledger, clock: Clock) -> Self {
        let (turn, doubted) = (Arc::new(Semaphore::new(1)), Arc::default());
        Self { tenant, reader, ledger, clock, turn, doubted }
    }

    /// Looks at a flow, and records what it finds.
    pub(super) async fn look(&self, flow: &FlowId) -> Result<Look, JournalError> {
        let _turn = self.turn.acquire().await;
        let before = match self.standing(flow).await? {
            Ok(standing) => standing,
            Err(why) => return Ok(Look::Left(why)),
        };
        if before.nodes.is_empty() {
            return Ok(Look::Left("nothing was applied to it yet".to_owned()));
        }
        let document = match self.read(flow).await {
            Ok(document) => document,
            Err(Unread::This(why)) => return Ok(Look::Left(why)),
            Err(Unread::All(why)) => return Ok(Look::Closed(why)),
        };
        if self.is_behind(flow, &document).await? {
            return Ok(Look::Left("the tenant shows an older version than it has had".to_owned()));
        }
        // What was published while it was read is not in what was read.
        if self.standing(flow).await?.as_ref() != Ok(&before) {
            return Ok(Look::Left("a change of it has just come".to_owned()));
        }
        let mut drift = drift(&document, &before.nodes);
        drift.truncate(DRIFT_AT_MOST);
        self.record(flow, &drift).await?;
        Ok(Look::Seen(Comparison { drift, last: before.last }))
    }

    /// What stands for a flow that nobody works on; else why not.
    async fn standing(&self, flow: &FlowId) -> Result<Result<Standing, String>, JournalError> {
        let last = match self.rest(flow).await? {
            Rest::Since(last) => last,
            Rest::Paused => return Ok(Err("it is paused".to_owned())),
            Rest::Pending => return Ok(Err("changes of it are pending".to_owned())),
        };
        let mut nodes = BTreeMap::new();
        for node in self.reader.marked_nodes(flow).await? {
            let marks = self.reader.marks(flow, &node).await?;
            nodes.insert(node, marks);
        }
        Ok(Ok(Standing { last, nodes }))
    }

    /// Whether nobody works on a flow.
    pub(super) async fn rest(&self, flow: &FlowId) -> Result<Rest, JournalError> {
        // The last change first: what comes behind it shows as another one.
        let last = self.reader.last_change(flow).await?;
        if self.reader.is_paused(flow).await? {
            return Ok(Rest::Paused);
        }
        if self.reader.has_pending(flow).await? {
            return Ok(Rest::Pending);
        }
        Ok(Rest::Since(last))
    }

    async fn read(&self, flow: &FlowId) -> Result<Document, Unread> {
        let mut pass = self.admitted().await?;
        let read = self.tenant.read(&mut pass, flow).await;
        drop(pass);
        match read {
            Ok(text) => Document::parse(text).map_err(|error| Unread::This(error.to_string())),
            Err(failure) => match self.tenant.gate().closure() {
                None => Err(Unread::This(failure.message)),
                Some(closure) => {
                    // A commit that fails has been logged; a restart would not know of the closure.
                    _ = self.ledger.record(Step::Gate(closure.end(self.clock.now()))).await;
                    Err(Unread::All(closure.to_string()))
                }
            },
        }
    }

    /// Leave to read. Whoever waits for a closed gate to open does so in a lane.
    async fn admitted(&self) -> Result<Pass, Unread> {
        for _try in 0..ADMIT_TRIES {
            match self.tenant.gate().admit() {
                Ok(pass) => return Ok(pass),
                Err(Wait::Until(_)) => break,
                // Asked for again, not awaited: the news that a place is free is for the lanes.
                Err(Wait::ForOthers) => tokio::time::sleep(ADMIT_AGAIN).await,
            }
        }
        let closure = self.tenant.gate().closure();
        Err(Unread::All(closure.map_or_else(
            || "the lanes have all places at the tenant".to_owned(),
            |closure| closure.to_string(),
        )))
    }

    /// Whether the tenant shows what is older than what it has had, and did not do so at the last look.
    async fn is_behind(&self, flow: &FlowId, document: &Document) -> Result<bool, JournalError> {
        let known = self.reader.last_published(flow).await?;
        let is_older = known.is_some_and(|known| is_older(document.version(), &known));
        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_older || doubted.remove(flow) {
            doubted.remove(flow);
            return Ok(false);
        }
        if doubted.len() >= DOUBTED_AT_MOST {
            doubted.clear();
        }
        doubted.insert(flow.clone());
        Ok(true)
    }

    /// Records what differs now, in place of what did, and tells what is new of it.
    async fn record(&self, flow: &FlowId, found: &[Drift]) -> Result<(), JournalError> {
        let known = self.reader.drift_of(flow).await?;
        if known.is_empty() && found.is_empty() {
            return Ok(());
        }
        let step = Step::Drift { flow: flow.clone(), found: found.to_vec() };
        // A commit that fails has been logged; the next look records it.
        if self.ledger.record(step).await.is_ok() {
            tell(flow, &known, found);
        }
        Ok(())
    }
}

/// Tells what has begun to differ, and what has ceased to.
fn tell(flow: &FlowId, known: &[Drifted], found: &[Drift]) {
    let place = |drift: &Drift| (drift.node.clone(), drift.target.clone());
    let before: BTreeSet<_> = known.iter().map(|drifted| place(&drifted.drift)).collect();
    let now: BTreeSet<_> = found.iter().map(place).collect();
    let named = |places: Vec<&(NodeId, Target)>| {
        let line =
            |(node, target): &&(NodeId, Target)| format!("{} {}", shorten(node.as_str()), word(target));
        places.iter().take(NAMED).map(line).collect::<Vec<_>>().join(", ")
    };
    let appeared: Vec<_> = now.difference(&before).collect();
    if !appeared.is_empty() {
        tracing::warn!(
            flow.id = %flow,
            drift.count = appeared.len(),
            drift.first = named(appeared),
            "a flow does not hold what was last applied to it: a person or a rollback did it; see `flowhook drift`"
        );
    }
    let gone: Vec<_> = before.difference(&now).collect();
    if !gone.is_empty() {
        tracing::info!(
            flow.id = %flow,
            drift.count = gone.len(),
            drift.first = named(gone),
            "a flow holds again what was last applied to it"
        );
    }
}

/// What a target is called where people read it.
fn word(target: &Target) -> String {
    match target {
        Target::Variable(name) => shorten(name),
        Target::Member(name) => format!("configuration.{}", shorten(name)),
        Target::Configuration => "configuration".to_owned(),
        Target::List => "variables".to_owned(),
    }
}
