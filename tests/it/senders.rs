//! Configuration systems that keep sending to a service that comes and goes, and what must be true of it
//! afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use flowhook::sandbox::{By, Record, SAMPLE_NODE, Sandbox, sample_flow};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::patience::PATIENCE;
use crate::program::{Addresses, WEBHOOK_SECRET, client, fail, signed_by};

/// How many systems send to each flow.
const SENDERS_PER_FLOW: usize = 2;
/// How long a sender waits before it sends the same again.
const RETRY_AFTER: Duration = Duration::from_millis(10);
/// How long a sender rests between two deliveries, so that not every change is overtaken by the next.
const REST: Duration = Duration::from_millis(10);
/// One delivery in so many is late, and after one in so many its sender takes a nap: so that some arrive alone
/// after newer ones were published.
const ONE_IN: u32 = 6;
const NAP_MS: std::ops::RangeInclusive<u64> = 100..=400;
/// How long one delivery may take, the restarts included.
const DELIVERED_WITHIN: Duration = PATIENCE;

/// A delivery that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) id: String,
    pub(crate) flow: String,
    /// Its number among those of its flow: the later, the greater. All of its values tell it.
    pub(crate) number: u64,
}

/// Senders at work.
pub(crate) struct Load {
    address: watch::Sender<Option<Addresses>>,
    secret: watch::Sender<&'static str>,
    acknowledged: watch::Receiver<usize>,
    enough: Arc<AtomicBool>,
    senders: JoinSet<Vec<Acknowledged>>,
    /// Answers that were no acknowledgement, by status; 0 for none at all.
    refusals: Arc<std::sync::Mutex<BTreeMap<u16, usize>>>,
}

/// The flows of a load.
pub(crate) fn flows(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("flow-{at}")).collect()
}

/// Puts them into the tenant.
pub(crate) fn add_flows(tenant: &Sandbox, flows: &[String]) {
    for flow in flows {
        tenant.add_flow(flow, &sample_flow(flow, "Under load")).expect("the sample is a flow");
    }
}

/// The event that brings a number to a flow, made at that time.
pub(crate) fn event(flow: &str, timestamp: Timestamp, number: u64) -> String {
    format!(
        r#"{{"type":"config.updated","timestamp":"{timestamp}","data":{{"flow_id":"{flow}","node_id":"{SAMPLE_NODE}","config":{{"routing_priority":"p{number}","queue_target":"q{number}","max_wait_time_seconds":{number}}}}}}}"#
    )
}

struct Sender {
    flow: String,
    name: String,
    numbers: Arc<AtomicU64>,
    rng: fastrand::Rng,
    epoch: Timestamp,
    address: watch::Receiver<Option<Addresses>>,
    secret: watch::Receiver<&'static str>,
    acknowledged: watch::Sender<usize>,
    enough: Arc<AtomicBool>,
    refusals: Arc<std::sync::Mutex<BTreeMap<u16, usize>>>,
}

impl Load {
    /// Senders to each of the flows, who wait to be told where the service is.
    pub(crate) fn begin(flows: &[String], rng: &mut fastrand::Rng) -> Self {
        let (address, _) = watch::channel(None);
        let (secret, _) = watch::channel(WEBHOOK_SECRET);
        let (count, acknowledged) = watch::channel(0);
        let enough = Arc::new(AtomicBool::new(false));
        let refusals = Arc::default();
        // Far enough in the past that no number's time is ahead of ours.
        let epoch = Timestamp::now() - Duration::from_secs(3600);
        let mut senders = JoinSet::new();
        for flow in flows {
            let numbers = Arc::new(AtomicU64::new(0));
            for at in 0..SENDERS_PER_FLOW {
                let sender = Sender {
                    flow: flow.clone(),
                    name: format!("{flow}-s{at}"),
                    numbers: Arc::clone(&numbers),
                    rng: rng.fork(),
                    epoch,
                    address: address.subscribe(),
                    secret: secret.subscribe(),
                    acknowledged: count.clone(),
                    enough: Arc::clone(&enough),
                    refusals: Arc::clone(&refusals),
                };
                senders.spawn(sender.send());
            }
        }
        Self { address, secret, acknowledged, enough, senders, refusals }
    }

