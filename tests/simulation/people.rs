//! The people: designers who work on the same flows, and operators who have something done.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flowhook::change::{FlowId, State};
use flowhook::journal::{Chosen, Reach, Step, Verb};
use flowhook::queue::Ledger;
use jiff::SignedDuration;
use tokio::time::sleep;

use crate::disk::Row;
use crate::flow::{Node, THEIRS};
use crate::ground::Ground;
use crate::journal::Journal;
use crate::plan::Plan;
use crate::tenant::Tenant;

/// How soon an operator asks again who was not heard.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// The operators' way into the process that runs now.
pub(crate) type Desk = Arc<Mutex<Option<Ledger>>>;

/// One edit of a designer, at a time of its own.
pub(crate) async fn design(ground: Ground, plan: Arc<Plan>, tenant: Tenant, number: u64) {
    let busy_ms = u64::try_from(plan.busy_until().as_millis()).unwrap_or(u64::MAX);
    sleep(ground.at_most_ms(busy_ms * 3 / 2)).await;
    let flow = ground.pick(&plan.flows).id;
    if ground.chance(plan.meddling) {
        return meddle(&ground, &plan, &tenant, &flow, number).await;
    }
    ground.note(format_args!("a designer works on {flow}"));
    match ground.below(4) {
        0 => tenant.edit(&flow, |flow| {
            if let Some(node) = flow.node_mut("node-a") {
                node.set(THEIRS, Some(&format!("\"edit {number}\"")));
            }
        }),
        1 => tenant.edit(&flow, |flow| flow.nodes.insert(0, Node::new(&format!("new-{number}")))),
        2 => tenant.lock(&flow, ground.at_most_ms(10_000)),
        _ => tenant.edit(&flow, |flow| flow.drawn += 1),
    }
}

/// A designer who works on what is ours.
async fn meddle(ground: &Ground, plan: &Plan, tenant: &Tenant, flow: &str, number: u64) {
    let node = ground.pick(plan.nodes());
    let touch = |what: &str| {
        let place = (flow.to_owned(), node.to_owned(), what.to_owned());
        tenant.state().touched.insert(place, ground.elapsed());
    };
    ground.note(format_args!("a designer meddles with {node} of {flow}"));
    match ground.below(4) {
        0 | 1 => {
            let name = ground.pick(plan.names());
            let value = if ground.chance(0.5) { "\"v1\"".to_owned() } else { format!("\"h{number}\"") };
            touch(name);
            tenant.edit(flow, |flow| {
                if let Some(node) = flow.node_mut(node) {
                    node.set(name, Some(&value));
                }
            });
        }
        2 => {
            // Rolls the node back to how it was at first.
            touch("*");
            tenant.edit(flow, |flow| {
                if let Some(node) = flow.node_mut(node) {
                    *node = Node::new(&node.id);
                }
            });
        }
        _ => {
            let place = (flow.to_owned(), node.to_owned());
            let gone_at = ground.elapsed();
            tenant.state().gone.entry(place.clone()).or_default().push((gone_at, None));
            tenant.edit(flow, |flow| flow.nodes.retain(|other| other.id != node));
            sleep(ground.at_most_ms(3000)).await;
            touch("*");
            tenant.edit(flow, |flow| {
                if flow.node(node).is_none() {
                    flow.nodes.push(Node::new(node));
                }
            });
            let back_at = ground.elapsed();
            if let Some(gone) = tenant.state().gone.get_mut(&place) {
                let open = gone.iter_mut().filter(|(from, until)| *from == gone_at && until.is_none());
                open.for_each(|(_, until)| *until = Some(back_at));
            }
        }
    }
}

/// One verb of an operator, at a time of its own.
pub(crate) async fn operate(ground: Ground, plan: Arc<Plan>, journal: Journal, desk: Desk) {
    let busy_ms = u64::try_from(plan.busy_until().as_millis()).unwrap_or(u64::MAX);
    sleep(ground.at_most_ms(busy_ms * 2)).await;
    if ground.chance(0.3) {
        return pause(&ground, &plan, &desk).await;
    }
    if ground.chance(0.6) {
        return roll_back(&ground, &journal, &desk).await;
    }
    let seqs: Vec<_> = journal.disk().changes.keys().copied().collect();
    if seqs.is_empty() {
        return;
    }
    let chosen = Chosen::One(ground.pick(&seqs));
    let verb = if ground.chance(0.6) { Verb::Retry } else { Verb::Discard };
    let ledger = desk.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(ledger) = ledger {
        let acted = ledger.act(verb, chosen.clone()).await;
        ground.note(format_args!("an operator: {verb:?} {chosen:?}: {acted:?}"));
    }
}

/// An operator has some of the changes rolled back that were published last.
async fn roll_back(ground: &Ground, journal: &Journal, desk: &Desk) {
    let is_published = |row: &&Row| row.state == State::Published;
    let published: Vec<_> =
        journal.disk().changes.values().rev().filter(is_published).map(|row| row.change.seq).collect();
    let first = usize::from(ground.chance(0.3));
    let count = ground.pick(&[1, 1, 2, 4]);
    let seqs: Vec<_> = published.into_iter().skip(first).take(count).collect();
    let ledger = desk.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(ledger) = ledger {
        let acted = ledger.roll_back(seqs).await;
        ground.note(format_args!("an operator has changes rolled back: {acted:?}"));
    }
}

/// An operator pauses a flow, or all of them, and in a while lets it go on.
async fn pause(ground: &Ground, plan: &Plan, desk: &Desk) {
    let reach = match FlowId::parse(&ground.pick(&plan.flows).id) {
        Ok(flow) if ground.chance(0.7) => Reach::Flow(flow),
        Ok(_) | Err(_) => Reach::AllFlows,
    };
    insist(ground, desk, Step::Pause { reach: reach.clone(), reason: None }).await;
    sleep(ground.at_most_ms(10_000)).await;
    insist(ground, desk, Step::Resume { reach }).await;
}

/// Says it until the process has taken it: there may be none, or its disk may take nothing.
async fn insist(ground: &Ground, desk: &Desk, step: Step) {
    loop {
        let ledger = desk.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(ledger) = ledger
            && ledger.record(step.clone()).await.is_ok()
        {
            return ground.note(format_args!("an operator: {step:?}"));
        }
        sleep(ASK_AGAIN).await;
    }
}

/// A configuration moves, at a time of its own, and its event is lost.
pub(crate) async fn move_silently(ground: Ground, plan: Arc<Plan>, tenant: Tenant) {
    let busy_ms = u64::try_from(plan.busy_until().as_millis()).unwrap_or(u64::MAX);
    sleep(ground.at_most_ms(busy_ms * 3 / 2)).await;
    let flow = ground.pick(&plan.flows).id;
    ground.note(format_args!("the configuration of {flow} moves silently"));
    *tenant.state().configured.entry(flow).or_default() += 1;
}

/// Somebody sets the clock, at a time of its own.
pub(crate) async fn set_the_clock(ground: Ground, plan: Arc<Plan>) {
    let busy_ms = u64::try_from(plan.busy_until().as_millis()).unwrap_or(u64::MAX);
    sleep(ground.at_most_ms(busy_ms)).await;
    let hours = ground.pick(&[-48, -1, 1, 48]);
    ground.note(format_args!("the clock is moved by {hours} h"));
    ground.move_clock(SignedDuration::from_hours(hours));
}
