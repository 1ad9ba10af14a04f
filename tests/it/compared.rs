//! What the journal keeps for comparing sources with flows: what was last taken from a source, and drift.

use std::sync::Arc;

use flowhook::change::{NewChange, State, Values, Variable};
use flowhook::journal::{Drift, Drifted, Fetched, Read as _, Step, Target};
use jiff::SignedDuration;

use crate::deliveries::{change_of, delivery, flow, now};
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
    let fetched = Fetched::Values(vec![variable("1.10")]);
    kept.step(Step::Fetched { url: "http://a/".to_owned(), up_to: 2, fetched }).await;
    let list = |json: &str| format!(r#"[{{"name":"a","value":{json}}}]"#);
    assert_eq!(
        taken(&kept, "one").await,
        [format!("f1 n {}", list("1.10")), format!("f2 n {}", list("1.10"))]
    );
    assert!(taken(&kept, "two").await.is_empty(), "its change came too late for that fetch");

    let values = Box::new(Values::Known(vec![variable("2")]));
    let values = Values::Taken { url: "http://a/".to_owned(), values };
    kept.admit(&delivery("2", &[NewChange { route: Arc::from("one"), values, ..change_of("f1") }])).await;
    assert_eq!(kept.end(4, State::Failed, now()).await, 1);
    let mut kept = kept.reopened().await;
    kept.prune(now() + SignedDuration::from_secs(1)).await;
    assert_eq!(taken(&kept, "one").await, [format!("f1 n {}", list("2")), format!("f2 n {}", list("1.10"))]);
    let (f1, node) = (flow("f1"), change_of("f1").node);
    let behind = kept.reader().taken("one", Some((&f1, &node)), 10).await.expect("read");
    assert_eq!(behind.iter().map(|taken| taken.flow.as_str()).collect::<Vec<_>>(), ["f2"]);
    let change = kept.reader().change(4).await.expect("read").expect("it is there");
    let shown = change.variables.expect("they are known");
    assert_eq!((shown[0].value.get(), change.fetch_url.as_deref()), ("2", Some("http://a/")));
}

#[tokio::test]
async fn drift_is_replaced_flow_by_flow_and_what_stays_keeps_its_time() {
    let mut kept = Kept::new().await;
    let drift = |name: &str, there: Option<&str>| Drift {
        node: change_of("f1").node,
        target: Target::Variable(name.to_owned()),
        ours: Some("1".to_owned()),
        there: there.map(str::to_owned),
        route: "default".to_owned(),
    };
    let step = |id: &str, found: &[Drift]| Step::Drift { flow: flow(id), found: found.to_vec() };
    let later = now() + SignedDuration::from_secs(60);
    kept.step(step("f1", &[drift("a", None), drift("b", Some("2"))])).await;
    kept.step(step("f2", &[drift("a", None)])).await;
    kept.step_at(later, step("f1", &[drift("b", Some("3")), drift("nul\0", None)])).await;
    let kept = kept.reopened().await;
    let found = kept.reader().drift(None, 10).await.expect("read");
    let expected = |id: &str, drift, since| Drifted { flow: flow(id), drift, since };
    let [b, nul, other] = [
        expected("f1", drift("b", Some("3")), now()),
        expected("f1", drift("nul\0", None), later),
        expected("f2", drift("a", None), now()),
    ];
    assert_eq!(found, [b.clone(), nul.clone(), other.clone()]);
    assert_eq!(kept.reader().drift_of(&flow("f1")).await.expect("read"), [b.clone(), nul.clone()]);
    let cursor = Some((&b.flow, &b.drift.node, &b.drift.target));
    assert_eq!(kept.reader().drift(cursor, 1).await.expect("read"), [nul]);
    let mut kept = kept;
    kept.step(step("f1", &[])).await;
    assert_eq!(kept.reader().drift(None, 10).await.expect("read"), [other]);
}
