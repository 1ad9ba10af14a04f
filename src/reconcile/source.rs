//! Asking a route's source what it says now, and having written what it has moved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::look::{Busy, Looker, Rest};
use super::moved::{self, moved};
use super::places::{At, Known, Page};
use crate::change::{Admission, Delivery, FlowId, NewChange, NodeId, Seen, Seq, Values, Verdict, Work};
use crate::config_api::ConfigApi;
use crate::http::shown;
use crate::journal::{JournalError, Read, Taken};
use crate::queue::Queue;
use crate::route::Reconciled;

/// The source of what comes of comparing.
const SOURCE: &str = "reconcile";
/// After so many URLs in a row that gave nothing the next pass goes on behind them.
const FAILURES_AT_MOST: usize = 5;
/// After so long a pass asks for nothing more, and the next one goes on behind it: a slow source is not to keep others
/// from being asked.
const ASKING_AT_MOST: Duration = Duration::from_secs(10);
/// For so long after a commit was taken, what is said without naming one may be from before it: the raw files of git
/// hosts are cached for five minutes (raw.githubusercontent.com: `max-age=300`).
const CACHED_FOR: SignedDuration = SignedDuration::from_secs(360);
/// How many bytes of answers are remembered in a pass; with more all are forgotten, and one may be asked for again.
const REMEMBERED_BYTES: usize = 32 * 1024 * 1024;

/// What asks sources, and brings what is to be written.
#[derive(Debug)]
pub(super) struct Asker<R> {
    pub(super) looker: Looker<R>,
    pub(super) api: ConfigApi,
    pub(super) queue: Queue,
}

/// How the nodes of a flow are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bringing {
    /// What moves is brought together, so that one update carries it.
    Together,
    /// Each is brought by itself.
    Alone,
}

/// Nodes of a flow that nobody works on.
#[derive(Debug, Default)]
struct Group {
    nodes: BTreeMap<NodeId, Known>,
    /// The changes of each.
    works: BTreeMap<NodeId, Work>,
}

/// What came of asking.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The places that were being worked on.
    pub(super) busy: BTreeMap<At, Busy>,
    /// Why something could not be had from the source, if so it was.
    pub(super) failure: Option<String>,
    /// The last place that was asked for, if there were more and the source gave nothing any more, or took too long.
    pub(super) stopped_at: Option<At>,
}

/// Something that is to be written to a node.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) node: NodeId,
    /// What is to be written.
    pub(super) values: Values,
    /// All that the source says for it.
    pub(super) says: Values,
    /// The change by which the route has last taken it.
    pub(super) taken: Option<Seq>,
}

/// What a source has said in a pass.
#[derive(Debug, Default)]
struct Answers {
    /// By their URLs; none for those that gave nothing.
    known: BTreeMap<String, Option<Arc<Values>>>,
    bytes: usize,
    failures_in_a_row: usize,
    failure: Option<String>,
    /// The last place that was asked for.
    last: Option<At>,
}

impl<R: Read> Asker<R> {
    /// Asks a route's source for these places, of which `known` reads what is known of them. Flows are taken one by one,
    /// and the nodes of each together or, where one may hold up the others, each alone.
    pub(super) async fn ask(
        &self,
        route: &Reconciled,
        places: BTreeSet<At>,
        known: impl Future<Output = Result<Page, JournalError>>,
        bringing: Bringing,
    ) -> Result<Asked, JournalError> {
        let mut asked = Asked::default();
        let mut groups: BTreeMap<(FlowId, Option<NodeId>), Group> = BTreeMap::new();
        // All of them before anything is asked for: what comes to a node from here on makes stale what is said by then.
        let mut quiet = BTreeMap::new();
        for (flow, node) in places {
            match self.looker.rest(route, &flow, &node).await? {
                Rest::Paused => {}
                Rest::Busy(why) => _ = asked.busy.insert((flow, node), why),
                Rest::Quiet(work) => _ = quiet.insert((flow, node), work),
            }
        }
        // Behind that: what a change has taken that came and ended before it must be known.
        for ((flow, node), known) in known.await?.places {
            let Some(work) = quiet.remove(&(flow.clone(), node.clone())) else { continue };
            let alone = (bringing == Bringing::Alone).then(|| node.clone());
            let group = groups.entry((flow, alone)).or_default();
            group.works.insert(node.clone(), work);
            group.nodes.insert(node, known);
        }
        let (mut answers, begun) = (Answers::default(), Instant::now());
        for ((flow, _), Group { nodes, works }) in groups {
            if answers.failures_in_a_row >= FAILURES_AT_MOST || begun.elapsed() >= ASKING_AT_MOST {
                asked.stopped_at = answers.last;
                break;
            }
            answers.last = nodes.keys().next_back().map(|node| (flow.clone(), node.clone()));
            let wanted = self.wanted(route, &flow, &nodes, &mut answers).await?;
            if self.bring(route, &flow, &works, wanted).await == Brought::Stale {
                let overtaken = |node| ((flow.clone(), node), Busy::Overtaken);
                asked.busy.extend(nodes.into_keys().map(overtaken));
            }
        }
        asked.failure = answers.failure;
        Ok(asked)
    }

