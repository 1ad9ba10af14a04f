//! Events as a configuration system sends them, and its deliveries of them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use flowhook::sandbox::SAMPLE_NODE;
use flowhook::source::{Scheme, Secret, Source};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// The secret that the configuration system signs with.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The name of the configuration system's source.
pub(crate) const SOURCE: &str = "config";
/// The variables that an event sets.
pub(crate) const VARIABLES: [&str; 3] = ["routing_priority", "queue_target", "max_wait_time_seconds"];

/// Something that the configuration system has to say.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    id: Option<String>,
    flow: String,
    node: String,
    config: Option<Value>,
    timestamp: Option<Timestamp>,
    /// What is sent in its stead.
    instead: Option<Value>,
}

/// All three variables of the flow's [`SAMPLE_NODE`] are to tell of this value; see [`config`].
pub(crate) fn event(flow: &str, value: usize) -> Event {
    Event { config: Some(config(value)), ..thin(flow) }
}

/// The flow's [`SAMPLE_NODE`] is to get what the configuration API says.
pub(crate) fn thin(flow: &str) -> Event {
    let (flow, node) = (flow.to_owned(), SAMPLE_NODE.to_owned());
    Event { id: None, flow, node, config: None, timestamp: None, instead: None }
}

/// A configuration whose variables all tell of one value, so that a mixture of two would show.
pub(crate) fn config(value: usize) -> Value {
    json!({
        "routing_priority": format!("priority {value}"),
        "queue_target": format!("queue {value}"),
        "max_wait_time_seconds": value,
    })
}

impl Event {
    /// The change was made in that second of an hour long ago: its order key.
    pub(crate) fn at(self, second: usize) -> Self {
        let hour: Timestamp = "2025-01-01T00:00:00Z".parse().expect("a time");
        let second = SignedDuration::from_secs(i64::try_from(second).expect("a few"));
        Self { timestamp: Some(hour + second), ..self }
    }

    /// It is about that node.
    pub(crate) fn on(self, node: &str) -> Self {
        Self { node: node.to_owned(), ..self }
    }

    /// It is delivered under that id.
    pub(crate) fn named(self, id: &str) -> Self {
        Self { id: Some(id.to_owned()), ..self }
    }

    /// It has another configuration than one that fits.
    pub(crate) fn with_config(self, config: Value) -> Self {
        Self { config: Some(config), ..self }
    }

    /// It is sent in other words than those of a native event.
    pub(crate) fn saying(self, body: &Value) -> Self {
        Self { instead: Some(body.clone()), ..self }
    }

    fn body(&self) -> String {
        if let Some(body) = &self.instead {
            return body.to_string();
        }
        let mut body =
            json!({"type": "config.updated", "data": {"flow_id": self.flow, "node_id": self.node}});
        if let Some(config) = &self.config {
            body["data"]["config"] = config.clone();
        }
        if let Some(timestamp) = &self.timestamp {
            body["timestamp"] = timestamp.to_string().into();
        }
        body.to_string()
    }
}

/// What the service said to a delivery.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Told {
    /// The `status` of its body.
    pub(crate) fn word(&self) -> &str {
        self.body["status"].as_str().unwrap_or_default()
    }
}

/// The configuration system: signs and delivers.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    http: reqwest::Client,
    source: Arc<Source>,
    sent: Arc<AtomicUsize>,
}

impl Sender {
    pub(crate) fn new(http: reqwest::Client) -> Self {
        let secret = Secret::parse(&Scheme::standard_webhooks(), SECRET).expect("a good secret");
        let source = Source::new(SOURCE, Scheme::standard_webhooks(), vec![secret]).expect("a good source");
        Self { http, source: Arc::new(source), sent: Arc::default() }
    }

    /// Delivers the event to the service at that address; nothing if it does not answer.
    pub(crate) async fn offer(&self, to: SocketAddr, event: Event) -> Option<Told> {
        let fresh = || format!("msg_{}", self.sent.fetch_add(1, Ordering::Relaxed));
        let id = event.id.clone().unwrap_or_else(fresh);
        let body = event.body();
        let headers = self.source.sign(&id, Timestamp::now(), body.as_bytes()).expect("it can be signed");
        let post = self.http.post(format!("http://{to}/hooks/{SOURCE}")).headers(headers).body(body);
        let answer = post.send().await.ok()?;
        let status = answer.status().as_u16();
        Some(Told { id, status, body: answer.json().await.ok()? })
    }

    /// Delivers all of them in their order, so many at a time.
    pub(crate) async fn offer_all(
        &self,
        to: SocketAddr,
        events: impl IntoIterator<Item = Event>,
        at_once: usize,
    ) -> Vec<Option<Told>> {
        let waiting = Arc::new(Mutex::new(events.into_iter().collect::<Vec<_>>().into_iter()));
        let mut senders = JoinSet::new();
        for _ in 0..at_once {
            let (sender, waiting) = (self.clone(), Arc::clone(&waiting));
            let next = move || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
            senders.spawn(async move {
                let mut told = Vec::new();
                while let Some(event) = next() {
                    told.push(sender.offer(to, event).await);
                }
                told
            });
        }
        senders.join_all().await.into_iter().flatten().collect()
    }
}
