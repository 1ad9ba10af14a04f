//! The journal in memory and the one in SQLite give the same answers to the same questions, whatever is done
//! to both: else the simulation would prove something of a journal that nobody has.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use flowhook::change::{
    Delivery, FlowId, Mode, NewChange, NodeId, OrderKey, Seen, Seq, State, Values, Variable, Verdict, Wanted,
};
use flowhook::journal::{
    Attempt, ChangeFilter, Chosen, Drift, Edit, Ending, Fetched, GateEnd, Journal, Location, Mark, Outcome,
    Plan, Reach, Read as _, Reader, Settlement, Step, Target, Verb, Write as _,
};
use jiff::{SignedDuration, Timestamp};

use crate::disk::{Disk, Moment};

const FLOWS: [&str; 2] = ["f1", "f2"];
const NODES: [&str; 2] = ["n1", "n2"];
const ROUTES: [&str; 2] = ["default", "other"];
const URLS: [&str; 2] = ["https://config.example/1", "https://config.example/2"];
/// How many ids of deliveries there are: few, so that they come again, in one commit too.
const IDS: u8 = 100;
/// How many runs, and how many commits in each.
const RUNS: u64 = 12;
const COMMITS: u64 = 80;

fn flow(id: &str) -> FlowId {
    FlowId::parse(id).expect("an id")
}

fn node(id: &str) -> NodeId {
    NodeId::parse(id).expect("an id")
}

/// Chance, and what it makes.
struct Maker {
    rng: Rng,
    now: Timestamp,
}

