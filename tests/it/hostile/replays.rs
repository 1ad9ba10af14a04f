//! Requests that somebody recorded on their way, sent again as they were or with other parts.

use serde_json::json;

use crate::event::{VARIABLES, event};
use crate::harness::{IVR, World};
use crate::hostile::{UNWANTED, delivery, post, send, signed};

#[tokio::test]
async fn a_request_that_was_recorded_does_nothing_the_second_time() {
    let world = World::start().await;
    let body = json!({"type": "config.updated", "data": {"flow_id": IVR, "node_id": "node_set_vars",
        "config": {VARIABLES[0]: "a", VARIABLES[1]: "b", VARIABLES[2]: 1}}});
    let recorded = delivery("msg_recorded", &body.to_string());
    assert_eq!(send(&world, &recorded).await.status, 202);
    world.ended(&world.deliver(event(IVR, 2)).await).await;
    for _ in 0..3 {
        let again = send(&world, &recorded).await;
        assert_eq!((again.status, &again.json()["status"]), (200, &json!("duplicate")));
    }
    world.settled().await;
    assert_eq!((world.value(IVR).as_str(), world.changes().await.len()), ("2", 2));
}

#[tokio::test]
async fn no_part_of_a_recorded_request_can_be_another() {
    let world = World::start().await;
    let (headers, others) = (signed("msg_1", UNWANTED), signed("msg_2", UNWANTED));
    let check = async |what: &str, headers: &str, body: &str| {
        let answer = send(&world, post("/hooks/config", headers, body)).await;
        assert_eq!(answer.status, 401, "{what}");
    };
    let without = |name: &str, lines: &str| {
        let lines = lines.split_inclusive('\n').filter(|line| !line.starts_with(name));
        lines.collect::<String>()
    };
    let only = |name: &str, lines: &str| {
        let lines = lines.split_inclusive('\n').filter(|line| line.starts_with(name));
        lines.collect::<String>()
    };
    check("another id", &headers.replace("msg_1", "msg_3"), UNWANTED).await;
    check("no id", &without("webhook-id", &headers), UNWANTED).await;
    check("a second id", &format!("{headers}webhook-id: msg_3\r\n"), UNWANTED).await;
    check("another time", &headers.replace("timestamp: 1", "timestamp: 2"), UNWANTED).await;
    check("another body", &headers, r#"{"type":"nobody asked"}"#).await;
    check("a longer body", &headers, &format!("{UNWANTED} ")).await;
    check("a shorter body", &headers, &UNWANTED[..UNWANTED.len() - 1]).await;
    let of_another = without("webhook-signature", &headers) + &only("webhook-signature", &others);
    check("the signature of another", &of_another, UNWANTED).await;
    check("a second signature line", &(headers.clone() + &only("webhook-signature", &others)), UNWANTED)
        .await;
    let id_in_time = headers.replace("webhook-id: msg_1", "webhook-id: msg_1.1");
    check("a dot in the id", &id_in_time, UNWANTED).await;
    assert_eq!(send(&world, post("/hooks/config", &headers, UNWANTED)).await.status, 200);
}