    /// Has the senders sign with this secret from their next attempt on.
    pub(crate) fn sign_with(&self, secret: &'static str) {
        self.secret.send_replace(secret);
    }

    /// Tells the senders where the service is now.
    pub(crate) fn send_to(&self, address: Addresses) {
        self.address.send_replace(Some(address));
    }

    /// How many deliveries were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        *self.acknowledged.borrow()
    }

    /// Waits for so many acknowledgements more.
    pub(crate) async fn more(&mut self, count: usize) {
        let wanted = self.acknowledged() + count;
        let met = self.acknowledged.wait_for(|&count| count >= wanted);
        tokio::time::timeout(PATIENCE, met).await.expect("they come in time").expect("there are senders");
    }

    /// Lets every sender finish the delivery that it is about; all acknowledged ones, and the refusals.
    pub(crate) async fn end(self) -> (Vec<Acknowledged>, BTreeMap<u16, usize>) {
        self.enough.store(true, Ordering::Relaxed);
        let all = self.senders.join_all().await.into_iter().flatten().collect();
        let refusals = self.refusals.lock().expect("nobody panicked with it").clone();
        (all, refusals)
    }
}

impl Sender {
    async fn send(mut self) -> Vec<Acknowledged> {
        let http = client();
        let mut acknowledged = Vec::new();
        while !self.enough.load(Ordering::Relaxed) {
            let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
            let id = format!("{}-{number}", self.name);
            let body = event(&self.flow, self.epoch + Duration::from_millis(number), number);
            self.sometimes_nap().await;
            tokio::time::timeout(DELIVERED_WITHIN, self.deliver(&http, &id, &body))
                .await
                .unwrap_or_else(|_| fail(&format!("{id} was not acknowledged in time")));
            acknowledged.push(Acknowledged { id, flow: self.flow.clone(), number });
            self.acknowledged.send_modify(|count| *count += 1);
            tokio::time::sleep(REST).await;
            self.sometimes_nap().await;
        }
        acknowledged
    }

    async fn sometimes_nap(&mut self) {
        if self.rng.u32(0..ONE_IN) == 0 {
            tokio::time::sleep(Duration::from_millis(self.rng.u64(NAP_MS))).await;
        }
    }

    /// Sends it again and again, under one id, until it is acknowledged.
    async fn deliver(&mut self, http: &reqwest::Client, id: &str, body: &str) {
        loop {
            let there = *self.address.wait_for(Option::is_some).await.expect("the load goes on");
            let url = format!("http://{}/hooks/config", there.expect("it is some").public);
            let headers = signed_by(*self.secret.borrow(), id, Timestamp::now(), body);
            let sent = http.post(url).headers(headers).body(body.to_owned()).send().await;
            let status = sent.map_or(0, |answer| answer.status().as_u16());
            if matches!(status, 200 | 202) {
                return;
            }
            *self.refusals.lock().expect("nobody panics with it").entry(status).or_default() += 1;
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }
}

/// What a flow shows at one version: the number that its variables tell, all the same one.
fn shown(document: &str) -> u64 {
    let document: Value = serde_json::from_str(document).expect("a flow is JSON");
    let nodes = document["flow"]["nodes"].as_array().expect("a flow has nodes");
    let node = nodes.iter().find(|node| node["id"] == SAMPLE_NODE).expect("the node is there");
    let variables = node["configuration"]["variables"].as_array().expect("it has variables");
    let value = |name: &str| {
        let found = variables.iter().find(|variable| variable["name"] == name);
        &found.expect("the variable is there")["value"]
    };
    if value("routing_priority") == "normal" {
        return 0; // nothing was published yet
    }
    let number = value("max_wait_time_seconds").as_u64().expect("a number");
    assert_eq!(value("routing_priority"), &format!("p{number}"), "half a change was published");
    assert_eq!(value("queue_target"), &format!("q{number}"), "half a change was published");
    number
}

/// A flow's life: what each version showed, and what our PUTs brought.
#[derive(Default)]
struct Life {
    shown: BTreeMap<u64, u64>,
    brought: Vec<u64>,
}

fn lives(record: &Record) -> BTreeMap<&str, Life> {
    let mut lives: BTreeMap<&str, Life> = BTreeMap::new();
    for commit in &record.commits {
        let life = lives.entry(&commit.flow).or_default();
        let number = shown(&commit.stored);
        life.shown.insert(commit.version.parse().expect("a number"), number);
        if commit.by != By::Human {
            life.brought.push(number);
        }
    }
    lives
}

/// What a check of the end counted.
#[derive(Default)]
pub(crate) struct Figures {
    changes: usize,
    /// How many changes ended in each state.
    endings: BTreeMap<String, usize>,
    /// How many are published by an attempt whose answer was lost.
    pub(crate) confirmed_by_reading: usize,
    puts: usize,
    human_edits: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changes, endings, confirmed_by_reading, puts, human_edits } = self;
        write!(
            f,
            "{changes} changes ended {endings:?} by {puts} PUTs beside {human_edits} human edits, \
             {confirmed_by_reading} confirmed by reading"
        )
    }
}

