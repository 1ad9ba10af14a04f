//! What a running service says to what senders sign: over HTTP, by a clock that is that of each delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use flowhook::clock::Clock;
use flowhook::sandbox::{self, Sandbox};
use flowhook::service::Service;
use flowhook::settings::{Layers, Settings};
use flowhook::source::{Definition, Scheme, SchemeDefinition, Source, Sources};
use hyper::{HeaderMap, Method};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::event::SECRET;
use crate::mutations::{Mutation, mutations};
use crate::program::client;
use crate::vectors::vectors;

const NOW_S: i64 = 1_780_000_000;
/// An id in every scheme.
const ID: &str = "0123456789abcdef0123456789abcdef";

/// A whole service that receives from any sources, and whose clock can be set.
pub(crate) struct Site {
    service: Service,
    now_s: Arc<AtomicI64>,
    http: reqwest::Client,
    _tenant: Sandbox,
    _folder: tempfile::TempDir,
}

impl Site {
    pub(crate) async fn of(sources: impl IntoIterator<Item = Source>) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let tenant = Sandbox::start(sandbox::Settings::default()).await.expect("a free port");
        let folder = tempfile::tempdir().expect("a folder");
        let journal = format!("sqlite:{}", folder.path().join("journal.db").display());
        let layers = Layers::of([
            ("CXONE_BASE_URL", tenant.base_url().as_str()),
            ("CXONE_CLIENT_ID", tenant.client_id()),
            ("CXONE_CLIENT_SECRET", tenant.client_secret()),
            ("FLOWHOOK_WEBHOOK_SECRET", SECRET),
            ("FLOWHOOK_LISTEN", "127.0.0.1:0"),
            ("FLOWHOOK_ADMIN_LISTEN", "127.0.0.1:0"),
            ("FLOWHOOK_JOURNAL", &journal),
        ]);
        let settings = Settings::service(&layers).expect("settings that can be used");
        let sources = Sources::new(sources).expect("each has a name of its own");
        let now_s = Arc::new(AtomicI64::new(NOW_S));
        let set = Arc::clone(&now_s);
        let clock = Clock::from_fn(move || {
            Timestamp::from_second(set.load(Ordering::Relaxed)).expect("a time of our age")
        });
        let service = Service::start(Settings { sources, ..settings }, clock).await.expect("it starts");
        Self { service, now_s, http: client(), _tenant: tenant, _folder: folder }
    }

    /// One source of each definition, in TOML.
    async fn defined(sources: &[(&str, &str)]) -> Self {
        let define = |(name, toml): &(&str, &str)| {
            let definition: Definition = toml::from_str(toml).expect("a definition");
            definition.source(name, &[]).expect("a good source")
        };
        Self::of(sources.iter().map(define)).await
    }

    pub(crate) async fn send(
        &self,
        source: &str,
        method: Method,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Answer {
        let url = format!("http://{}/hooks/{source}", self.service.address);
        let answer = self.http.request(method, url).headers(headers).body(body).send().await;
        let answer = answer.expect("an answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answer { status, headers, body: answer.text().await.expect("text") }
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

fn lines(lines: &[(&str, &str)]) -> HeaderMap {
    let line =
        |(name, value): &(&str, &str)| (name.parse().expect("a name"), value.parse().expect("a value"));
    lines.iter().map(line).collect()
}

#[tokio::test]
async fn every_vector_gets_its_verdict_from_a_running_service() {
    let vectors = vectors();
    let name = |at: usize| format!("vector-{at}");
    let sources =
        vectors.iter().enumerate().map(|(at, (scheme, vector))| vector.source_named(&name(at), scheme));
    let site = Site::of(sources).await;
    for (at, (scheme, vector)) in vectors.iter().enumerate() {
        site.now_s.store(vector.now, Ordering::Relaxed);
        let answer = site.send(&name(at), Method::POST, vector.headers(), vector.body()).await;
        assert_eq!(answer.status != 401, vector.is_good(), "{scheme:?} {}: {answer:?}", vector.id);
    }
}

/// Every one is held to [`flowhook::source::Source::verify`] elsewhere; here some of each are, over HTTP.
#[tokio::test]
async fn what_was_changed_in_one_place_gets_its_verdict_from_a_running_service() {
    const ONE_IN: usize = 97;
    let vectors: Vec<_> = vectors().into_iter().filter(|(_, vector)| vector.is_good()).collect();
    let name = |at: usize| format!("vector-{at}");
    let sources =
        vectors.iter().enumerate().map(|(at, (scheme, vector))| vector.source_named(&name(at), scheme));
    let site = Site::of(sources).await;
    for (at, (scheme, vector)) in vectors.iter().enumerate() {
        site.now_s.store(vector.now, Ordering::Relaxed);
        for Mutation { what, headers, body, holds } in mutations(scheme, vector).step_by(ONE_IN) {
            let answer = site.send(&name(at), Method::POST, headers, body).await;
            assert_eq!(answer.status != 401, holds, "{scheme:?} {}, {what}: {answer:?}", vector.id);
        }
    }
}

#[derive(Deserialize)]
struct Handshakes {
    handshakes: Vec<Handshake>,
}

#[derive(Deserialize)]
struct Handshake {
    id: String,
    preset: String,
    signed: bool,
    request: Asked,
    response: Told,
}

#[derive(Deserialize)]
struct Asked {
    method: String,
    headers: std::collections::BTreeMap<String, String>,
    body: String,
}

#[derive(Deserialize)]
struct Told {
    status: u16,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    body: String,
}

fn handshakes() -> Vec<Handshake> {
    let file: Handshakes =
        serde_json::from_str(include_str!("../../fixtures/handshakes.json")).expect("it is JSON");
    file.handshakes
}

fn preset(name: &str) -> Source {
    let definition = format!("scheme = {name:?}\nsecrets = [\"c2hhcmVkLXNlY3JldC0wMTIzNDU2Nzg5\"]");
    let definition: Definition = toml::from_str(&definition).expect("a definition");
    definition.source(name, &[]).expect("a good source")
}

impl Handshake {
    /// Asks a source; `signed`, if that is how it is asked.
    async fn ask(&self, site: &Site, to: &str) -> Answer {
        let mut headers: HeaderMap =
            lines(&self.request.headers.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>());
        if self.signed {
            let now = Timestamp::from_second(NOW_S).expect("a time of our age");
            headers.extend(preset(to).sign(ID, now, self.request.body.as_bytes()).expect("it can be signed"));
        }
        let method = self.request.method.parse().expect("a method");
        site.send(to, method, headers, self.request.body.clone().into()).await
    }
}

#[tokio::test]
async fn every_handshake_is_answered_as_its_sender_wants_it() {
    let site = Site::of(Scheme::all().map(|scheme| preset(scheme.name()))).await;
    for handshake in handshakes() {
        let answer = handshake.ask(&site, &handshake.preset).await;
        let Told { status, headers, body } = &handshake.response;
        assert_eq!(answer.status, *status, "{}: {answer:?}", handshake.id);
        for (name, value) in headers {
            assert_eq!(answer.header(name), Some(value.as_str()), "{}: {answer:?}", handshake.id);
        }
        if body.starts_with('{') {
            assert_eq!(&answer.body, body, "{}", handshake.id);
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
}

#[tokio::test]
async fn a_handshake_is_answered_only_where_the_scheme_names_it() {
    let site = Site::of(Scheme::all().map(|scheme| preset(scheme.name()))).await;
    for handshake in handshakes() {
        for scheme in Scheme::all().filter(|scheme| scheme.name() != handshake.preset) {
            let answer = handshake.ask(&site, scheme.name()).await;
            let expected: &[u16] = match (handshake.request.method.as_str(), handshake.signed) {
                ("OPTIONS", _) => &[405],
                // It is a delivery as any other, of nothing that a route wants.
                (_, true) if scheme.name() != "infisical" => &[200],
                _ => &[401],
            };
            assert!(expected.contains(&answer.status), "{} {scheme:?}: {answer:?}", handshake.id);
            assert!(!answer.body.contains("challenge") && !answer.body.contains("validation"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn an_unsigned_handshake_sends_back_nothing_but_a_short_plain_word() {
    let site = Site::of([preset("statsig"), preset("event-grid"), preset("cloudevents")]).await;
    let statsig = async |code: &str| {
        let body = format!(r#"{{"data":{{"event":"url_verification","verification_code":{code}}}}}"#);
        site.send("statsig", Method::POST, HeaderMap::new(), body.into()).await
    };
    assert_eq!(statsig(r#""a_1.B:2-c""#).await.body, r#"{"verification_code":"a_1.B:2-c"}"#);
    assert_eq!(statsig(&format!("\"{}\"", "x".repeat(256))).await.status, 200);
    for code in [r#""""#, r#""<b>""#, r#""a b""#, r#""a\n""#, r#""é""#, "1", "null", "[]"] {
        assert_eq!(statsig(code).await.status, 401, "{code}");
    }
    assert_eq!(statsig(&format!("\"{}\"", "x".repeat(257))).await.status, 401);
    // Valid, and longer than a handshake is.
    let long = format!("\"a\"{}", " ".repeat(64 * 1024));
    assert_eq!(statsig(&long).await.status, 401);
    // Signed, or said to be: then the signature decides.
    let body = br#"{"data":{"event":"url_verification","verification_code":"a"}}"#;
    let headers =
        lines(&[("x-statsig-signature", "v0=00"), ("x-statsig-request-timestamp", "1780000000000")]);
    assert_eq!(site.send("statsig", Method::POST, headers, body.to_vec()).await.status, 401);

    let validation = br#"[{"data":{"validationCode":"a"}}]"#.to_vec();
    let unannounced = site.send("event-grid", Method::POST, HeaderMap::new(), validation.clone()).await;
    assert_eq!(unannounced.status, 401);
    let headers = lines(&[("aeg-event-type", "SubscriptionValidation")]);
    let two = br#"[{"data":{"validationCode":"a"}},{"data":{"validationCode":"b"}}]"#.to_vec();
    assert_eq!(site.send("event-grid", Method::POST, headers.clone(), two).await.status, 401);
    let answer = site.send("event-grid", Method::POST, headers, validation).await;
    assert_eq!(answer.body, r#"{"validationResponse":"a"}"#);

    for origin in ["", "a b", "<script>", "http://x/"] {
        let headers = lines(&[("webhook-request-origin", origin)]);
        assert_eq!(
            site.send("cloudevents", Method::OPTIONS, headers, Vec::new()).await.status,
            405,
            "{origin}"
        );
    }
    let headers = lines(&[("webhook-request-origin", "x.example"), ("webhook-request-rate", "<b>")]);
    let answer = site.send("cloudevents", Method::OPTIONS, headers, Vec::new()).await;
    assert_eq!((answer.status, answer.header("webhook-allowed-rate")), (200, Some("*")));
}

#[tokio::test]
async fn unsigned_handshakes_are_answered_sixty_times_a_minute_while_deliveries_and_other_sources_go_on() {
    let site = Site::of([preset("statsig"), preset("cloudevents")]).await;
    let body = br#"{"data":{"event":"url_verification","verification_code":"a"}}"#;
    let mut told = Vec::new();
    for _ in 0..70 {
        told.push(site.send("statsig", Method::POST, HeaderMap::new(), body.to_vec()).await.status);
    }
    assert_eq!(told.iter().filter(|status| **status == 200).count(), 60, "{told:?}");
    let refused = site.send("statsig", Method::POST, HeaderMap::new(), body.to_vec()).await;
    assert!(refused.status == 503 && refused.header("retry-after").is_some(), "{refused:?}");
    let other = lines(&[("webhook-request-origin", "x.example")]);
    assert_eq!(site.send("cloudevents", Method::OPTIONS, other, Vec::new()).await.status, 200);
    let now = Timestamp::from_second(NOW_S).expect("a time of our age");
    let headers = preset("statsig").sign("unused", now, b"{}").expect("it can be signed");
    assert_eq!(site.send("statsig", Method::POST, headers, b"{}".to_vec()).await.status, 200);
}

const TOKEN: &str = "scheme = \"strapi\"\nsecrets = [\"a-token-that-is-long-enough\"]\n";

fn bearing() -> HeaderMap {
    lines(&[("authorization", "a-token-that-is-long-enough")])
}

#[tokio::test]
async fn a_source_takes_the_methods_that_it_names_and_no_other() {
    let get = format!("{TOKEN}methods = [\"PUT\", \"GET\"]");
    let site = Site::defined(&[("usual", TOKEN), ("other", &get)]).await;
    for (source, allowed) in [("usual", "POST"), ("other", "PUT, GET")] {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::GET, Method::DELETE, Method::OPTIONS]
        {
            let answer = site.send(source, method.clone(), bearing(), Vec::new()).await;
            if allowed.split(", ").any(|name| name == method.as_str()) {
                assert_eq!(answer.status, 400, "it is verified, and no JSON: {answer:?}");
            } else {
                assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{method}");
            }
        }
    }
    assert_eq!(site.send("other", Method::GET, bearing(), b"{}".to_vec()).await.status, 413);
    assert_eq!(site.send("other", Method::PUT, bearing(), b"{}".to_vec()).await.status, 200);
}

#[tokio::test]
async fn a_source_has_a_body_limit_of_its_own() {
    let (short, long) = (format!("{TOKEN}body_bytes = 10"), format!("{TOKEN}body_bytes = 3145728"));
    let site = Site::defined(&[("short", &short), ("usual", TOKEN), ("long", &long)]).await;
    for (source, limit) in [("short", 10), ("usual", 1_048_576), ("long", 3_145_728)] {
        let body = |bytes: usize| [b"{}".to_vec(), vec![b' '; bytes - 2]].concat();
        assert_eq!(site.send(source, Method::POST, bearing(), body(limit)).await.status, 200, "{source}");
        assert_eq!(site.send(source, Method::POST, bearing(), body(limit + 1)).await.status, 413, "{source}");
    }
}

#[tokio::test]
async fn what_is_rejected_is_success_to_a_sender_that_would_give_up_otherwise() {
    let quiet = format!("{TOKEN}rejected = 200");
    let site = Site::defined(&[("loud", TOKEN), ("quiet", &quiet)]).await;
    let unfit = br#"{"type":"config.updated","data":{"config":{"max_wait_time_seconds":"soon"}}}"#;
    for (body, status) in [(&b"not JSON"[..], 400), (unfit, 422)] {
        assert_eq!(site.send("loud", Method::POST, bearing(), body.to_vec()).await.status, status);
        let answer = site.send("quiet", Method::POST, bearing(), body.to_vec()).await;
        let told = answer.json();
        assert_eq!((answer.status, &told["status"]), (200, &"rejected".into()), "{answer:?}");
        let id = told["id"].as_str().expect("an id");
        let url = format!("http://{}/api/deliveries/quiet/{id}", site.service.admin_address);
        let kept: Value = site.http.get(url).send().await.expect("an answer").json().await.expect("JSON");
        assert_eq!(kept["state"], "rejected");
    }
    assert_eq!(site.send("quiet", Method::POST, HeaderMap::new(), b"{}".to_vec()).await.status, 401);
}

#[tokio::test]
async fn a_source_has_a_tolerance_of_its_own() {
    let of =
        |tolerance: &str| format!("scheme = \"standard-webhooks\"\nsecrets = [\"{SECRET}\"]\n{tolerance}");
    let (usual, narrow, wide) = (of(""), of("tolerance_seconds = 1"), of("tolerance_seconds = 86400"));
    let site = Site::defined(&[("usual", &usual), ("narrow", &narrow), ("wide", &wide)]).await;
    for (source, tolerance_s) in [("usual", 300), ("narrow", 1), ("wide", 86_400)] {
        for (age_s, status) in [(tolerance_s, 200), (tolerance_s + 1, 401)] {
            let at = Timestamp::from_second(NOW_S - age_s).expect("a time of our age");
            let scheme = Scheme::standard_webhooks();
            let secret = flowhook::source::Secret::parse(&scheme, SECRET).expect("a good secret");
            let headers = scheme.sign(&secret, "msg_1", at, b"{}").expect("it can be signed");
            let answer = site.send(source, Method::POST, headers, b"{}".to_vec()).await;
            assert_eq!(answer.status, status, "{source}, {age_s} s");
        }
    }
}

#[tokio::test]
async fn a_scheme_of_ones_own_is_as_good_as_a_preset() {
    let definition: SchemeDefinition = toml::from_str(
        r#"
        algorithm = "hmac-sha512"
        key = "hex"
        header = ["X-Acme-Signature", "x-acme-old"]
        separator = ","
        prefix = "v1="
        encoding = "base64url"
        content = "{timestamp}:{id};{body}"
        timestamp = { item = "at=", unit = "ms" }
        id = { header = "X-Acme-Id" }
        accepted = 200
        "#,
    )
    .expect("a definition");
    let acme = Scheme::custom("acme", &definition).expect("a good scheme");
    let source: Definition =
        toml::from_str("scheme = \"acme\"\nsecrets = [\"00112233445566778899aabbccddeeff0011223344556677\"]")
            .expect("a definition");
    let source = || source.source("acme", std::slice::from_ref(&acme)).expect("a good source");
    let site = Site::of([source()]).await;
    let now = Timestamp::from_second(NOW_S).expect("a time of our age");
    let body = br#"{"type":"config.updated","data":{"flow_id":"f1","node_id":"n1","config":{"routing_priority":"a","queue_target":"b","max_wait_time_seconds":1}}}"#;
    let headers = source().sign("id-1", now, body).expect("it can be signed");
    let names: Vec<&str> = headers.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["x-acme-id", "x-acme-signature"]);
    let answer = site.send("acme", Method::POST, headers.clone(), body.to_vec()).await;
    assert_eq!((answer.status, &answer.json()["id"]), (200, &"id-1".into()), "{answer:?}");
    assert_eq!(site.send("acme", Method::POST, headers, b"{}".to_vec()).await.status, 401);
}
