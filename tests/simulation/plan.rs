//! What a seed says of a world: who is in it, and what it will suffer.

use std::time::Duration;

use crate::ground::Ground;

/// How many milliseconds senders and people are busy for.
const BUSY_MS: u64 = 20_000;

/// A world's lot.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) flows: Vec<FlowPlan>,
    /// How many deliveries are sent in all.
    pub(crate) deliveries: u64,
    /// How many changes may be pending.
    pub(crate) capacity: usize,
    /// How many flow calls a minute we allow ourselves.
    pub(crate) requests_per_minute: Option<u32>,
    /// How likely a call to the tenant goes wrong by itself.
    pub(crate) faults: f64,
    /// How likely a change is thin.
    pub(crate) thin: f64,
    /// How likely a change is a merge patch.
    pub(crate) patches: f64,
    /// How likely a change is one of a second route, whose keys say nothing of the first one's.
    pub(crate) other_route: f64,
    /// How often sources and flows are compared, if they are.
    pub(crate) reconcile: Option<Duration>,
    /// Whether the settings name a flow and a node that are compared though no event ever named them.
    pub(crate) named: bool,
    /// How many times a configuration moves and no event tells of it.
    pub(crate) silent_moves: u64,
    /// All changes, and all who meddle, are about the same few variables of one node.
    pub(crate) narrow: bool,
    /// How likely a change is one that cannot be carried out.
    pub(crate) mistakes: f64,
    /// The longest that a call takes in the ordinary.
    pub(crate) latency_ms: u64,
    /// When something is the matter with the whole tenant.
    pub(crate) spells: Vec<Spell>,
    /// How many edits people make.
    pub(crate) edits: u64,
    /// How likely an edit is one of a variable of ours, or of the node itself.
    pub(crate) meddling: f64,
    /// When the process is killed.
    pub(crate) crashes: Vec<Duration>,
    /// When it is stopped in order.
    pub(crate) stops: Vec<Duration>,
    /// When the disk takes nothing.
    pub(crate) disk_fails: Vec<(Duration, Duration)>,
    /// How many times an operator does something.
    pub(crate) verbs: u64,
    /// How many times somebody sets the clock.
    pub(crate) clock_moves: u64,
    /// From then on nothing goes wrong any more.
    pub(crate) calm_at: Duration,
}

/// A flow's lot.
#[derive(Clone, Debug)]
pub(crate) struct FlowPlan {
    pub(crate) id: String,
    /// Whether the tenant has it.
    pub(crate) exists: bool,
    /// Its changes carry an order key.
    pub(crate) keyed: bool,
    /// Its changes replace the whole list.
    pub(crate) replaced: bool,
}

/// Something that befalls every call for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spell {
    pub(crate) what: Trouble,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing answers.
    Down,
    /// Every flow call is answered 429, now with and now without `Retry-After`.
    Limited,
    /// The token endpoint refuses the client.
    Secret,
    /// The token endpoint is broken.
    Tokens,
    /// Every token is refused.
    Region,
    /// The configuration API does not answer.
    Config,
    /// Somebody holds every flow's lock.
    Locked,
}

impl Trouble {
    const ALL: [Self; 7] =
        [Self::Down, Self::Limited, Self::Secret, Self::Tokens, Self::Region, Self::Config, Self::Locked];
}

impl Plan {
    /// A world in which all is well: so many flows, so many deliveries.
    pub(crate) fn quiet(flows: u64, deliveries: u64) -> Self {
        let flow =
            |at: u64| FlowPlan { id: format!("flow-{at}"), exists: true, keyed: false, replaced: false };
        Self {
            flows: (0..flows).map(flow).collect(),
            deliveries,
            capacity: 10_000,
            requests_per_minute: None,
            faults: 0.0,
            thin: 0.12,
            patches: 0.1,
            other_route: 0.0,
            reconcile: None,
            named: false,
            silent_moves: 0,
            narrow: false,
            mistakes: 0.0,
            latency_ms: 80,
            spells: Vec::new(),
            edits: 0,
            meddling: 0.0,
            crashes: Vec::new(),
            stops: Vec::new(),
            disk_fails: Vec::new(),
            verbs: 0,
            clock_moves: 0,
            calm_at: Duration::from_millis(BUSY_MS * 3 / 2),
        }
    }

