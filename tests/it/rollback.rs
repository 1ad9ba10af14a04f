//! Rollbacks: what published changes replaced comes back, and nobody else's work goes.

use flowhook::change::{NewChange, Seq, State, Variable};
use flowhook::journal::{Acted, Attempt, Edit, Effect, Ending, Outcome, Plan, Settlement, Step, Target};
use flowhook::sandbox::{Canned, Fault, FaultKind, Human, SAMPLE_NODE};
use jiff::SignedDuration;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::admin::{Running, assert_problem};
use crate::deliveries::{change, change_of, delivery, flow, now};
use crate::event::event;
use crate::harness::{IVR, Seen, World};
use crate::journal::Kept;
use crate::patience::eventually;

/// Has an event published; the number of its change.
async fn published(world: &World, value: usize) -> Seq {
    let id = world.deliver(event(IVR, value)).await;
    let change = world.ended(&id).await;
    assert_eq!(change.state, "published", "{change:?}");
    change.seq
}

/// Has a change rolled back; the change that does it.
async fn roll_back(world: &World, seq: Seq) -> Seq {
    let (status, change) = world.tell(&format!("/api/changes/{seq}/rollback")).await;
    assert_eq!((status, &change["rolls_back"]), (200, &json!(seq)), "{change}");
    change["seq"].as_i64().expect("a number")
}

async fn ended(world: &World, seq: Seq) -> Seen {
    eventually(async || {
        let changes = world.changes().await;
        changes.into_iter().find(|change| change.seq == seq && change.state != "pending")
    })
    .await
}

/// The state of what a rollback became, and its reason.
async fn end(world: &World, seq: Seq) -> (String, String) {
    let change = ended(world, seq).await;
    (change.state, change.reason)
}

fn priority(world: &World) -> String {
    world.tenant.variable(IVR, SAMPLE_NODE, "routing_priority").unwrap_or_default()
}

#[tokio::test]
async fn what_a_change_replaced_comes_back_by_a_change_of_its_own() {
    let world = World::start().await;
    let before = world.tenant.flow(IVR).expect("it is there");
    let seq = published(&world, 1).await;
    let rollback = ended(&world, roll_back(&world, seq).await).await;
    assert_eq!((rollback.state.as_str(), rollback.version()), ("published", "16"), "{rollback:?}");
    assert_eq!((rollback.reason.as_str(), rollback.seq), ("", seq + 1));
    assert_eq!(world.tenant.calls().get, 2, "what stands in the flow is read, not taken from our last PUT");
    let after = world.tenant.flow(IVR).expect("it is there");
    assert_eq!(after, before.replace("\"version\": 14", "\"version\": 16"), "byte by byte");
    let delivery = world.look(&format!("/api/deliveries/operator/rollback-{}", rollback.seq)).await;
    assert_eq!(delivery["changes"][0]["route"], "rollback", "{delivery}");
    assert_eq!(delivery["changes"][0]["variables"][2]["value"], 120, "{delivery}");
    world.judge().await;
}

#[tokio::test]
async fn what_a_person_has_changed_since_is_left_alone_and_the_rest_comes_back() {
    let world = World::start().await;
    let seq = published(&world, 1).await;
    let gets = world.tenant.calls().get;
    // The service has the document that its PUT returned, which does not hold this.
    world.tenant.edit(IVR, &Human::set(SAMPLE_NODE, "routing_priority", "\"Ann's\"")).expect("it is saved");
    let (state, reason) = end(&world, roll_back(&world, seq).await).await;
    assert_eq!(state, "published");
    assert!(reason.contains(&format!("not what change {seq} wrote any more")), "{reason}");
    assert!(reason.ends_with(": `routing_priority`"), "{reason}");
    assert_eq!((priority(&world).as_str(), world.value(IVR).as_str()), ("\"Ann's\"", "120"));
    assert_eq!(world.tenant.calls().get, gets + 1, "it is read for this publish");
    world.judge().await;
}

