//! What the journal keeps for comparing sources with flows: what was last taken from a source, and drift.

use std::sync::Arc;

use flowhook::change::{Admission, NewChange, OrderKey, Seen, State, Values, Variable, Wanted, Work};
use flowhook::journal::{Drift, Drifted, Fetched, Read as _, Step, Target};
use jiff::SignedDuration;

use crate::deliveries::{change, change_of, delivery, flow, now};
use crate::journal::Kept;

/// What was last taken for the route, as `flow node value`.
async fn taken(kept: &Kept, route: &str) -> Vec<String> {
    let taken = kept.reader().taken(route, None, 10).await.expect("read");
    taken.iter().map(|taken| format!("{} {} {}", taken.flow, taken.node, taken.value)).collect()
}

#[tokio::test]
async fn what_was_last_taken_from_a_source_is_kept_by_route_flow_and_node_whatever_becomes_of_it() {
    let mut kept = Kept::new().await;
    let thin = |route: &str, id: &str| {
        let values = Values::Fetch("http://a/".to_owned());
        NewChange { route: Arc::from(route), values, ..change_of(id) }
    };
    let changes = [thin("one", "f1"), thin("one", "f2"), thin("two", "f1")];
    kept.admit(&delivery("1", &changes)).await;
    assert!(taken(&kept, "one").await.is_empty(), "nothing was fetched");
    let variable = |json: &str| Variable::new("a", json).expect("JSON");
    let fetched = Fetched::Values(Values::Known(vec![variable("1.10")]));
    let wanted = Wanted { route: Arc::from("one"), url: "http://a/".to_owned() };
    kept.step(Step::Fetched { wanted, up_to: 3, fetched }).await;
    let list = |json: &str| format!(r#"[{{"name":"a","value":{json}}}]"#);
    assert_eq!(
        taken(&kept, "one").await,
        [format!("f1 n {}", list("1.10")), format!("f2 n {}", list("1.10"))]
    );
    assert!(taken(&kept, "two").await.is_empty(), "what is fetched for one route is not the other's");

    let known = |json: &str| Box::new(Values::Known(vec![variable(json)]));
    let seen = |last: Option<i64>, thin: &[(&str, u64)], taken: Option<i64>| {
        let thin = thin.iter().map(|(route, count)| ((*route).to_owned(), *count)).collect();
        Seen { work: Work { last, is_pending: false, thin }, taken }
    };
    let by = |seen: Seen| {
        let values =
            Values::Taken { url: "http://a/".to_owned(), values: known("2"), taken: known("3"), seen };
        delivery("2", &[change_of("f9"), NewChange { route: Arc::from("one"), values, ..change_of("f1") }])
    };
    let stale = async |kept: &mut Kept, seen: Seen, why: &str| {
        assert_eq!(kept.admit(&by(seen)).await.admission, Admission::Stale, "{why}");
    };
    let waits: &[_] = &[("two", 1)];
    stale(&mut kept, seen(Some(3), waits, Some(1)), "a change with values is pending").await;
    assert_eq!(kept.end(1, State::Superseded, now()).await, 1);
    stale(&mut kept, seen(Some(3), &[], Some(1)), "another route's thin change has come").await;
    stale(&mut kept, seen(Some(3), &[("two", 2)], Some(1)), "one of two has its values").await;
    stale(&mut kept, seen(Some(1), waits, Some(1)), "there is a later change").await;
    stale(&mut kept, seen(Some(3), waits, None), "something was taken since").await;
    assert_eq!(kept.changes().await.len(), 3, "nothing is stored of what rests on something else");
    // Of another node of the flow nothing follows for this one.
    kept.admit(&delivery("3", &[change("f1", "elsewhere", &[("a", "1")])])).await;
    let accepted = kept.admit(&by(seen(Some(3), waits, Some(1)))).await.admission;
    assert_eq!(accepted, Admission::Accepted { changes: 2 });
    stale(&mut kept, seen(Some(3), waits, Some(1)), "it has come already").await;
    assert_eq!(kept.end(6, State::Failed, now()).await, 1);
    let mut kept = kept.reopened().await;
    kept.prune(now() + SignedDuration::from_secs(1)).await;
    assert_eq!(taken(&kept, "one").await, [format!("f1 n {}", list("3")), format!("f2 n {}", list("1.10"))]);
    let (f1, node) = (flow("f1"), change_of("f1").node);
    let behind = kept.reader().taken("one", Some((&f1, &node)), 10).await.expect("read");
    assert_eq!(behind.iter().map(|taken| taken.flow.as_str()).collect::<Vec<_>>(), ["f2"]);
    let change = kept.reader().change(6).await.expect("read").expect("it is there");
    let shown = change.variables.expect("they are known");
    assert_eq!((shown[0].value.get(), change.fetch_url.as_deref()), ("2", Some("http://a/")));
}

#[tokio::test]
async fn drift_is_replaced_node_by_node_and_what_stays_keeps_its_time() {
    let mut kept = Kept::new().await;
    let drift = |name: &str, there: Option<&str>| Drift {
        node: change_of("f1").node,
        target: Target::Variable(name.to_owned()),
        ours: Some("1".to_owned()),
        there: there.map(str::to_owned),
        route: "default".to_owned(),
    };
    let step = |id: &str, found: &[Drift]| Step::Drift {
        flow: flow(id),
        nodes: vec![change_of(id).node],
        found: found.to_vec(),
    };
    let later = now() + SignedDuration::from_secs(60);
    kept.step(step("f1", &[drift("a", None), drift("b", Some("2"))])).await;
    kept.step(step("f2", &[drift("a", None)])).await;
    kept.step_at(later, step("f1", &[drift("b", Some("3")), drift("nul\0", None)])).await;
    let kept = kept.reopened().await;
    let found = kept.reader().drift(None, 10).await.expect("read");
    let expected = |id: &str, drift, since, seen| Drifted { flow: flow(id), drift, since, seen };
    let [b, nul, other] = [
        expected("f1", drift("b", Some("3")), now(), later),
        expected("f1", drift("nul\0", None), later, later),
        expected("f2", drift("a", None), now(), now()),
    ];
    assert_eq!(found, [b.clone(), nul.clone(), other.clone()]);
    assert_eq!(kept.reader().drift_of(&flow("f1")).await.expect("read"), [b.clone(), nul.clone()]);
    let cursor = Some((&b.flow, &b.drift.node, &b.drift.target));
    assert_eq!(kept.reader().drift(cursor, 1).await.expect("read"), [nul]);
    let mut kept = kept;
    kept.step(Step::Drift { flow: flow("f1"), nodes: Vec::new(), found: Vec::new() }).await;
    assert_eq!(kept.reader().drift_of(&flow("f1")).await.expect("read").len(), 2, "no node was looked at");
    kept.step(step("f1", &[])).await;
    assert_eq!(kept.reader().drift(None, 10).await.expect("read"), [other]);
}

#[tokio::test]
async fn what_became_an_older_change_and_is_fetched_later_is_not_what_was_last_taken() {
    let mut kept = Kept::new().await;
    let thin = |url: &str, key: Option<u64>| NewChange {
        values: Values::Fetch(url.to_owned()),
        order_key: key.map(OrderKey::Revision),
        ..change_of("f1")
    };
    kept.admit(&delivery("1", &[thin("http://old/", Some(1)), thin("http://new/", None)])).await;
    kept.admit(&delivery("2", &[thin("http://late/", Some(2))])).await;
    let mut fetch = async |url: &str, json: &str| {
        let fetched = Fetched::Values(Values::Known(vec![Variable::new("a", json).expect("JSON")]));
        let wanted = Wanted { route: Arc::from("default"), url: url.to_owned() };
        kept.step(Step::Fetched { wanted, up_to: 9, fetched }).await;
        let taken = kept.reader().taken("default", None, 10).await.expect("read");
        let [taken] = taken.try_into().expect("one");
        (taken.seq, taken.ended_by_key)
    };
    assert_eq!(fetch("http://new/", "2").await, (2, false));
    assert_eq!(fetch("http://old/", "1").await, (2, false));
    assert_eq!(fetch("http://late/", "3").await, (3, false));
    for (state, by_key) in [(State::Failed, false), (State::Superseded, true)] {
        kept.end(3, state, now()).await;
        let taken = kept.reader().taken("default", None, 10).await.expect("read");
        assert_eq!(taken[0].ended_by_key, by_key, "{state:?}");
        kept.admit(&delivery("2", &[change_of("f1")])).await;
    }
}