impl Maker {
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.rng.usize(..from.len())]
    }

    fn variables(&mut self) -> Vec<Variable> {
        let count = self.rng.usize(1..3);
        let variable = |_| Variable::new(self.pick(&["a", "b", "c"]), &self.rng.u8(..5).to_string());
        (0..count).map(variable).map(|variable| variable.expect("JSON")).collect()
    }

    /// Values of a mode, or a patch.
    fn known(&mut self, mode: Mode) -> Values {
        if mode != Mode::Patch {
            return Values::Known(self.variables());
        }
        let patch = format!(r#"{{"{}" : {}}}"#, self.pick(&["a", "b"]), self.rng.u8(..3));
        Values::Patch(serde_json::from_str(&patch).expect("JSON"))
    }

    fn order_key(&mut self) -> Option<OrderKey> {
        match self.rng.u8(..4) {
            0 => Some(OrderKey::Revision(self.rng.u64(..))),
            1 => Some(OrderKey::Time(self.now)),
            _ => None,
        }
    }

    /// What was seen of a place, rightly or not.
    fn seen(&mut self, disk: &Disk, route: &str, flow: &FlowId, node: &NodeId) -> Seen {
        let taken = disk.taken(route, None, usize::MAX);
        let taken = taken.iter().find(|taken| (&taken.flow, &taken.node) == (flow, node));
        let mut seen = Seen { work: disk.work(flow, node), taken: taken.map(|taken| taken.seq) };
        match self.rng.u8(..8) {
            0 => seen.work.last = seen.work.last.map(|last| last - 1),
            1 => seen.taken = seen.taken.map(|taken| taken - 1),
            2 => _ = seen.work.thin.pop_first(),
            _ => {}
        }
        seen
    }

    /// How many deliveries share a commit: mostly few, and at times more than one statement takes.
    fn group(&mut self) -> usize {
        match self.rng.u8(..16) {
            0..8 => 0,
            8..12 => 1,
            12..15 => self.rng.usize(2..12),
            _ => self.rng.usize(12..100),
        }
    }

    fn delivery(&mut self, disk: &Disk) -> Delivery {
        let verdict = if self.rng.u8(..8) == 0 {
            Verdict::Rejected { reason: "odd".to_owned(), body: Bytes::from_static(b"{}") }
        } else {
            Verdict::Changes((0..self.rng.usize(1..3)).map(|_| self.change(disk)).collect())
        };
        let id = format!("d{}", self.rng.u8(..IDS));
        Delivery { source: Arc::from(self.pick(&["one", "two"])), id, received_at: self.now, verdict }
    }

    fn change(&mut self, disk: &Disk) -> NewChange {
        let (route, flow, node) = (self.pick(&ROUTES), flow(self.pick(&FLOWS)), node(self.pick(&NODES)));
        let mode = [Mode::Merge, Mode::Merge, Mode::Replace, Mode::Patch][self.rng.usize(..4)];
        let values = match self.rng.u8(..8) {
            0 | 1 => Values::Fetch(self.pick(&URLS).to_owned()),
            2 => Values::Taken {
                url: self.pick(&URLS).to_owned(),
                values: Box::new(self.known(mode)),
                taken: Box::new(self.known(mode)),
                seen: self.seen(disk, route, &flow, &node),
            },
            _ => self.known(mode),
        };
        NewChange { route: Arc::from(route), flow, node, mode, values, order_key: self.order_key() }
    }

    fn seqs(&mut self, disk: &Disk) -> Vec<Seq> {
        let all: Vec<Seq> = disk.changes.keys().copied().collect();
        let some = (0..self.rng.usize(..4)).filter_map(|_| self.rng.choice(&all).copied());
        some.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn endings(&mut self, disk: &Disk, flow: &FlowId) -> Vec<Ending> {
        let states = [State::Published, State::Unchanged, State::Superseded, State::Failed];
        let mut seqs = self.seqs(disk);
        seqs.retain(|seq| disk.changes[seq].change.what.flow == *flow);
        let ending = |seq| Ending {
            seq,
            state: states[self.rng.usize(..states.len())],
            reason: self.rng.bool().then(|| "because".to_owned()),
        };
        seqs.into_iter().map(ending).collect()
    }

    fn target(&mut self) -> Target {
        match self.pick(&["*", "a", "b", "{}", ".a"]) {
            "*" => Target::List,
            "{}" => Target::Configuration,
            ".a" => Target::Member("a".to_owned()),
            name => Target::Variable(name.to_owned()),
        }
    }

    fn mark(&mut self) -> Mark {
        let keys = ROUTES.iter().filter_map(|route| Some(((*route).to_owned(), self.order_key()?)));
        Mark {
            keys: keys.collect(),
            order_key: self.order_key(),
            node: self.pick(&NODES).to_owned(),
            target: self.target(),
            seq: self.rng.i64(1..50),
            route: self.pick(&ROUTES).to_owned(),
            value: self.rng.bool().then(|| "1.10".to_owned()),
        }
    }

    fn drift(&mut self) -> Step {
        let drift = |this: &mut Self| Drift {
            node: node(this.pick(&NODES)),
            target: this.target(),
            ours: this.rng.bool().then(|| this.rng.u8(..3).to_string()),
            there: this.rng.bool().then(|| this.rng.u8(..3).to_string()),
            route: this.pick(&ROUTES).to_owned(),
        };
        let mut found: Vec<Drift> = (0..self.rng.usize(..4)).map(|_| drift(self)).collect();
        found.sort_by_key(|drift| (drift.node.clone(), drift.target.clone()));
        found.dedup_by_key(|drift| (drift.node.clone(), drift.target.clone()));
        let mut nodes = NODES.map(node).to_vec();
        nodes.retain(|node| found.iter().any(|drift| drift.node == *node) || self.rng.bool());
        Step::Drift { flow: flow(self.pick(&FLOWS)), nodes, found }
    }

    fn attempt(&mut self, disk: &Disk) -> Option<Step> {
        let flow = flow(self.pick(&FLOWS));
        if disk.open_attempt(&flow).is_some() {
            return None;
        }
        let endings = self.endings(disk, &flow);
        let edits = endings.iter().filter_map(|ending| self.edit(ending.seq, disk)).collect();
        let plan = Plan { edits, marks: vec![self.mark()], endings };
        let id = format!("{:032x}", self.rng.u128(..));
        Some(Step::Attempt(Box::new(Attempt { id, flow, base_version: "14".to_owned(), plan })))
    }

    fn edit(&mut self, seq: Seq, disk: &Disk) -> Option<Edit> {
        let raw = |json: &str| serde_json::value::RawValue::from_string(json.to_owned()).ok();
        let own_list = match &disk.changes[&seq].change.what.values {
            Values::Known(variables) => serde_json::value::to_raw_value(variables).ok(),
            Values::Patch(_) | Values::Fetch(_) | Values::Undo(_) | Values::Taken { .. } => raw("[ 7 ]"),
        };
        let (target, value) = match self.rng.u8(..6) {
            0 => return None,
            1 => (Target::List, own_list),
            2 => (Target::List, raw("[]")),
            3 => (Target::Variable("b".to_owned()), None),
            4 => (Target::Member("a".to_owned()), raw("2")),
            _ => (Target::Variable("a".to_owned()), raw("1.0")),
        };
        let previous = if self.rng.bool() { raw(r#"[ {"name": "c","value":1} ]"#) } else { None };
        let was_valueless = self.rng.u8(..8) == 0;
        Some(Edit { seq, node: "n1".to_owned(), target, previous, was_valueless, value })
    }

    fn settle(&mut self, disk: &Disk) -> Step {
        let flow = flow(self.pick(&FLOWS));
        let open = disk.open_attempt(&flow).filter(|_| self.rng.u8(..4) > 0);
        let outcomes = [Outcome::Published, Outcome::Refused, Outcome::Lost];
        let outcome = outcomes[self.rng.usize(..outcomes.len())];
        let endings = match open {
            Some(attempt) if outcome == Outcome::Published => attempt.plan.endings.clone(),
            Some(_) => Vec::new(),
            None => self.endings(disk, &flow),
        };
        let attempt = open.map(|attempt| (attempt.id.clone(), outcome));
        let marks = if self.rng.bool() { vec![self.mark()] } else { Vec::new() };
        let version = self.rng.bool().then(|| "15".to_owned());
        Step::Settle { flow, settlement: Settlement { attempt, endings, version, marks } }
    }

    fn act(&mut self, disk: &Disk) -> Step {
        let verb = if self.rng.bool() { Verb::Retry } else { Verb::Discard };
        let chosen = if self.rng.bool() {
            Chosen::One(self.seqs(disk).first().copied().unwrap_or(99))
        } else {
            let states = [None, Some(State::Pending), Some(State::Failed)];
            Chosen::Filter(ChangeFilter {
                state: states[self.rng.usize(..states.len())],
                flow: self.rng.bool().then(|| flow(self.pick(&FLOWS))),
                source: self.rng.bool().then(|| "one".to_owned()),
                since: self.rng.bool().then(|| self.now - SignedDuration::from_secs(self.rng.i64(0..600))),
                before: self.rng.bool().then(|| self.rng.i64(1..60)),
                limit: self.rng.u32(1..5),
            })
        };
        Step::Act { verb, chosen }
    }

    fn pause(&mut self) -> Step {
        let reach = match self.pick(&["f1", "f2", "*"]) {
            "*" => Reach::AllFlows,
            id => Reach::Flow(flow(id)),
        };
        // Rather resumed than paused: what is paused takes no attempt.
        if self.rng.u8(..3) == 0 {
            return Step::Pause { reach, reason: self.rng.bool().then(|| "because".to_owned()) };
        }
        Step::Resume { reach }
    }

    fn wanted(&mut self) -> Wanted {
        Wanted { route: Arc::from(self.pick(&ROUTES)), url: self.pick(&URLS).to_owned() }
    }

    fn step(&mut self, disk: &Disk) -> Step {
        match self.rng.u8(..13) {
            0..3 => self.attempt(disk).unwrap_or(Step::Probe),
            3..6 => self.settle(disk),
            6 => {
                Step::Hold { seqs: self.seqs(disk), reason: "held".to_owned(), for_ms: self.rng.i64(0..900) }
            }
            7 => {
                let fetched = match self.rng.u8(..4) {
                    0 => Fetched::Values(self.known(Mode::Merge)),
                    3 => Fetched::Values(self.known(Mode::Patch)),
                    1 => Fetched::Unfit("unfit".to_owned()),
                    _ => Fetched::Nothing("nothing".to_owned()),
                };
                Step::Fetched { wanted: self.wanted(), up_to: self.rng.i64(1..60), fetched }
            }
            8 => match self.rng.u8(..3) {
                0 => Step::Gate(GateEnd { until: self.now, reason: "429".to_owned() }),
                1 => Step::Prune {
                    before: self.now - SignedDuration::from_secs(self.rng.i64(0..900)),
                    at_most: self.rng.u32(1..9),
                },
                _ => Step::Probe,
            },
            9 => self.act(disk),
            10 => Step::Rollback { seqs: [self.seqs(disk), self.seqs(disk)].concat() },
            11 => self.drift(),
            _ => self.pause(),
        }
    }
}

/// Some moments up to now.
fn moments(now: Timestamp) -> impl Iterator<Item = Timestamp> {
    [0, 60, 600].into_iter().map(move |seconds| now - SignedDuration::from_secs(seconds))
}

/// Everything that thin changes can wait for.
fn all_wanted() -> impl Iterator<Item = Wanted> {
    let wanted = |route: &str, url: &str| Wanted { route: Arc::from(route), url: url.to_owned() };
    ROUTES.into_iter().flat_map(move |route| URLS.map(|url| wanted(route, url)))
}

/// Everything that one can ask, and what is said to it.
fn said_by_disk(disk: &Disk, now: Timestamp) -> Vec<String> {
    let mut said = Vec::new();
    for flow in FLOWS.map(flow) {
        for (at_most, bytes) in [(100, usize::MAX), (2, usize::MAX), (100, 60)] {
            said.push(format!("{:?}", disk.ready(&flow, at_most, bytes)));
        }
        for nodes in [&NODES[..1], &NODES[..]] {
            let marks = Vec::from_iter(nodes.iter().flat_map(|at| disk.marks(&flow, &node(at))));
            said.push(format!("{marks:?}"));
        }
        said.push(format!("{:?} {}", disk.outset(&flow), disk.is_paused(&flow)));
        said.push(format!("{:?}", disk.works(&flow)));
        said.extend(NODES.iter().map(|at| format!("{:?}", disk.work(&flow, &node(at)))));
        said.push(format!("{:?} {:?}", disk.drift_of(&flow), disk.marked_flows(Some(&flow), 9)));
        let behind = (&flow, &node(NODES[0]));
        said.extend(ROUTES.map(|route| format!("{:?}", disk.taken(route, Some(behind), 9))));
        let target = Target::Variable("a".to_owned());
        said.push(format!("{:?}", disk.drift(Some((behind.0, behind.1, &target)), 2)));
        said.push(format!("{:?}", disk.last_published(&flow)));
        said.extend(["14", "15"].map(|version| disk.was_lost_at(&flow, version).to_string()));
        said.extend(moments(now).map(|since| disk.others_were_served(&flow, since).to_string()));
    }
    said.extend(all_wanted().map(|wanted| format!("{:?}", disk.waiting_for(&wanted))));
    said.extend(ROUTES.map(|route| format!("{:?}", disk.taken(route, None, 3))));
    said.push(format!("{:?} {:?}", disk.drift(None, 3), disk.marked_flows(None, 1)));
    said.push(format!("{:?} {} {:?}", disk.gate, disk.pending_count(), disk.pending_tally()));
    said.push(format!("{:?}", disk.flows_with_work()));
    for (seq, row) in disk.changes.iter().rev() {
        let version = row.version.as_deref().unwrap_or_default();
        said.push(format!("{seq} {} {} {:?} {version}", row.delivery, row.state.as_str(), disk.reason(row)));
    }
    said
}

async fn said_by_sqlite(reader: &Reader, now: Timestamp) -> Vec<String> {
    let mut said = Vec::new();
    for flow in FLOWS.map(flow) {
        for (at_most, bytes) in [(100, usize::MAX), (2, usize::MAX), (100, 60)] {
            said.push(format!("{:?}", reader.ready(&flow, at_most, bytes).await.expect("read")));
        }
        for nodes in [&NODES[..1], &NODES[..]] {
            let nodes = Vec::from_iter(nodes.iter().map(|at| node(at)));
            let marks = reader.marks(&flow, &Vec::from_iter(&nodes)).await.expect("read");
            said.push(format!("{marks:?}"));
        }
        let is_paused = reader.is_paused(&flow).await.expect("read");
        said.push(format!("{:?} {is_paused}", reader.outset(&flow).await.expect("read")));
        said.push(format!("{:?}", reader.works(&flow).await.expect("read")));
        for at in NODES {
            said.push(format!("{:?}", reader.work(&flow, &node(at)).await.expect("read")));
        }
        let drift = reader.drift_of(&flow).await.expect("read");
        said.push(format!("{drift:?} {:?}", reader.marked_flows(Some(&flow), 9).await.expect("read")));
        let behind = (&flow, &node(NODES[0]));
        for route in ROUTES {
            said.push(format!("{:?}", reader.taken(route, Some(behind), 9).await.expect("read")));
        }
        let target = Target::Variable("a".to_owned());
        let behind = Some((behind.0, behind.1, &target));
        said.push(format!("{:?}", reader.drift(behind, 2).await.expect("read")));
        said.push(format!("{:?}", reader.last_published(&flow).await.expect("read")));
        for version in ["14", "15"] {
            said.push(reader.was_lost_at(&flow, version).await.expect("read").to_string());
        }
        for since in moments(now) {
            said.push(reader.others_were_served(&flow, since).await.expect("read").to_string());
        }
    }
    for wanted in all_wanted() {
        said.push(format!("{:?}", reader.waiting_for(&wanted).await.expect("read")));
    }
    for route in ROUTES {
        said.push(format!("{:?}", reader.taken(route, None, 3).await.expect("read")));
    }
    let drift = reader.drift(None, 3).await.expect("read");
    said.push(format!("{drift:?} {:?}", reader.marked_flows(None, 1).await.expect("read")));
    let gate = reader.gate().await.expect("read");
    let tally = reader.pending();
    said.push(format!("{gate:?} {} {tally:?}", tally.total()));
    let flows: BTreeSet<_> = reader.flows_with_work().await.expect("read").into_iter().collect();
    said.push(format!("{flows:?}"));
    let all = ChangeFilter { limit: 1000, ..ChangeFilter::default() };
    let changes = reader.changes(&all).await.expect("read");
    let listed = changes.iter().filter(|change| change.state == "pending");
    let listed: Vec<_> = listed.map(|change| FlowId::parse(&change.flow).expect("an id")).collect();
    assert_eq!(tally, listed.iter().collect(), "what is known in memory is what is in the file");
    for change in changes {
        let version = change.version.as_ref().map_or("", |version| version.get());
        said.push(format!(
            "{} {} {} {:?} {version}",
            change.seq, change.delivery, change.state, change.reason
        ));
    }
    said
}

#[tokio::test]
async fn the_journal_in_memory_says_what_the_one_in_sqlite_says() {
    for seed in 0..RUNS {
        let folder = tempfile::tempdir().expect("a folder");
        let location = Location::sqlite(folder.path().join("journal.db"));
        let Journal { mut writer, reader } = Journal::open(&location).await.expect("a new journal");
        let mut disk = Disk::default();
        let now = Timestamp::from_millisecond(1_795_334_400_000).expect("a time");
        let mut maker = Maker { rng: Rng::with_seed(seed), now };
        for commit in 0..COMMITS {
            maker.now += SignedDuration::from_secs(maker.rng.i64(0..30));
            let moment = Moment { wall: maker.now, elapsed: Duration::ZERO };
            let step = maker.step(&disk);
            let deliveries: Vec<_> = (0..maker.group()).map(|_| maker.delivery(&disk)).collect();
            let wanted: Vec<&Delivery> = deliveries.iter().collect();
            let committed = writer.commit(maker.now, &[&step], &wanted).await.expect("a commit");
            let effect = disk.step(&step, moment);
            let admitted: Vec<_> = deliveries.iter().map(|delivery| disk.admit(delivery, moment)).collect();
            let at = format!("run {seed}, commit {commit}: {step:?}, {deliveries:?}");
            assert_eq!(committed.effects, [effect], "{at}");
            assert_eq!(committed.admitted, admitted, "{at}");
            assert_eq!(said_by_sqlite(&reader, maker.now).await, said_by_disk(&disk, maker.now), "{at}");
        }
        reader.close().await;
        writer.close().await;
    }
}
