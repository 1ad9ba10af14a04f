//! What it costs to check who signed a delivery and to judge what it says. Each request pays the first, a forged one
//! too; each genuine one pays both, and while secrets rotate the first once for each secret.
//!
//! `cargo bench --bench verification`

#[path = "shared/event.rs"]
mod event;

use std::hint::black_box;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use ed25519_dalek::{Signer as _, SigningKey};
use flowhook::route::{self, Event, Judgement, Routes};
use flowhook::source::{Scheme, Secret, Source};
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;

use event::{USUAL_BYTES, event};

/// A usual event, one of a careless sender, and the longest that is taken where nothing else is said.
const BODY_BYTES: [usize; 3] = [USUAL_BYTES, 16 * 1_024, 1_024 * 1_024];
/// The flow that every event is for.
const FLOW: &str = "a1b2c3d4-0001-4000-8000-000000000001";
const NOW_S: i64 = 1_780_000_000;
/// Both are secrets of every scheme here.
const SECRETS: [&str; 2] = ["C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let shared = |scheme: &str, secrets: &[&str]| of_shared_secrets(scheme, secrets);
    bench(&mut criterion, "standard-webhooks", |body| {
        shared("standard-webhooks", &SECRETS[1..]).signing(body)
    });
    bench(&mut criterion, "standard-webhooks, two secrets", |body| {
        // The last one signs: nobody finds out which it is before all are tried.
        let headers = shared("standard-webhooks", &SECRETS[1..]).signing(body).headers;
        Sender { headers, ..shared("standard-webhooks", &SECRETS).signing(body) }
    });
    bench(&mut criterion, "github", |body| shared("github", &SECRETS[1..]).signing(body));
    bench(&mut criterion, "gitlab-token", |body| shared("gitlab-token", &SECRETS[1..]).signing(body));
    bench(&mut criterion, "ed25519", asymmetric);
    criterion.final_summary();
}

/// Somebody who sends one delivery, and our side of it.
struct Sender {
    source: Source,
    headers: HeaderMap,
}

struct Unsigned(Source);

impl Unsigned {
    fn signing(self, body: &[u8]) -> Sender {
        let headers = self.0.sign("msg_1", now(), body).expect("it can be signed");
        Sender { source: self.0, headers }
    }
}

fn of_shared_secrets(scheme: &str, secrets: &[&str]) -> Unsigned {
    let scheme = Scheme::parse(scheme).expect("a preset");
    let secret = |text: &&str| Secret::parse(&scheme, text).expect("a good secret");
    let secrets = secrets.iter().map(secret).collect();
    Unsigned(Source::new("config", scheme, secrets).expect("a good source"))
}

/// A sender that signs with a private key, as Standard Webhooks lets it.
fn asymmetric(body: &[u8]) -> Sender {
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = format!("whpk_{}", BASE64_STANDARD.encode(key.verifying_key()));
    let Unsigned(source) = of_shared_secrets("standard-webhooks", &[&public]);
    let signed = [format!("msg_1.{NOW_S}.").as_bytes(), body].concat();
    let signature = format!("v1a,{}", BASE64_STANDARD.encode(key.sign(&signed).to_bytes()));
    let line = |name, value: &str| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header's value"))
    };
    let headers = [
        line("webhook-id", "msg_1"),
        line("webhook-timestamp", &NOW_S.to_string()),
        line("webhook-signature", &signature),
    ];
    Sender { source, headers: headers.into_iter().collect() }
}

/// Measures both, for every length of body.
fn bench(criterion: &mut Criterion, scheme: &str, sender: impl Fn(&[u8]) -> Sender) {
    let routes = Routes::new(route::Settings::default());
    let mut group = criterion.benchmark_group(scheme);
    for bytes in BODY_BYTES {
        let body = Bytes::from(event("2026-01-05T06:00:00Z", FLOW, "node_set_vars", 30, bytes));
        let Sender { source, headers } = sender(&body);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::from_parameter(bytes), |bencher| {
            bencher.iter_batched(
                || (headers.clone(), body.clone()),
                |(headers, body)| assert_wanted(&routes, &source, headers, body),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// What the service does with a request between its last byte and the queue.
fn assert_wanted(routes: &Routes, source: &Source, headers: HeaderMap, body: Bytes) {
    let verified = source.verify(black_box(headers), body, now()).expect("it verifies");
    let event = Event {
        source: verified.source(),
        headers: verified.headers(),
        body: verified.body(),
        at: verified.received_at(),
    };
    assert!(matches!(black_box(routes.judge(&event)), Judgement::Changes(_)));
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW_S).expect("a time of our age")
}
