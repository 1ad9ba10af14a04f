//! The configuration systems: they deliver, and deliver again until they are told that it is taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flowhook::change::{
    Admission, Delivery, FlowId, Mode, NewChange, NodeId, OrderKey, Values, Variable, Verdict,
};
use flowhook::queue::Queue;
use jiff::Timestamp;
use serde_json::value::RawValue;
use tokio::time::sleep;

use crate::ground::Ground;
use crate::journal::Journal;
use crate::plan::{FlowPlan, Plan};
use crate::tenant::{POISON, Tenant};

/// How long a sender goes on trying after all is calm.
const PATIENCE: Duration = Duration::from_secs(4800);

/// The way into the process that runs now, if one does.
#[derive(Clone, Default)]
pub(crate) struct Door(Arc<Mutex<Option<Queue>>>);

impl Door {
    fn queue(&self) -> MutexGuard<'_, Option<Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self, queue: &Queue) {
        *self.queue() = Some(queue.clone());
    }

    pub(crate) fn close(&self) {
        *self.queue() = None;
    }
}

/// All senders together.
#[derive(Clone)]
pub(crate) struct Senders {
    pub(crate) ground: Ground,
    pub(crate) plan: Arc<Plan>,
    pub(crate) journal: Journal,
    pub(crate) tenant: Tenant,
    pub(crate) door: Door,
}

/// A delivery, and what the configuration was when it was sent.
pub(crate) struct Sent {
    pub(crate) id: String,
    /// The value that a thin change must at least have brought.
    pub(crate) at_least: Option<u64>,
}

impl Senders {
    /// Sends delivery `number` at a time of its own; returns when it is acknowledged, or given up.
    pub(crate) async fn send(self, number: u64) -> Option<Sent> {
        let busy_ms = u64::try_from(self.plan.busy_until().as_millis()).unwrap_or(u64::MAX);
        // Many come at the same time.
        let at = if self.ground.chance(0.5) {
            self.ground.below(5) * busy_ms / 5
        } else {
            self.ground.below(busy_ms)
        };
        sleep(Duration::from_millis(at)).await;
        let mut at_least = None;
        let mut changes = vec![self.change(number, &mut at_least)];
        if self.ground.chance(0.15) {
            changes.push(self.change(number, &mut None));
        }
        let id = format!("d{number}");
        let twice = self.ground.chance(0.1);
        loop {
            let verdict = Verdict::Changes(changes.clone());
            let received_at = self.ground.clock().now();
            let delivery = Delivery { source: Arc::from("config"), id: id.clone(), received_at, verdict };
            if self.offer(delivery).await {
                break;
            }
            if self.ground.elapsed() > self.plan.calm_at + PATIENCE {
                self.ground.violated(format!("delivery {id} was never taken"));
                return None;
            }
            sleep(Duration::from_millis(200) + self.ground.at_most_ms(3000)).await;
        }
        if twice {
            sleep(self.ground.at_most_ms(5000)).await;
            let verdict = Verdict::Changes(changes);
            let received_at = self.ground.clock().now();
            self.offer(Delivery { source: Arc::from("config"), id: id.clone(), received_at, verdict }).await;
        }
        Some(Sent { id, at_least })
    }

    /// Whether it was taken.
    async fn offer(&self, delivery: Delivery) -> bool {
        let id = delivery.id.clone();
        let receipt = match &*self.door.queue() {
            None => return false,
            Some(queue) => queue.submit(delivery),
        };
        let Ok(receipt) = receipt else { return false };
        let Ok(admission) = receipt.committed().await else { return false };
        let disk = self.journal.disk();
        let is_there = disk.changes.values().any(|row| row.delivery == id);
        if !is_there {
            self.ground
                .violated(format!("delivery {id} was acknowledged ({admission:?}) and is not on the disk"));
        }
        admission != Admission::Rejected
    }

    fn change(&self, number: u64, at_least: &mut Option<u64>) -> NewChange {
        let FlowPlan { id, keyed, replaced, .. } = self.ground.pick(&self.plan.flows);
        let key = || {
            Timestamp::from_second(1_795_334_000 + i64::try_from(self.ground.below(30)).unwrap_or(0))
                .expect("a time")
        };
        let order_key = keyed.then(|| OrderKey::Time(key()));
        // Both are routes that fetch.
        let route = if self.ground.chance(self.plan.other_route) { "push" } else { "default" };
        let is_patch = !replaced && self.ground.chance(self.plan.patches);
        let values = if is_patch {
            Values::Patch(self.patch(number))
        } else if self.ground.chance(self.plan.thin) {
            let mut tenant = self.tenant.state();
            let value = tenant.configured.entry(id.clone()).or_default();
            *value += 1;
            *at_least = Some(*value);
            Values::Fetch(format!("https://config.example/config/{id}"))
        } else {
            Values::Known(self.variables(number))
        };
        let node = if self.ground.chance(self.plan.mistakes) {
            "node-nowhere"
        } else {
            self.ground.pick(self.plan.nodes())
        };
        NewChange {
            route: Arc::from(route),
            flow: FlowId::parse(&id).expect("a flow id"),
            node: NodeId::parse(node).expect("a node id"),
            mode: match (is_patch, replaced) {
                (true, _) => Mode::Patch,
                (false, true) => Mode::Replace,
                (false, false) => Mode::Merge,
            },
            values,
            order_key,
        }
    }

    /// A patch of one or two members, one of them an object.
    fn patch(&self, number: u64) -> Box<RawValue> {
        let value = || match self.ground.below(4) {
            0 => "null".to_owned(),
            1 => self.ground.below(3).to_string(),
            _ => format!("\"d{number}\""),
        };
        let limits = |name: &str| match self.ground.below(8) {
            0 => format!("\"limits\":{}", value()),
            _ => format!("\"limits\":{{\"{name}\":{}}}", value()),
        };
        let patch = match self.ground.below(5) {
            0 => format!("\"timeout\":{}", value()),
            1 => format!("\"retries\":{}", value()),
            2 => format!("\"timeout\":{},{}", value(), limits("holds")),
            _ => limits(self.ground.pick(&["calls", "holds"])),
        };
        RawValue::from_string(format!("{{{patch}}}")).expect("JSON")
    }

    fn variables(&self, number: u64) -> Vec<Variable> {
        let mut variables = Vec::new();
        let names = self.plan.names();
        let last = names.len() - 1;
        for (at, name) in names.iter().enumerate() {
            if variables.is_empty() && at == last || self.ground.chance(0.5) {
                let value = if self.ground.chance(self.plan.mistakes) {
                    POISON.to_owned()
                } else if self.ground.chance(0.5) {
                    // Few, so that the flow often has them already.
                    format!("\"v{}\"", self.ground.below(3))
                } else {
                    format!("\"d{number}\"")
                };
                variables.push(Variable::new(*name, &value).expect("JSON"));
            }
        }
        variables
    }
}