#[tokio::test]
async fn a_person_who_saves_while_a_rollback_is_on_its_way_is_not_rolled_over() {
    let world = World::start().await;
    let seq = published(&world, 1).await;
    let hold = world.tenant.hold(IVR);
    let puts = world.tenant.calls().put;
    let rollback = roll_back(&world, seq).await;
    world.tenant.wait_until(|tenant| tenant.calls().put > puts).await.expect("it publishes");
    world.tenant.edit(IVR, &Human::set(SAMPLE_NODE, "routing_priority", "\"Ann's\"")).expect("it is saved");
    hold.release();
    let (state, reason) = end(&world, rollback).await;
    assert!(state == "published" && reason.ends_with(": `routing_priority`"), "{state} {reason}");
    assert_eq!((priority(&world).as_str(), world.value(IVR).as_str()), ("\"Ann's\"", "120"));
    world.judge().await;
}

#[tokio::test]
async fn many_lead_back_to_the_oldest_state_by_one_update() {
    let world = World::start().await;
    for value in 1..=4 {
        published(&world, value).await;
    }
    let puts = world.tenant.calls().put;
    // Made while nothing is published, so that one turn finds all of them.
    world.tell("/api/pause").await;
    let (status, done) = world.tell(&format!("/api/changes/rollback?flow={IVR}&limit=3")).await;
    assert_eq!((status, &done["changes"], &done["made"]), (200, &json!(3), &json!([5, 6, 7])), "{done}");
    let (_, rest) =
        world.tell(&format!("/api/changes/rollback?flow={IVR}&cursor={}", done["next_cursor"])).await;
    assert_eq!(rest, json!({"changes": 1, "in_flight": 0, "made": [8]}));
    world.tell("/api/resume").await;
    world.settled().await;
    assert_eq!((world.value(IVR).as_str(), world.tenant.calls().put), ("120", puts + 1));
    let changes = world.changes().await;
    let shown: Vec<_> =
        changes[4..].iter().map(|change| (change.rolls_back.unwrap_or(0), change.state.as_str())).collect();
    assert_eq!(shown, [(4, "superseded"), (3, "superseded"), (2, "superseded"), (1, "published")]);
    world.judge().await;
}

#[tokio::test]
async fn rolled_back_twice_there_is_nothing_left_to_restore_and_a_rollback_can_be_rolled_back() {
    let world = World::start().await;
    let seq = published(&world, 1).await;
    let first = roll_back(&world, seq).await;
    assert_eq!(end(&world, first).await.0, "published");
    let puts = world.tenant.calls().put;
    let (state, reason) = end(&world, roll_back(&world, seq).await).await;
    assert_eq!((state.as_str(), reason.as_str()), ("unchanged", ""));
    assert_eq!((world.tenant.calls().put, world.value(IVR).as_str()), (puts, "120"));
    assert_eq!(end(&world, roll_back(&world, first).await).await.0, "published");
    assert_eq!(world.value(IVR), "1");
    world.judge().await;
}

#[tokio::test]
async fn an_old_change_that_is_retried_does_not_put_back_what_was_rolled_back() {
    let world = World::start().await;
    world.tenant.fault(Fault::put(FaultKind::Status(Canned::status(422))));
    let old = world.deliver(event(IVR, 7)).await;
    assert_eq!(world.ended(&old).await.state, "failed");
    let seq = published(&world, 8).await;
    assert_eq!(end(&world, roll_back(&world, seq).await).await.0, "published");
    assert_eq!(world.tell("/api/changes/1/retry").await.0, 200);
    world.settled().await;
    assert_eq!((world.change(&old).await.state.as_str(), world.value(IVR).as_str()), ("superseded", "120"));
    world.judge().await;
}

#[tokio::test]
async fn what_arrives_before_and_after_a_rollback_keeps_its_order() {
    let world = World::start().await;
    let seq = published(&world, 1).await;
    world.tell("/api/pause").await;
    // In the flow by the time of the rollback, which then finds nothing of its own.
    world.deliver(event(IVR, 2)).await;
    let rollback = roll_back(&world, seq).await;
    world.tell("/api/resume").await;
    let (state, reason) = end(&world, rollback).await;
    assert!(state == "unchanged" && reason.contains("`max_wait_time_seconds`"), "{state} {reason}");
    assert_eq!(world.value(IVR), "2");
    world.tell("/api/pause").await;
    let rollback = roll_back(&world, 2).await;
    world.deliver(event(IVR, 3)).await;
    world.tell("/api/resume").await;
    world.settled().await;
    assert_eq!((end(&world, rollback).await.0.as_str(), world.value(IVR).as_str()), ("published", "3"));
    world.judge().await;
}

