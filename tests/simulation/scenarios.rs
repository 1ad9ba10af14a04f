//! Worlds with one thing the matter, which would take hours on a clock that runs.

use std::time::Duration;

use flowhook::change::State;

use crate::plan::{Plan, Trouble};
use crate::world::{Fate, run};

const HOUR: Duration = Duration::from_secs(3600);

/// Lives through it; nothing may go wrong.
fn fate(plan: Plan) -> Fate {
    let fate = run(1, false, |_chance_has_no_say| plan);
    assert!(fate.violations.is_empty(), "{:#?}", fate.violations);
    fate
}

fn count(fate: &Fate, state: State) -> usize {
    fate.endings.iter().filter(|(ended, _)| *ended == state).count()
}

#[test]
fn after_an_hour_of_a_wrong_client_secret_everything_is_published_and_few_tokens_were_asked_for() {
    let fate = fate(Plan::quiet(5, 100).suffering(Trouble::Secret, HOUR));
    assert_eq!(count(&fate, State::Failed), 0);
    assert!(count(&fate, State::Published) > 0);
    // One a minute at the most, once its pauses have grown, and half as long with the worst of jitter.
    assert!((60..=135).contains(&fate.token_calls), "{} token requests", fate.token_calls);
    println!(
        "{} token requests, {} flow calls, {} changes",
        fate.token_calls,
        fate.flow_calls,
        fate.endings.len()
    );
}

#[test]
fn an_hour_of_nothing_but_429_costs_few_calls_and_no_change() {
    let fate = fate(Plan::quiet(6, 100).suffering(Trouble::Limited, HOUR));
    assert_eq!(count(&fate, State::Failed), 0);
    assert!(fate.flow_calls < 400, "{} calls", fate.flow_calls);
}

#[test]
fn an_hour_without_the_configuration_api_holds_nothing_up_but_thin_changes() {
    let fate = fate(Plan::quiet(3, 60).suffering(Trouble::Config, HOUR));
    assert_eq!(count(&fate, State::Failed), 0);
}

#[test]
fn a_lock_that_is_held_for_more_than_a_day_fails_the_changes_and_tells_who_holds_it() {
    let fate = fate(Plan::quiet(2, 10).suffering(Trouble::Locked, 25 * HOUR));
    let failed: Vec<_> = fate.endings.iter().filter(|(state, _)| *state == State::Failed).collect();
    assert!(!failed.is_empty());
    for (_, reason) in failed {
        let told = reason.starts_with("given up after a day") && reason.contains("locked by Dana");
        assert!(told, "{reason}");
    }
}

#[test]
fn a_lock_that_is_given_back_within_the_day_fails_nothing() {
    let fate = fate(Plan::quiet(2, 10).suffering(Trouble::Locked, 20 * HOUR));
    assert_eq!(count(&fate, State::Failed), 0);
}

#[test]
fn a_tenant_that_is_down_for_more_than_a_day_fails_nothing() {
    for flows in 1..=4 {
        let fate = fate(Plan::quiet(flows, 20).suffering(Trouble::Down, 30 * HOUR));
        assert_eq!(count(&fate, State::Failed), 0, "with {flows} flows: {:?}", fate.endings);
    }
}
