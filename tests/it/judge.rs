//! The judge of a world: whether what the journal says is what the tenant holds.
//!
//! The rules are stated once more here, in the plainest way, beside the code that is judged by them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flowhook::sandbox::{PutDiff, VariableAddress};
use tokio::time::Instant;

use crate::event::VARIABLES;
use crate::harness::{Seen, World};

/// How much later than its leaving a 429 may be known.
const ON_ITS_WAY: Duration = Duration::from_millis(250);
/// How long it may take, under load, until the journal has a `Retry-After`.
const KEPT_WITHIN: Duration = Duration::from_secs(1);
const NOTHING: [String; 0] = [];

impl World {
    /// Asserts that everything has ended, that every ending is true, and that nothing was done to the
    /// tenant that must not be done.
    pub(crate) async fn judge(&self) {
        let changes = self.changes().await;
        assert_eq!(untruths(self, &changes), NOTHING, "an ending is not true");
        self.judge_conduct();
    }

    /// Asserts that nothing was done to the tenant that must not be done.
    pub(crate) fn judge_conduct(&self) {
        let mut record = self.tenant.record();
        // What a crash comes upon before the journal has it is not known afterwards.
        for refusal in &mut record.requests {
            let lost = |crash: &Instant| {
                refusal.ended_at.is_some_and(|at| at <= *crash && *crash - at < KEPT_WITHIN)
            };
            if self.crashed_at.iter().any(lost) {
                refusal.retry_until = None;
            }
        }
        let ours = |at: &VariableAddress| VARIABLES.contains(&at.variable.as_str());
        assert_eq!(record.lost_human_edits(ours), NOTHING, "a person's edit was lost");
        assert_eq!(record.collateral(), NOTHING, "something else was touched");
        assert!(record.max_in_flight_per_flow() <= 1, "two calls about one flow at once");
        assert_eq!(record.calls_started_inside_retry_after(ON_ITS_WAY), NOTHING, "a call came too early");
    }
}

/// Every ending that is not true, and every saved PUT that no ending admits.
fn untruths(world: &World, changes: &[Seen]) -> Vec<String> {
    let puts = world.tenant.record().put_diffs();
    let mut found = Vec::new();
    for change in changes {
        let is_true = match change.state.as_str() {
            "published" => puts.iter().any(|put| is_of(put, change) && writes(put, change)),
            // Whatever else became of them, they must not have been written.
            "failed" | "discarded" => !puts.iter().any(|put| writes(put, change)),
            "superseded" => changes.iter().any(|other| has_won(other) && beats(other, change)),
            "unchanged" => true,
            _ => false,
        };
        if !is_true {
            found.push(format!("{change:?}"));
        }
    }
    let mut written = BTreeSet::new();
    for put in &puts {
        let admitted = changes
            .iter()
            .any(|change| change.state == "published" && is_of(put, change) && writes(put, change));
        if !admitted {
            found.push(format!("no published change admits {put:?}"));
        }
        // What is rolled back has stood there before.
        if changes.iter().any(|change| change.rolls_back.is_some() && is_of(put, change)) {
            continue;
        }
        for change in &put.changed {
            if !written.insert((&put.flow, &change.node, &change.variable, &change.after)) {
                found.push(format!("{} was written twice: {change:?}", put.flow));
            }
        }
    }
    found.extend(wrong_values(world, changes));
    found
}

/// The variables that do not have the value of the last winner.
///
/// What is older than the latest time that any winner told stays old, also after a winner that told none. What a
/// flow is to hold in which something was rolled back, its test has to say.
fn wrong_values(world: &World, changes: &[Seen]) -> Vec<String> {
    let is_out = |change: &Seen| matches!(change.state.as_str(), "failed" | "discarded");
    let mut arrived: Vec<&Seen> = changes.iter().filter(|change| !is_out(change)).collect();
    arrived.sort_by_key(|change| change.seq);
    let mut standing: BTreeMap<(&str, &str, &str), (&Seen, Option<&String>)> = BTreeMap::new();
    for change in arrived {
        for variable in &change.variables {
            let key = change.order_key.as_ref();
            let address = (change.flow.as_str(), change.node.as_str(), variable.name.as_str());
            let latest = standing.get(&address).and_then(|(_, latest)| *latest);
            if key.is_none() || key >= latest {
                standing.insert(address, (change, key.or(latest)));
            }
        }
    }
    let is_rolled_back = |flow: &str| changes.iter().any(|of| of.flow == flow && of.rolls_back.is_some());
    standing.retain(|(flow, ..), _| !is_rolled_back(flow));
    let wrong = |((flow, node, name), (winner, _)): ((&str, &str, &str), (&Seen, Option<&String>))| {
        let wanted = winner.variables.iter().find(|variable| variable.name == name)?.value();
        let there = world.tenant.variable(flow, node, name).unwrap_or_default();
        (there != wanted).then(|| format!("{flow} {node} {name} is {there}, and {winner:?} won"))
    };
    standing.into_iter().filter_map(wrong).collect()
}

fn has_won(change: &Seen) -> bool {
    matches!(change.state.as_str(), "published" | "unchanged")
}

/// Whether a change to the same node counts for more than another: later by its source's own time where
/// both have one, else by arrival.
fn beats(one: &Seen, other: &Seen) -> bool {
    let later = match (&one.order_key, &other.order_key) {
        // All of one spelling, so that the order of the texts is that of the times.
        (Some(mine), Some(theirs)) if mine != theirs => mine > theirs,
        _ => one.seq >= other.seq,
    };
    later && (&one.flow, &one.node) == (&other.flow, &other.node)
}

/// Whether the change says that it is in that PUT's version; what was confirmed by reading may have been
/// read in a later one.
fn is_of(put: &PutDiff, change: &Seen) -> bool {
    let confirmed = change.reason.contains("confirmed by reading");
    put.flow == change.flow && (put.version == change.version() || confirmed)
}

/// Whether the PUT wrote at least one of the change's values.
fn writes(put: &PutDiff, change: &Seen) -> bool {
    put.flow == change.flow
        && put.changed.iter().any(|wrote| {
            let is =
                |name: &str, value: &str| wrote.variable == name && wrote.after.as_deref() == Some(value);
            let is_gone = wrote.after.is_none() && change.removes.contains(&wrote.variable);
            wrote.node == change.node
                && (is_gone || change.variables.iter().any(|of| is(&of.name, of.value())))
        })
}