#[tokio::test]
async fn a_variable_that_there_was_none_of_is_taken_away_again() {
    let world = World::start().await;
    let before = world.tenant.flow(IVR).expect("it is there");
    let id = world.deliver(event(IVR, 5).on("node_hours")).await;
    let seq = world.ended(&id).await.seq;
    let rollback = ended(&world, roll_back(&world, seq).await).await;
    assert_eq!((rollback.state.as_str(), rollback.removes.len()), ("published", 3), "{rollback:?}");
    let after = world.tenant.flow(IVR).expect("it is there");
    assert_eq!(after, before.replace("\"version\": 14", "\"version\": 16"));
    // And put in once more.
    assert_eq!(end(&world, roll_back(&world, rollback.seq).await).await.0, "published");
    assert_eq!(world.value_at(IVR, "node_hours"), "5");
    world.judge().await;
}

#[tokio::test]
async fn a_rollback_whose_answer_is_lost_is_decided_by_reading() {
    for fault in [FaultKind::CommitThen(Canned::status(500)), FaultKind::ResetBefore] {
        let mut world = World::start().await;
        let id = world.deliver(event(IVR, 5).on("node_hours")).await;
        let seq = world.ended(&id).await.seq;
        world.tenant.fault(Fault::put(fault));
        let rollback = roll_back(&world, seq).await;
        world.tenant.wait_until(|tenant| tenant.calls().put > 1).await.expect("it is tried");
        world.restart().await;
        assert_eq!(end(&world, rollback).await.0, "published");
        assert_eq!((world.value_at(IVR, "node_hours").as_str(), world.tenant.calls().commits), ("", 2));
        world.judge().await;
    }
}

#[tokio::test]
async fn a_rollback_that_landed_unseen_is_not_said_to_have_restored_nothing() {
    let world = World::start().await;
    let seq = published(&world, 1).await;
    // The read that is to confirm it is behind: it shows the flow without it.
    world.tenant.fault(Fault::put(FaultKind::Empty));
    world.tenant.fault(Fault::get(FaultKind::StaleRead).after(1).times(1));
    let (state, reason) = end(&world, roll_back(&world, seq).await).await;
    assert_eq!((state.as_str(), reason.as_str(), world.value(IVR).as_str()), ("unchanged", "", "120"));
    world.judge_conduct();
}

/// Has changes published in one update, whose edits are given as (change, variable or list, previous, value).
async fn publish(kept: &mut Kept, id: &str, seqs: &[Seq], edits: &[(Seq, &str, &str, &str)]) {
    let json = |text: &str| (text != "-").then(|| serde_json::from_str(text).expect("JSON"));
    let edit = |(seq, target, previous, value): &(Seq, &str, &str, &str)| Edit {
        seq: *seq,
        node: "n".to_owned(),
        target: Target::decode(target.trim_start_matches('!')).expect("a target"),
        previous: json(previous),
        was_valueless: target.starts_with('!'),
        value: json(value),
    };
    let ending = |seq: &Seq| Ending { seq: *seq, state: State::Published, reason: None };
    let endings: Vec<_> = seqs.iter().map(ending).collect();
    let plan = Plan { endings: endings.clone(), marks: Vec::new(), edits: edits.iter().map(edit).collect() };
    let (id, flow) = (id.to_owned(), flow("f1"));
    let attempt = Attempt { id: id.clone(), flow: flow.clone(), base_version: "7".to_owned(), plan };
    kept.effect(Step::Attempt(Box::new(attempt))).await;
    let settlement = Settlement { attempt: Some((id, Outcome::Published)), endings, ..Settlement::default() };
    kept.effect(Step::Settle { flow, settlement }).await;
}

