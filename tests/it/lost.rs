//! PUTs whose answer is lost or says nothing: whether they landed is found out by reading.

use std::time::Duration;

use flowhook::sandbox::{By, Call, Canned, Fault, FaultKind, Human, Landing, SAMPLE_NODE, Sandbox};

use crate::event::event;
use crate::harness::{IVR, World};
use crate::patience::eventually;

/// Whether a fault saves what was PUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Saved {
    Yes,
    No,
}

/// A PUT meets the fault: its change is published, once, and noted as confirmed by reading if it landed.
async fn check(fault: FaultKind, saved: Saved) {
    let world = World::start().await;
    world.tenant.fault(Fault::put(fault.clone()));
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.ended(&id).await;
    assert_eq!((change.state.as_str(), change.version()), ("published", "15"), "{fault:?}: {change:?}");
    assert_eq!(change.reason.contains("confirmed by reading"), saved == Saved::Yes, "{fault:?}: {change:?}");
    let calls = world.tenant.calls();
    let puts = if saved == Saved::Yes { 1 } else { 2 };
    assert_eq!((calls.put, calls.commits, calls.conflicts), (puts, 1, 0), "{fault:?}");
    world.judge().await;
}

#[tokio::test]
async fn a_put_that_landed_without_an_answer_is_confirmed_by_reading() {
    tokio::join!(
        check(FaultKind::ResetAfterCommit, Saved::Yes),
        check(FaultKind::CommitThen(Canned::status(500)), Saved::Yes),
        check(FaultKind::CommitThen(Canned::status(502).body("<html>")), Saved::Yes),
        check(FaultKind::CommitThenHang(Duration::from_millis(50)), Saved::Yes),
        check(FaultKind::TruncatedBody, Saved::Yes),
        check(FaultKind::Empty, Saved::Yes),
        check(FaultKind::Accepted(Landing::Now), Saved::Yes),
        check(FaultKind::CommitThen(Canned::status(200).json("{}")), Saved::Yes),
        check(FaultKind::CommitThen(Canned::status(201)), Saved::Yes),
        check(FaultKind::CommitThen(Canned::status(200)), Saved::Yes),
        check(FaultKind::CommitThen(Canned::status(206).json(r#"{"warnings":["no prompt"]}"#)), Saved::Yes),
        check(FaultKind::CommitThen(Canned::status(504).body("<html>")), Saved::Yes),
    );
}

#[tokio::test]
async fn a_put_that_landed_has_not_failed_because_the_flow_is_not_found_once() {
    let world = World::start().await;
    world.tenant.fault(Fault::put(FaultKind::Accepted(Landing::Now)));
    world.tenant.fault(Fault::get(FaultKind::Status(Canned::status(404))).after(1).times(1));
    let change = world.ended(&world.deliver(event(IVR, 1)).await).await;
    assert_eq!((change.state.as_str(), change.version()), ("published", "15"), "{change:?}");
    assert!(change.reason.contains("confirmed by reading"), "{change:?}");
    assert_eq!(world.tenant.calls().put, 1);
    world.judge().await;
}

#[tokio::test]
async fn a_put_that_did_not_land_is_made_again() {
    tokio::join!(
        check(FaultKind::ResetBefore, Saved::No),
        check(FaultKind::Hang(Duration::from_millis(50)), Saved::No),
        check(FaultKind::Status(Canned::status(500)), Saved::No),
        check(FaultKind::Status(Canned::status(504).body("<html>")), Saved::No),
        check(FaultKind::Status(Canned::status(200).json(r#"{"flow":{"ver"#)), Saved::No),
        check(FaultKind::NotJson, Saved::No),
        check(FaultKind::Accepted(Landing::Never), Saved::No),
    );
}

#[tokio::test]
async fn a_change_that_the_tenant_takes_and_drops_is_not_called_published() {
    let world = World::start().await;
    world.tenant.fault(Fault::put(FaultKind::SilentDrop));
    let id = world.deliver(event(IVR, 1)).await;
    let change = world.waiting(&id).await;
    assert!(change.reason.contains("shows the flow without it"), "{change:?}");
    assert_eq!(world.value(IVR), "120");
    let change = world.ended(&id).await;
    assert_eq!((change.state.as_str(), change.version()), ("published", "16"), "{change:?}");
    assert_eq!(world.value(IVR), "1");
    world.judge_conduct();
}

#[tokio::test]
async fn a_lost_put_that_cannot_be_looked_up_says_what_it_waits_for_also_after_a_restart() {
    let mut world = World::start().await;
    world.tenant.fault(Fault::put(FaultKind::ResetAfterCommit));
    world.tenant.fault(Fault::get(FaultKind::Status(Canned::status(500))).after(1).forever());
    let id = world.deliver(event(IVR, 1)).await;
    world.waiting(&id).await;
    world.restart().await;
    let told = async || Some(world.change(&id).await).filter(|change| change.reason.contains("500"));
    assert_eq!(eventually(told).await.state, "pending");
    world.tenant.clear_faults();
    let change = world.ended(&id).await;
    assert_eq!((change.state.as_str(), change.version()), ("published", "15"), "{change:?}");
    world.judge().await;
}

#[tokio::test]
async fn a_lost_put_is_decided_by_reading_before_anything_newer_is_folded() {
    for (fault, landed) in [(FaultKind::ResetAfterCommit, true), (FaultKind::ResetBefore, false)] {
        let world = World::start().await;
        let hold = world.tenant.hold(IVR);
        world.tenant.fault(Fault::put(fault));
        let first = world.deliver(event(IVR, 1)).await;
        world.flow_calls(IVR, 2).await;
        let second = world.deliver(event(IVR, 2)).await;
        hold.release();
        world.settled().await;
        let (first, second) = (world.change(&first).await, world.change(&second).await);
        let ended = [first.state.as_str(), first.version(), second.state.as_str(), second.version()];
        if landed {
            assert_eq!(ended, ["published", "15", "published", "16"]);
        } else {
            assert_eq!(ended, ["superseded", "", "published", "15"]);
        }
        let about_ivr = |call: &Call| call.flow().is_some();
        let requests = world.tenant.record().requests;
        let calls = requests.iter().map(|request| &request.call).filter(|call| about_ivr(call));
        let calls: String = calls.map(|call| if matches!(call, Call::Get(_)) { 'G' } else { 'P' }).collect();
        assert_eq!(calls, "GPGP", "the flow is read before the second PUT, and not blindly put again");
        world.judge().await;
    }
}

#[tokio::test]
async fn a_lost_put_that_landed_is_confirmed_though_a_person_has_saved_since() {
    let world = World::start().await;
    world.tenant.fault(Fault::put(FaultKind::ResetAfterCommit));
    let id = world.deliver(event(IVR, 1)).await;
    world.tenant.wait_until(|tenant| tenant.calls().commits == 1).await.unwrap();
    world.tenant.edit(IVR, &Human::set("node_hours", "holiday", "true")).unwrap();
    let change = world.ended(&id).await;
    assert_eq!((change.state.as_str(), change.version()), ("published", "16"));
    assert!(change.reason.contains("confirmed by reading"), "{change:?}");
    assert_eq!(world.tenant.calls().commits, 1);
    world.judge().await;
}

#[tokio::test]
async fn a_lost_put_whose_values_a_person_has_changed_since_is_published_again() {
    let world = World::start().await;
    world.tenant.fault(Fault::put(FaultKind::ResetAfterCommit));
    let id = world.deliver(event(IVR, 1)).await;
    world.tenant.wait_until(|tenant| tenant.calls().commits == 1).await.unwrap();
    world.tenant.edit(IVR, &Human::set(SAMPLE_NODE, "max_wait_time_seconds", "90")).unwrap();
    let change = world.ended(&id).await;
    assert_eq!((change.state.as_str(), change.version()), ("published", "17"));
    assert_eq!(world.value(IVR), "1");
    world.judge_conduct();
}

#[tokio::test]
async fn a_put_that_lands_late_cannot_undo_what_was_published_since() {
    let world = World::start().await;
    // As a rule it comes when the lane has backed off for a second and published the newer value.
    world.tenant.fault(Fault::put(FaultKind::LateCommit(Duration::from_millis(2500))));
    world.deliver(event(IVR, 1)).await;
    world.flow_calls(IVR, 2).await;
    let newer = world.deliver(event(IVR, 2)).await;
    assert_eq!(world.ended(&newer).await.state, "published");
    let came = |tenant: &Sandbox| tenant.calls().late_refused + tenant.calls().commits == 2;
    world.tenant.wait_until(came).await.unwrap();
    assert_eq!(world.value(IVR), "2");
    world.settled().await;
    world.judge_conduct();
}

#[tokio::test]
async fn a_put_that_lands_late_cannot_undo_what_needed_no_put_since() {
    let world = World::start().await;
    let id = world.deliver(event(IVR, 1)).await;
    world.ended(&id).await;
    world.tenant.fault(Fault::put(FaultKind::LateCommit(Duration::from_millis(2500))));
    world.deliver(event(IVR, 2)).await;
    world.flow_calls(IVR, 3).await;
    // The flow has its value, as the PUT has not landed yet.
    let newer = world.deliver(event(IVR, 1)).await;
    assert_eq!(world.ended(&newer).await.state, "unchanged");
    world.tenant.wait_until(|tenant| tenant.calls().late_refused == 1).await.unwrap();
    assert_eq!(world.value(IVR), "1");
    world.judge_conduct();
}

#[tokio::test]
async fn a_put_that_lands_late_is_not_made_twice() {
    for fault in [
        FaultKind::LateCommit(Duration::from_millis(300)),
        FaultKind::Accepted(Landing::Later(Duration::from_millis(300))),
    ] {
        let world = World::start().await;
        world.tenant.fault(Fault::put(fault));
        let id = world.deliver(event(IVR, 1)).await;
        let change = world.ended(&id).await;
        // If it was read too early, the change finds its own values there.
        assert!(["published", "unchanged"].contains(&change.state.as_str()), "{change:?}");
        let commits = world.tenant.record().commits;
        assert_eq!(commits.iter().filter(|commit| commit.by != By::Human).count(), 1);
        assert_eq!(world.value(IVR), "1");
        world.judge_conduct();
    }
}

#[tokio::test]
async fn a_lost_put_stays_undecided_until_the_flow_can_be_read() {
    async fn check(fault: FaultKind) {
        let world = World::start().await;
        world.tenant.fault(Fault::put(fault));
        world.tenant.fault(Fault::get(FaultKind::Status(Canned::status(500))).after(1));
        let id = world.deliver(event(IVR, 1)).await;
        world.flow_calls(IVR, 3).await;
        let newer = world.deliver(event(IVR, 2)).await;
        world.settled().await;
        let (change, newer) = (world.change(&id).await, world.change(&newer).await);
        assert_eq!((change.state.as_str(), change.version()), ("published", "15"));
        assert_eq!((newer.state.as_str(), newer.version()), ("published", "16"));
        assert_eq!(world.tenant.faults_waiting(), 0);
        world.judge().await;
    }
    tokio::join!(check(FaultKind::ResetAfterCommit), check(FaultKind::Empty));
}

#[tokio::test]
async fn every_ending_of_a_lost_put_comes_with_its_confirmation() {
    let world = World::start().await;
    let hold = world.busy(IVR).await;
    let missing = world.deliver(event(IVR, 2).on("node_gone")).await;
    let beaten = world.deliver(event(IVR, 2)).await;
    let winner = world.deliver(event(IVR, 3)).await;
    world.tenant.fault(Fault::put(FaultKind::ResetAfterCommit).after(1));
    hold.release();
    world.settled().await;
    for (id, state) in [(missing, "failed"), (beaten, "superseded"), (winner, "published")] {
        assert_eq!(world.change(&id).await.state, state);
    }
    assert_eq!(world.tenant.calls().put, 2);
    world.judge().await;
}

#[tokio::test]
async fn a_read_that_is_behind_our_own_put_calls_nothing_unchanged() {
    let world = World::start().await;
    let first = world.deliver(event(IVR, 1)).await;
    world.ended(&first).await;
    let hold = world.tenant.hold(IVR);
    let puts = world.tenant.calls().put;
    world.deliver(event(IVR, 2)).await;
    world.tenant.wait_until(|tenant| tenant.calls().put > puts).await.expect("it publishes");
    world.deliver(event(IVR, 9).on("node_gone")).await;
    let back = world.deliver(event(IVR, 1)).await;
    world.tenant.fault(Fault::get(FaultKind::StaleRead));
    hold.release();
    world.settled().await;
    assert_eq!(world.tenant.faults_waiting(), 0, "it read");
    assert_eq!(world.value(IVR), "1", "{:?}", world.change(&back).await);
}