    /// The same in which something is the matter from the beginning on, for so long.
    pub(crate) fn suffering(self, what: Trouble, until: Duration) -> Self {
        let spell = Spell { what, from: Duration::ZERO, until };
        Self { spells: vec![spell], calm_at: until, ..self }
    }

    /// The plan that `ground`'s chance makes.
    pub(crate) fn draw(ground: &Ground) -> Self {
        let reconcile = ground.chance(0.35).then(|| ground.pick(&[3, 10])).map(Duration::from_secs);
        let flow = |at: u64| FlowPlan {
            id: format!("flow-{at}"),
            exists: !ground.chance(0.05),
            keyed: ground.chance(0.4),
            // The built-in routes, which are reconciled, replace nothing.
            replaced: ground.chance(0.1) && reconcile.is_none(),
        };
        let flows = (0..=ground.below(5)).map(flow).collect();
        let mut spells = Vec::new();
        while ground.chance(0.35) && spells.len() < 3 {
            let from = ground.at_most_ms(BUSY_MS);
            let until = from + ground.at_most_ms(if ground.chance(0.2) { 300_000 } else { 20_000 });
            spells.push(Spell { what: ground.pick(&Trouble::ALL), from, until });
        }
        let moments = |most: u64| -> Vec<Duration> {
            let mut at: Vec<_> =
                (0..ground.below(most + 1)).map(|_| ground.at_most_ms(BUSY_MS * 3 / 2)).collect();
            at.sort_unstable();
            at
        };
        let crashes = if ground.chance(0.4) { moments(3) } else { Vec::new() };
        let stops = if ground.chance(0.2) { moments(2) } else { Vec::new() };
        let mut disk_fails = Vec::new();
        if ground.chance(0.15) {
            let from = ground.at_most_ms(BUSY_MS);
            disk_fails.push((from, from + ground.at_most_ms(5_000)));
        }
        let spells_end = spells.iter().map(|spell: &Spell| spell.until).max().unwrap_or_default();
        Self {
            flows,
            deliveries: 5 + ground.below(45),
            capacity: if ground.chance(0.2) { 4 + ground.pick(&[0, 3, 12]) } else { 10_000 },
            requests_per_minute: ground.chance(0.1).then(|| ground.pick(&[120, 600])),
            faults: ground.pick(&[0.0, 0.0, 0.02, 0.1, 0.35]),
            thin: ground.pick(&[0.0, 0.1, 0.1, 0.6]),
            patches: ground.pick(&[0.0, 0.1, 0.5]),
            other_route: ground.pick(&[0.0, 0.0, 0.4]),
            reconcile,
            named: ground.chance(0.5),
            silent_moves: if reconcile.is_some() { ground.below(12) } else { 0 },
            narrow: ground.chance(0.4),
            mistakes: ground.pick(&[0.0, 0.05]),
            latency_ms: ground.pick(&[0, 5, 80, 800]),
            spells,
            edits: if ground.chance(0.6) { ground.below(40) } else { 0 },
            meddling: ground.pick(&[0.0, 0.0, 0.3, 0.7]),
            crashes,
            stops,
            disk_fails,
            verbs: if ground.chance(0.4) { ground.below(10) } else { 0 },
            clock_moves: if ground.chance(0.1) { ground.below(4) } else { 0 },
            calm_at: spells_end.max(Duration::from_millis(BUSY_MS * 3 / 2)),
        }
    }

    /// The nodes that changes are about.
    pub(crate) fn nodes(&self) -> &[&'static str] {
        if self.narrow { &["node-a"] } else { &["node-a", "node-b"] }
    }

    /// The variables that changes with values of their own are about.
    pub(crate) fn names(&self) -> &[&'static str] {
        if self.narrow {
            &["routing_priority"]
        } else {
            &["routing_priority", "queue_target", "max_wait_time_seconds"]
        }
    }

    /// When senders and people are done.
    pub(crate) fn busy_until(&self) -> Duration {
        Duration::from_millis(BUSY_MS)
    }

    /// Whether this kind of trouble is on.
    pub(crate) fn suffers(&self, what: Trouble, now: Duration) -> bool {
        self.spells.iter().any(|spell| spell.what == what && (spell.from..spell.until).contains(&now))
    }

    /// Whether the disk takes nothing now.
    pub(crate) fn disk_fails(&self, now: Duration) -> bool {
        self.disk_fails.iter().any(|(from, until)| (*from..*until).contains(&now))
    }
}
