//! Looking at flows: one is read, compared with what was last applied to it, and what differs is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::drift::drift;
use crate::change::{FlowId, NodeId, Work, shorten};
use crate::clock::Clock;
use crate::flow::{Document, is_older};
use crate::journal::{Drift, Drifted, JournalError, Mark, Read, Step, Target};
use crate::queue::Ledger;
use crate::route::Reconciled;
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
/// Why a flow is not looked at that an operator has paused.
const PAUSED: &str = "it is paused";

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
    /// It was compared, or some nodes of it.
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
    /// The nodes that were compared, and their changes.
    pub(super) nodes: BTreeMap<NodeId, Work>,
    /// Why others were not, if there are such.
    pub(super) left: Option<String>,
}

/// Whether nobody works on a node, so that a route's source can be compared with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// It has had these changes.
    Quiet(Work),
    /// An operator has paused its flow.
    Paused,
    /// Somebody does, or will.
    Busy(Busy),
}

/// Why a route's source is not compared with a node now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    /// Changes of it are pending.
    Pending,
    /// Changes of the route itself wait for what they are to be, which is later than what would be written.
    Waiting,
    /// A change of it has come meanwhile.
    Overtaken,
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "changes of it are pending",
            Self::Waiting => "changes of it wait for values that cannot be fetched",
            Self::Overtaken => "a change of it has just come",
        })
    }
}

/// What stands in the journal for a node.
#[derive(Debug, PartialEq, Eq)]
struct Standing {
    work: Work,
    marks: Vec<Mark>,
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
        let Some(before) = self.standing(flow).await? else { return Ok(Look::Left(PAUSED.to_owned())) };
        if before.is_empty() {
            return Ok(Look::Left("nothing was applied to it yet".to_owned()));
        }
        if before.values().all(|standing| standing.work.is_pending) {
            return Ok(Look::Left(Busy::Pending.to_string()));
        }
        // Before it is read: other nodes may be published meanwhile.
        let known = self.reader.last_published(flow).await?;
        let document = match self.read(flow).await {
            Ok(document) => document,
            Err(Unread::This(why)) => return Ok(Look::Left(why)),
            Err(Unread::All(why)) => return Ok(Look::Closed(why)),
        };
        if self.is_behind(flow, &document, known.as_deref()) {
            return Ok(Look::Left("the tenant shows an older version than it has had".to_owned()));
        }
        let Some(after) = self.standing(flow).await? else { return Ok(Look::Left(PAUSED.to_owned())) };
        let (mut nodes, mut marks, mut left) = (BTreeMap::new(), BTreeMap::new(), None);
        for (node, standing) in before {
            // What was published while it was read is not in what was read.
            if standing.work.is_pending || after.get(&node) != Some(&standing) {
                left.get_or_insert_with(|| format!("changes come to its node `{}`", shorten(node.as_str())));
                continue;
            }
            nodes.insert(node.clone(), standing.work);
            marks.insert(node, standing.marks);
        }
        if nodes.is_empty() {
            return Ok(Look::Left(Busy::Overtaken.to_string()));
        }
        let mut drift = drift(&document, &marks);
        drift.truncate(DRIFT_AT_MOST);
        self.record(flow, marks.into_keys().collect(), &drift).await?;
        Ok(Look::Seen(Comparison { drift, nodes, left }))
    }

    /// What stands for the nodes of a flow that something was applied to; nothing while it is paused.
    async fn standing(&self, flow: &FlowId) -> Result<Option<BTreeMap<NodeId, Standing>>, JournalError> {
        if self.reader.is_paused(flow).await? {
            return Ok(None);
        }
        // The changes first: one that comes behind them shows the next time.
        let works = self.reader.works(flow).await?;
        let mut marks: BTreeMap<String, Vec<Mark>> = BTreeMap::new();
        for mark in self.reader.marks(flow, &works.keys().collect::<Vec<_>>()).await? {
            marks.entry(mark.node.clone()).or_default().push(mark);
        }
        let standing = |(node, work): (NodeId, Work)| {
            let marks = marks.remove(node.as_str()).unwrap_or_default();
            (node, Standing { work, marks })
        };
        Ok(Some(works.into_iter().map(standing).collect()))
    }

    /// Whether nobody works on a node. Changes of other routes that wait for their values do not count, for
    /// they may wait for ever: once they have them, what was seen here stands no more.
    pub(super) async fn rest(
        &self,
        route: &Reconciled,
        flow: &FlowId,
        node: &NodeId,
    ) -> Result<Rest, JournalError> {
        let work = self.reader.work(flow, node).await?;
        if self.reader.is_paused(flow).await? {
            return Ok(Rest::Paused);
        }
        if work.is_pending {
            return Ok(Rest::Busy(Busy::Pending));
        }
        let mut own = [Some(&route.route), route.twin.as_ref()].into_iter().flatten();
        if own.any(|route| work.thin.contains_key(&**route)) {
            return Ok(Rest::Busy(Busy::Waiting));
        }
        Ok(Rest::Quiet(work))
    }

    async fn read(&self, flow: &FlowId) -> Result<Document, Unread> {
        let mut pass = self.admitted().await?;
        let read = self.tenant.read(&mut pass, flow).await;
        drop(pass);
        match read {
            Ok(text) => Document::read(text).await.map_err(|error| Unread::This(error.to_string())),
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
    fn is_behind(&self, flow: &FlowId, document: &Document, known: Option<&str>) -> bool {
        let is_older = known.is_some_and(|known| is_older(document.version(), known));
        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_older || doubted.remove(flow) {
            doubted.remove(flow);
            return false;
        }
        if doubted.len() >= DOUBTED_AT_MOST {
            doubted.clear();
        }
        doubted.insert(flow.clone());
        true
    }

    /// Records what differs now in these nodes, in place of what did, and tells what is new of it.
    async fn record(&self, flow: &FlowId, nodes: Vec<NodeId>, found: &[Drift]) -> Result<(), JournalError> {
        let mut known = self.reader.drift_of(flow).await?;
        known.retain(|drifted| nodes.contains(&drifted.drift.node));
        if known.is_empty() && found.is_empty() {
            return Ok(());
        }
        let step = Step::Drift { flow: flow.clone(), nodes, found: found.to_vec() };
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
