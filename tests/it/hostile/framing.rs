//! Requests whose end is not where one reader or the other takes it to be: what is ambiguous is refused, and the
//! connection ends with it, so that no part of a body is ever taken for a request.

use crate::harness::World;
use crate::hostile::{UNWANTED, delivery, signed};
use crate::wire::Wire;

/// What is answered 404 where it is taken for a request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
/// What is answered to a body that was taken as it stands, and then to what follows it.
const TAKEN: &[u16] = &[200, 404];

/// Sends a request with what may be smuggled behind it. It gets these answers; where the last of them is not that
/// to [`SMUGGLED`], which nothing follows, the connection is closed.
async fn check(world: &World, what: &str, request: &str, expected: &[u16]) {
    let mut wire = Wire::connect(world.address()).await;
    wire.send(format!("{request}{SMUGGLED}")).await;
    let mut statuses = Vec::new();
    while let Some(answer) = wire.next_answer().await {
        statuses.push(answer.status);
        if statuses.last() == TAKEN.last() {
            break;
        }
    }
    assert_eq!(statuses, expected, "{what}");
}

/// Signed, so that only the framing is at fault; the body's length is as the lines say.
fn framed(lines: &str, body: &str) -> String {
    let headers = signed("msg_1", UNWANTED);
    format!("POST /hooks/config HTTP/1.1\r\nhost: x\r\n{headers}{lines}\r\n{body}")
}

#[tokio::test]
async fn a_body_has_one_length_or_the_connection_ends_there() {
    let world = World::start().await;
    let chunks = format!("{:x}\r\n{UNWANTED}\r\n0\r\n\r\n", UNWANTED.len());
    let check = async |lines: &str, expected| {
        let body = if lines.contains("chunked") { &chunks } else { UNWANTED };
        check(&world, lines, &framed(lines, body), expected).await;
    };
    check("content-length: 23\r\n", TAKEN).await;
    check("content-length: 23\r\ncontent-length: 23\r\n", TAKEN).await;
    check("transfer-encoding: chunked\r\n", TAKEN).await;
    // The chunks count (RFC 9112, section 6.3), and nothing may follow.
    check("content-length: 23\r\ntransfer-encoding: chunked\r\n", &[200]).await;
    check("transfer-encoding: chunked\r\ncontent-length: 5\r\n", &[200]).await;
    for length in ["5\r\ncontent-length: 23", "23, 23", "+23", "-1", "0x17", "99999999999999999999999"] {
        check(&format!("content-length: {length}\r\n"), &[400]).await;
    }
    for coding in ["chunked, gzip", "identity", "xchunked", "\x0bchunked"] {
        check(&format!("transfer-encoding: {coding}\r\n"), &[400]).await;
    }
    check("transfer-encoding : chunked\r\n", &[400]).await;
    check("x: a\r\n b\r\ncontent-length: 23\r\n", &[400]).await; // a line that is folded
    check("x: a\rcontent-length: 5\r\ncontent-length: 23\r\n", &[400]).await;
    check("x: a\0\r\ncontent-length: 23\r\n", &[400]).await;
}

#[tokio::test]
async fn chunks_are_as_long_as_they_say_or_the_connection_ends_there() {
    let world = World::start().await;
    let check = async |size: &str, end: &str, expected| {
        let request = framed("transfer-encoding: chunked\r\n", &format!("{size}\r\n{UNWANTED}\r\n{end}\r\n"));
        check(&world, &format!("{size:.20} {end:.20}"), &request, expected).await;
    };
    check("17", "0\r\n", TAKEN).await;
    check("17;name=\"value\";name", "0;name\r\n", TAKEN).await;
    check(&format!("{}17", "0".repeat(40)), "0\r\n", TAKEN).await;
    check("17", "0\r\nwebhook-id: another\r\n", TAKEN).await; // a trailer changes nothing
    check(&format!("17;{}", "x".repeat(20_000)), "0\r\n", &[400]).await;
    check("17", &format!("0\r\n{}", "x: y\r\n".repeat(5_000)), &[400]).await;
    for size in ["", "5", "+17", "-1", "0x17", "g", "17;a\nb", "17;a\rb", "fffffffffffffffff"] {
        check(size, "0\r\n", &[400]).await;
    }
    let bare = framed("transfer-encoding: chunked\r\n", &format!("17\n{UNWANTED}\n0\n\n"));
    super::framing::check(&world, "lines without CR", &bare, &[400]).await;
}

#[tokio::test]
async fn chunks_are_the_only_transfer_coding() {
    let world = World::start().await;
    let chunks = format!("{:x}\r\n{UNWANTED}\r\n0\r\n\r\n", UNWANTED.len());
    for lines in [
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: gzip, chunked\r\n",
    ] {
        check(&world, lines, &framed(lines, &chunks), &[415, 404]).await;
    }
}

#[tokio::test]
async fn other_protocols_are_turned_away_and_older_ones_are_served() {
    let world = World::start().await;
    let good = delivery("msg_1", UNWANTED);
    let check = async |what, request: &str, expected| check(&world, what, request, expected).await;
    check("HTTP/1.0", &good.replace("HTTP/1.1", "HTTP/1.0"), &[200]).await;
    check("HTTP/1.2", &good.replace("HTTP/1.1", "HTTP/1.2"), &[400]).await;
    check("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[]).await;
    check("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\x7f\x03\x03", &[400]).await;
    let chunked = framed("transfer-encoding: chunked\r\n", "17\r\n").replace("HTTP/1.1", "HTTP/1.0");
    check("chunks in HTTP/1.0", &chunked, &[400]).await;
    let upgrade = good.replacen("host: x", "host: x\r\nupgrade: h2c\r\nconnection: upgrade", 1);
    check("an upgrade", &upgrade, TAKEN).await;
    check("a proxy's form", &good.replacen("/hooks", "http://elsewhere/hooks", 1), TAKEN).await;
    check("empty lines before it", &format!("\r\n\r\n{good}"), TAKEN).await;
}

#[tokio::test]
async fn a_flood_of_headers_is_refused() {
    let world = World::start().await;
    for count in [100, 200, 20_000] {
        let mut wire = Wire::connect(world.address()).await;
        wire.send(framed(&"x: y\r\n".repeat(count), "")).await;
        assert_eq!(wire.answer().await.status, 431, "{count}");
        assert!(wire.is_closed().await, "{count}");
    }
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_their_order() {
    let world = World::start().await;
    let mut wire = Wire::connect(world.address()).await;
    let forged = delivery("msg_1", UNWANTED).replace("nobody", "anybody");
    let forged = forged.replace("content-length: 23", "content-length: 24");
    wire.send([delivery("msg_1", UNWANTED), forged, delivery("msg_2", UNWANTED)].concat()).await;
    for expected in [200, 401, 200] {
        assert_eq!(wire.answer().await.status, expected);
    }
}

#[tokio::test]
async fn who_asks_before_it_sends_is_told_to_go_on() {
    let world = World::start().await;
    let mut wire = Wire::connect(world.address()).await;
    let request = delivery("msg_1", UNWANTED).replacen("host: x", "host: x\r\nexpect: 100-continue", 1);
    let (head, body) = request.split_at(request.len() - UNWANTED.len());
    wire.send(head).await;
    assert_eq!(wire.answer().await.status, 100);
    wire.send(body).await;
    assert_eq!(wire.answer().await.status, 200);
}