/// Checks that every acknowledged delivery is in the journal exactly once, that each change's ending is what
/// happened at the tenant, that no flow went back, and that nobody else's work was touched.
pub(crate) async fn assert_true(
    service: Addresses,
    tenant: &Sandbox,
    acknowledged: &[Acknowledged],
) -> Figures {
    let record = tenant.record();
    assert_eq!(record.collateral(), Vec::<String>::new());
    let ours = ["routing_priority", "queue_target", "max_wait_time_seconds"];
    let lost = record.lost_human_edits(|at| at.node == SAMPLE_NODE && ours.contains(&at.variable.as_str()));
    assert_eq!(lost, Vec::<String>::new());

    let changes = service.changes().await;
    let mut by_delivery: BTreeMap<&str, &Value> = BTreeMap::new();
    for change in &changes {
        let id = change["delivery"].as_str().expect("an id");
        assert!(by_delivery.insert(id, change).is_none(), "{id} is there twice");
    }
    let sent: BTreeSet<&str> = acknowledged.iter().map(|delivery| delivery.id.as_str()).collect();
    let kept: BTreeSet<&str> = by_delivery.keys().copied().collect();
    assert_eq!(sent.difference(&kept).collect::<Vec<_>>(), Vec::<&&str>::new(), "acknowledged and lost");
    assert_eq!(kept.difference(&sent).collect::<Vec<_>>(), Vec::<&&str>::new(), "kept and never sent");

    let mut figures = Figures { changes: changes.len(), ..Figures::default() };
    figures.human_edits = record.commits.iter().filter(|commit| commit.by == By::Human).count();
    let mut published: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    let lives = lives(&record);
    for delivery in acknowledged {
        let life = &lives[delivery.flow.as_str()];
        let change = by_delivery[delivery.id.as_str()];
        let state = change["state"].as_str().expect("a state");
        *figures.endings.entry(state.to_owned()).or_default() += 1;
        match state {
            "published" => {
                let version = change["version"].as_u64().expect("a version");
                assert_eq!(life.shown.get(&version), Some(&delivery.number), "{change}");
                published.entry(&delivery.flow).or_default().insert(delivery.number);
                figures.confirmed_by_reading += usize::from(change["reason"].is_string());
            }
            "superseded" => {
                assert!(!life.brought.contains(&delivery.number), "it was published: {change}");
                let newer = life.brought.iter().any(|number| *number > delivery.number);
                assert!(newer, "nothing newer was published: {change}");
            }
            other => fail(&format!("{other} is no ending that could happen here: {change}")),
        }
    }
    for (flow, life) in &lives {
        figures.puts += life.brought.len();
        assert!(life.brought.is_sorted_by(|one, next| one < next), "{flow} went back: {:?}", life.brought);
        let brought: BTreeSet<u64> = life.brought.iter().copied().collect();
        assert_eq!(
            Some(&brought),
            published.get(flow),
            "{flow}: what PUTs brought, what is called published"
        );
        let newest = acknowledged.iter().filter(|one| one.flow == *flow).map(|one| one.number).max();
        let now = shown(&tenant.flow(flow).expect("it is there"));
        assert_eq!(Some(now), newest, "{flow} does not show what was acknowledged last");
    }
    figures
}
