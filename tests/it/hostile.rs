//! Senders that mean harm: what each of them gets, and that the good sender is served meanwhile.

mod bodies;
mod crowds;
mod framing;
mod json;
mod paths;
mod replays;
mod slowhttptest;

use flowhook::source::{Scheme, Secret, Source};
use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::event::{SECRET, SOURCE};
use crate::harness::World;
use crate::wire::{Answer, Wire};

/// A body that no route wants: where it is answered 200, the request was taken as the sender meant it.
const UNWANTED: &str = r#"{"type":"nobody.asked"}"#;

/// The lines of the headers that the configuration system sends with this body.
fn signed(id: &str, body: &str) -> String {
    let secret = Secret::parse(&Scheme::standard_webhooks(), SECRET).expect("a good secret");
    let source = Source::new(SOURCE, Scheme::standard_webhooks(), vec![secret]).expect("a good source");
    let headers = source.sign(id, Timestamp::now(), body.as_bytes()).expect("it can be signed");
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}\r\n", value.to_str().expect("ASCII"))
    };
    headers.iter().map(line).collect()
}

/// A request with these lines of headers, its length declared.
fn post(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// A delivery as it should be.
fn delivery(id: &str, body: &str) -> String {
    post("/hooks/config", &signed(id, body), body)
}

/// Sends bytes on a connection of their own; the answer to them.
async fn send(world: &World, bytes: impl AsRef<[u8]>) -> Answer {
    let mut wire = Wire::connect(world.address()).await;
    wire.send(bytes).await;
    wire.answer().await
}