async fn rolled_back(kept: &mut Kept, seqs: &[Seq]) -> Acted {
    match kept.effect(Step::Rollback { seqs: seqs.to_vec() }).await {
        Effect::Acted(acted) => acted,
        Effect::Written { .. } | Effect::Stale | Effect::Pruned { .. } => Acted::default(),
    }
}

#[tokio::test]
async fn the_journal_keeps_what_a_rollback_restores_whatever_becomes_of_the_attempt() {
    let mut kept = Kept::new().await;
    let odd = change("f1", "n", &[("a", "1"), ("b", "2"), ("c", "3")]);
    kept.admit(&delivery("1", &[odd.clone(), odd])).await;
    let edits = [(1, "=a", "null", "1"), (1, "=b", "-", "2"), (1, "=c", "1.10", "null")];
    publish(&mut kept, "a", &[1], &edits).await;
    let acted = rolled_back(&mut kept, &[1]).await;
    assert_eq!((acted.made, acted.revived.total(), acted.changes), (vec![3], 1, 1));
    kept.effect(Step::Prune { before: now() + SignedDuration::from_hours(1), at_most: 100 }).await;
    assert_eq!(kept.changes().await, ["2 pending", "3 pending"]);
    let kept = kept.after_a_crash().await;
    let shown = kept.reader().change(3).await.expect("read").expect("it is there");
    assert_eq!((shown.rolls_back, shown.removes), (Some(1), vec!["b".to_owned()]));
    let variables = shown.variables.expect("they are known");
    let variables: Vec<_> = variables.iter().map(|of| format!("{}={}", of.name, of.value)).collect();
    assert_eq!(variables, ["a=null", "c=1.10"]);
    assert_eq!((shown.source.as_str(), shown.delivery.as_str()), ("operator", "rollback-3"));
    let ready = kept.pending("f1").await.pop().expect("it is pending");
    let told = format!("{:?}", ready.what.values);
    for word in ["of: 1", "RawValue(null)", "RawValue(1.10)", "previous: None"] {
        assert!(told.contains(word), "{word} in {told}");
    }
}

#[tokio::test]
async fn the_delivery_of_several_rollbacks_shows_them_all_and_stays_until_the_last_is_gone() {
    let mut kept = Kept::new().await;
    for (seq, value) in [(1, "1"), (2, "2"), (3, "3")] {
        let id = seq.to_string();
        kept.admit(&delivery(&id, &[change("f1", "n", &[("a", value)])])).await;
        publish(&mut kept, &id, &[seq], &[(seq, "=a", "0", value)]).await;
    }
    // In between is one that there is not.
    assert_eq!(rolled_back(&mut kept, &[1, 2, 99, 3]).await.made, [4, 5, 6]);
    let shown = async |kept: &Kept| {
        let view =
            kept.reader().delivery("operator", "rollback-4").await.expect("read").expect("it is there");
        view.changes.iter().map(|change| change.seq).collect::<Vec<_>>()
    };
    assert_eq!(shown(&kept).await, [4, 5, 6]);
    publish(&mut kept, "first", &[4], &[]).await;
    kept.effect(Step::Prune { before: now() + SignedDuration::from_hours(1), at_most: 100 }).await;
    assert_eq!(shown(&kept).await, [5, 6]);
}

