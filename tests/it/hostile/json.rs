//! Genuine bodies whose JSON is meant to break who reads it: what a leaked secret could send.

use crate::event::event;
use crate::harness::{IVR, World};
use crate::hostile::{delivery, send};

/// As deep as fits into the longest body.
const DEPTH: usize = 500_000;

/// A native event with this JSON as its variables.
fn with_config(config: &str) -> String {
    format!(
        r#"{{"type":"config.updated","data":{{"flow_id":"{IVR}","node_id":"node_set_vars","config":{config}}}}}"#
    )
}

/// The three variables, and other members.
fn config(more: &str) -> String {
    format!(r#"{{"routing_priority":"a","queue_target":"b","max_wait_time_seconds":7{more}}}"#)
}

async fn check(world: &World, id: &str, body: &str, expected: u16) {
    assert!(body.len() <= 1_024 * 1_024, "{id}: {} bytes", body.len());
    let answer = send(world, delivery(id, body)).await;
    assert_eq!(answer.status, expected, "{id}: {}", answer.body);
}

#[tokio::test]
async fn deep_json_is_refused_and_the_service_lives() {
    let world = World::start().await;
    let nested = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(DEPTH / 4), "}".repeat(DEPTH / 4));
    check(&world, "open", &"[".repeat(DEPTH), 400).await;
    check(&world, "closed", &nested, 200).await;
    check(&world, "objects", &objects, 200).await;
    check(&world, "config", &with_config(&nested), 422).await;
    let in_variable = config("").replacen(r#""a""#, &nested, 1);
    check(&world, "variable", &with_config(&in_variable), 422).await;
    check(&world, "unknown", &with_config(&config(&format!(r#","more":{nested}"#))), 202).await;
    world.settled().await;
    assert_eq!(world.value(IVR), "7");
}

#[tokio::test]
async fn what_is_there_many_times_or_is_huge_costs_nobody_anything() {
    let world = World::start().await;
    let many = |member: &dyn Fn(usize) -> String, count: usize| {
        (0..count).map(|at| format!(",{}", member(at))).collect::<String>()
    };
    let twice = many(&|_| r#""queue_target":"c""#.to_owned(), 50_000);
    check(&world, "same_key", &with_config(&config(&twice)), 422).await;
    let others = many(&|at| format!(r#""variable_{at}":{at}"#), 30_000);
    check(&world, "other_keys", &with_config(&config(&others)), 202).await;
    let number = |text: &str| with_config(&config("").replacen('7', text, 1));
    check(&world, "digits", &number(&"9".repeat(500_000)), 422).await;
    check(&world, "exponent", &number("1e999999999"), 422).await;
    check(&world, "tiny", &number("1e-999999999"), 422).await;
    check(&world, "no_number", &number("NaN"), 400).await;
    let spaces = " ".repeat(1_000_000);
    check(&world, "spaces", &with_config(&config("")).replacen(':', &format!(":{spaces}"), 1), 202).await;
    let long = format!(r#""{}""#, "\\u0041".repeat(150_000));
    check(&world, "long", &with_config(&config("").replacen(r#""a""#, &long, 1)), 202).await;
    world.settled().await;
    world.ended(&world.deliver(event(IVR, 9)).await).await;
    assert_eq!((world.value(IVR).as_str(), world.count("failed").await), ("9", 0));
}