    /// What the source has moved for the nodes of a flow.
    async fn wanted(
        &self,
        route: &Reconciled,
        flow: &FlowId,
        nodes: &BTreeMap<NodeId, Known>,
        answers: &mut Answers,
    ) -> Result<Vec<Wanted>, JournalError> {
        let mut wanted = Vec::new();
        for (node, known) in nodes {
            let url = route.url(flow, node);
            if may_be_behind(route, &url, known.taken.as_ref(), self.looker.clock.now()) {
                continue;
            }
            let Some(says) = self.says(route, &url, answers).await else { continue };
            let marks = self.looker.reader.marks(flow, &[node]).await?;
            let before = moved::Before { taken: known.taken.as_ref(), marks: &marks };
            if let Some(values) = moved(route.mode, &says, &before) {
                wanted.push(Wanted { node: node.clone(), values, says: (*says).clone(), taken: known.own });
            }
        }
        Ok(wanted)
    }

    /// What the source says at a URL, if it says something that fits.
    async fn says(&self, route: &Reconciled, url: &str, answers: &mut Answers) -> Option<Arc<Values>> {
        if let Some(known) = answers.known.get(url) {
            return known.clone();
        }
        let said = match self.api.fetch(url, &route.fetching.manner).await {
            Ok(answer) => {
                answers.failures_in_a_row = 0;
                let fits = route.fetching.read(&answer);
                fits.map_err(|mismatch| format!("{} gives what does not fit: {mismatch}", shown(url)))
            }
            Err(unavailable) => {
                answers.failures_in_a_row += 1;
                Err(unavailable.to_string())
            }
        };
        match said {
            Ok(values) => answers.remember(url, Some(Arc::new(values))),
            Err(why) => {
                answers.failure.get_or_insert(why);
                answers.remember(url, None)
            }
        }
    }

    /// Brings what is to be written to a flow, like any delivery, as long as what was seen of it stands.
    pub(super) async fn bring(
        &self,
        route: &Reconciled,
        flow: &FlowId,
        works: &BTreeMap<NodeId, Work>,
        wanted: Vec<Wanted>,
    ) -> Brought {
        if wanted.is_empty() {
            return Brought::Nothing;
        }
        let change = |wanted: Wanted| NewChange {
            route: Arc::clone(&route.route),
            flow: flow.clone(),
            values: Values::Taken {
                url: route.url(flow, &wanted.node),
                values: Box::new(wanted.values),
                taken: Box::new(wanted.says),
                seen: Seen {
                    work: works.get(&wanted.node).cloned().unwrap_or_default(),
                    taken: wanted.taken,
                },
            },
            node: wanted.node,
            mode: route.mode,
            order_key: None,
        };
        let changes: Vec<NewChange> = wanted.into_iter().map(change).collect();
        let (id, count) = (self.looker.clock.new_id(), changes.len());
        let delivery = Delivery {
            source: Arc::from(SOURCE),
            id: id.clone(),
            received_at: self.looker.clock.now(),
            verdict: Verdict::Changes(changes),
        };
        let admission = match self.queue.submit(delivery) {
            Ok(receipt) => receipt.committed().await.map_err(|error| error.to_string()),
            Err(refused) => Err(refused.to_string()),
        };
        match admission {
            Ok(Admission::Accepted { .. }) => {
                tracing::info!(
                    route.name = &*route.route,
                    flow.id = %flow,
                    delivery.id = id,
                    change.count = count,
                    "what comparing brought is accepted"
                );
                Brought::Accepted
            }
            Ok(Admission::Stale) => Brought::Stale,
            Ok(Admission::Duplicate | Admission::Rejected) => Brought::Nothing,
            Err(why) => {
                tracing::warn!(
                    route.name = &*route.route,
                    flow.id = %flow,
                    reconcile.reason = why,
                    "what comparing brought is not accepted; the next pass tries again"
                );
                Brought::Nothing
            }
        }
    }
}

/// Whether a source that is asked here may still say what it said before the last take. Only where that was of a
/// commit, and so at another URL: what is taken here once was said here.
fn may_be_behind(route: &Reconciled, url: &str, taken: Option<&Taken>, now: Timestamp) -> bool {
    let is_recent = |taken: &Taken| now.duration_since(taken.taken_at).abs() < CACHED_FOR;
    let is_of_a_commit = |taken: &&Taken| taken.url.as_deref() != Some(url);
    route.url.names_a_commit() && taken.filter(is_of_a_commit).is_some_and(is_recent)
}

/// What became of what was brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// It is on disk.
    Accepted,
    /// Something has come to one of the nodes meanwhile.
    Stale,
    /// There was nothing, or it was not taken.
    Nothing,
}

impl Answers {
    fn remember(&mut self, url: &str, values: Option<Arc<Values>>) -> Option<Arc<Values>> {
        let bytes = url.len() + values.as_ref().map_or(0, |values| values.weight());
        if self.bytes + bytes > REMEMBERED_BYTES {
            self.known.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.known.insert(url.to_owned(), values.clone());
        values
    }
}