#[tokio::test]
async fn the_rollback_of_a_list_can_be_rolled_back_however_the_old_list_was_spelt() {
    let mut kept = Kept::new().await;
    let replace = NewChange { mode: flowhook::change::Mode::Replace, ..change("f1", "n", &[("a", "1")]) };
    kept.admit(&delivery("1", &[replace])).await;
    let (old, new) = (r#"[ 7, {"t": 1e1, "name": "b", "value": 2} ]"#, r#"[{"name":"a","value":1}]"#);
    publish(&mut kept, "a", &[1], &[(1, "*", old, new)]).await;
    assert_eq!(rolled_back(&mut kept, &[1]).await.made, [2]);
    publish(&mut kept, "b", &[2], &[(2, "*", new, old)]).await;
    let again = rolled_back(&mut kept, &[2]).await;
    assert_eq!((again.made, again.refused), (vec![3], Vec::new()));
}

#[tokio::test]
async fn what_cannot_be_rolled_back_is_told_with_what_to_do_and_the_others_are() {
    let mut kept = Kept::new().await;
    let replace = NewChange { mode: flowhook::change::Mode::Replace, ..change_of("f1") };
    let changes: Vec<_> =
        (1..=8).map(|seq| if seq == 6 { replace.clone() } else { change_of("f1") }).collect();
    kept.admit(&delivery("1", &changes)).await;
    publish(&mut kept, "a", &[1], &[(1, "=a", "0", "1")]).await;
    publish(&mut kept, "b", &[2], &[(2, "!=a", "-", "1")]).await;
    // A list, and a change on top of it that has no edit of its own.
    let list = |variables: &[(&str, &str)]| {
        let variable = |(name, json): &(&str, &str)| Variable::new(*name, json).expect("JSON");
        to_raw_value(&variables.iter().map(variable).collect::<Vec<_>>()).expect("JSON").to_string()
    };
    publish(&mut kept, "c", &[3, 4], &[(3, "*", "[]", &list(&[("a", "1"), ("b", "2")]))]).await;
    publish(&mut kept, "d", &[6], &[(6, "*", "[7]", &list(&[("a", "1")]))]).await;
    kept.end(5, State::Unchanged, now()).await;
    kept.end(7, State::Published, now()).await;
    let acted = rolled_back(&mut kept, &[1, 2, 3, 4, 5, 6, 7, 8, 99]).await;
    assert_eq!(acted.made, [9, 10], "of 6 and of 1");
    assert_eq!(kept.reader().change(9).await.expect("read").expect("there").rolls_back, Some(6));
    let refused: Vec<_> = acted.refused.iter().map(|refused| (refused.seq, refused.why.as_str())).collect();
    let instead = "send a new delivery for what the flow is to have now.";
    let expected = [
        (99, "There is no change 99.".to_owned()),
        (8, "Change 8 is pending: only published changes can be rolled back.".to_owned()),
        (7, format!("What change 7 replaced is not kept any more: {instead}")),
        (5, "Change 5 is unchanged: only published changes can be rolled back.".to_owned()),
        (
            4,
            format!(
                "Change 4 cannot be rolled back: it was published on top of a new list, and what it replaced in that is not known: {instead}"
            ),
        ),
        (
            3,
            format!(
                "Change 3 cannot be rolled back: other changes were published on top of its list, in one update: {instead}"
            ),
        ),
        (2, format!("Change 2 cannot be rolled back: variable `a` had an entry without a value: {instead}")),
    ];
    assert_eq!(refused, expected.each_ref().map(|(seq, why)| (*seq, why.as_str())));
}

#[tokio::test]
async fn a_rollback_that_cannot_be_is_refused_by_the_api() {
    let deliveries = [delivery("1", &[change_of("f1"), change_of("f1")])];
    let running = Running::over(&deliveries, &[(1, State::Published)], &[]).await;
    let check = async |path: &str, status: u16, detail: &str| {
        assert_problem(&running.post(&format!("/api/changes/{path}")).await, status, detail);
    };
    check("2/rollback", 422, "is pending: only published").await;
    check("1/rollback", 422, "send a new delivery").await;
    check("9/rollback", 404, "no change 9").await;
    check("0/rollback", 400, "`seq`").await;
    check("rollback", 400, "at least one of `state`").await;
    check("rollback?state=failed", 400, "must be published, not `failed`").await;
    check("rollback?since=yesterday", 400, "`since`").await;
    let many = running.post("/api/changes/rollback?state=published").await.json();
    assert_eq!((&many["changes"], &many["refused"][0]["seq"]), (&json!(0), &json!(1)), "{many}");
    let none: Value = running.post("/api/changes/rollback?source=nobody").await.json();
    assert_eq!(none, json!({"changes": 0, "in_flight": 0}));
    running.stop().await;
}
