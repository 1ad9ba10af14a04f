//! The practice tenant over real HTTP: what it answers, how it fails, and what it notices.

use std::time::{Duration, Instant};

use flowhook::sandbox::{
    By, Call, Canned, ClientAuth, DESIGNER_VARIABLE, End, ExpiresIn, Fault, FaultKind, Human, Landing, Limit,
    On, SAMPLE_NODE, Sandbox, Settings, large_flow, sample_flow,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A practice tenant with the flow `ivr` at version 14, and a client with a token.
struct Practice {
    tenant: Sandbox,
    client: Client,
    token: String,
}

impl Practice {
    async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        // reqwest is built without a TLS provider of its own; the second and later calls change nothing.
        rustls::crypto::ring::default_provider().install_default().ok();
        let tenant = Sandbox::start(settings).await.expect("a free port");
        tenant.add_flow("ivr", &sample_flow("ivr", "Support line")).expect("the sample is a flow");
        let client = Client::builder().no_proxy().build().expect("a provider is installed");
        let mut practice = Self { tenant, client, token: String::new() };
        practice.token = practice.new_token().await;
        practice
    }

    fn ask_token(&self, id: &str, secret: &str) -> RequestBuilder {
        let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
        self.client.post(format!("{}/oauth/token", self.tenant.base_url())).form(&form)
    }

    async fn new_token(&self) -> String {
        let asked = self.ask_token(self.tenant.client_id(), self.tenant.client_secret());
        let answer: Value = asked.send().await.expect("an answer").json().await.expect("JSON");
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    fn url(&self, flow: &str) -> String {
        format!("{}/api/v2/flows/{flow}", self.tenant.base_url())
    }

    fn get(&self, flow: &str) -> RequestBuilder {
        self.client.get(self.url(flow)).bearer_auth(&self.token)
    }

    fn put(&self, flow: &str, text: impl Into<String>) -> RequestBuilder {
        self.client.put(self.url(flow)).bearer_auth(&self.token).body(text.into())
    }

    /// The flow `ivr` as it is held.
    fn held(&self) -> String {
        self.tenant.flow("ivr").expect("it was added")
    }

    fn version(&self) -> String {
        self.tenant.version("ivr").expect("it was added")
    }

    /// Reads `ivr`, replaces `from` by `to` in it and puts it back.
    async fn publish(&self, from: &str, to: &str) -> Response {
        let read = self.get("ivr").send().await.expect("an answer").text().await.expect("text");
        assert!(read.contains(from), "{from}");
        self.put("ivr", read.replacen(from, to, 1)).send().await.expect("an answer")
    }
}

/// What a client makes of an answer: its status, or `None` if it was broken off.
async fn seen(request: RequestBuilder) -> Option<u16> {
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    answer.bytes().await.ok().map(|_| status)
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().expect("ASCII"))
}

#[tokio::test]
async fn a_token_is_given_to_the_right_client_only() {
    let secret = "a+b/c=d:e%f gé";
    let settings = Settings { client_secret: secret.to_owned(), ..Settings::default() };
    let practice = Practice::with(settings).await;
    let answer = practice.ask_token("sandbox-client", secret).send().await.unwrap();
    assert_eq!((answer.status(), header(&answer, "cache-control")), (StatusCode::OK, "no-store"));
    let token: Value = answer.json().await.unwrap();
    assert_eq!(token["expires_in"], 3600);
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["scope"], "flow:flows:read flow:flows:write");
    assert_ne!(token["access_token"], practice.token.as_str());

    let refused = practice.ask_token("sandbox-client", "wrong").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.json::<Value>().await.unwrap()["error"], "invalid_client");
    let wrong_grant = practice.ask_token("sandbox-client", secret).form(&[
        ("grant_type", "password"),
        ("client_id", "sandbox-client"),
        ("client_secret", secret),
    ]);
    assert_eq!(seen(wrong_grant).await, Some(400));
    assert_eq!(practice.tenant.calls().token, 4);
}

#[tokio::test]
async fn basic_credentials_are_form_encoded_first() {
    let settings = Settings {
        client_secret: "a+b c:%é".to_owned(),
        client_auth: ClientAuth::Basic,
        ..Settings::default()
    };
    rustls::crypto::ring::default_provider().install_default().ok();
    let tenant = Sandbox::start(settings).await.unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    let ask = || {
        let url = format!("{}/oauth/token", tenant.base_url());
        client.post(url).form(&[("grant_type", "client_credentials"), ("scope", "flow:flows:read other")])
    };
    assert_eq!(seen(ask().basic_auth("sandbox-client", Some("a+b c:%é"))).await, Some(401));
    let answer = ask().basic_auth("sandbox-client", Some("a%2Bb+c%3A%25%C3%A9")).send().await.unwrap();
    let token: Value = answer.json().await.unwrap();
    assert_eq!(
        token["scope"], "flow:flows:read",
        "the granted scope is the allowed part of what was asked for"
    );
    let in_form = [
        ("grant_type", "client_credentials"),
        ("client_id", "sandbox-client"),
        ("client_secret", "a+b c:%é"),
    ];
    assert_eq!(seen(ask().form(&in_form)).await, Some(401));
}

#[tokio::test]
async fn the_stated_lifetime_of_a_token_can_be_untrue() {
    let practice = Practice::start().await;
    for (said, wanted) in [
        (ExpiresIn::Spelt("\"3600\"".to_owned()), Value::from("3600")),
        (ExpiresIn::Spelt("-1".to_owned()), Value::from(-1)),
        (ExpiresIn::Absent, Value::Null),
    ] {
        practice.tenant.set_expires_in(said);
        let asked = practice.ask_token("sandbox-client", "sandbox-secret");
        let token: Value = asked.send().await.unwrap().json().await.unwrap();
        assert_eq!(token["expires_in"], wanted);
    }
    practice.tenant.set_client_secret("rotated");
    assert_eq!(seen(practice.ask_token("sandbox-client", "sandbox-secret")).await, Some(401));
    assert_eq!(seen(practice.ask_token("sandbox-client", "rotated")).await, Some(200));
    assert_eq!(seen(practice.get("ivr")).await, Some(200), "tokens outlive the secret");
}

#[tokio::test]
async fn a_token_expires_is_revoked_and_may_lack_a_scope() {
    let mut practice = Practice::start().await;
    let invalid = r#"Bearer error="invalid_token""#;
    practice.tenant.revoke_tokens();
    let revoked = practice.get("ivr").send().await.unwrap();
    assert_eq!((revoked.status(), header(&revoked, "www-authenticate")), (StatusCode::UNAUTHORIZED, invalid));

    practice.tenant.set_token_lifetime(Duration::ZERO);
    practice.token = practice.new_token().await;
    let expired = practice.get("ivr").send().await.unwrap();
    assert_eq!((expired.status(), header(&expired, "www-authenticate")), (StatusCode::UNAUTHORIZED, invalid));

    practice.tenant.set_token_lifetime(Duration::from_secs(60));
    practice.tenant.set_scope("flow:flows:read");
    practice.token = practice.new_token().await;
    assert_eq!(seen(practice.get("ivr")).await, Some(200));
    let lacking = practice.put("ivr", practice.held()).send().await.unwrap();
    assert_eq!(lacking.status(), StatusCode::FORBIDDEN);
    assert!(header(&lacking, "www-authenticate").contains("insufficient_scope"));

    let bare = practice.client.get(practice.url("ivr")).send().await.unwrap();
    assert_eq!((bare.status(), header(&bare, "www-authenticate")), (StatusCode::UNAUTHORIZED, "Bearer"));
    assert_eq!(practice.version(), "14");
}

#[tokio::test]
async fn a_put_needs_the_current_version_and_makes_the_next() {
    let practice = Practice::start().await;
    let read = practice.get("ivr").send().await.unwrap().text().await.unwrap();
    assert_eq!(read, sample_flow("ivr", "Support line"), "a read is what is held, byte for byte");
    let given = read.replacen("\"general\"", "\"vip\"", 1);
    let answer = practice.put("ivr", given.clone()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let stored = given.replacen("\"version\": 14", "\"version\": 15", 1);
    assert_eq!(answer.text().await.unwrap(), stored);
    assert_eq!(practice.held(), stored);

    let stale = practice.put("ivr", read).send().await.unwrap();
    assert_eq!(stale.status(), StatusCode::CONFLICT);
    let conflict: Value = stale.json().await.unwrap();
    let message = "the version is not current: it is 15";
    let wanted =
        serde_json::json!({"message": message, "code": "version.conflict", "status": 409, "version": 15});
    assert_eq!(conflict, wanted);

    for body in
        ["<html>", "{}", r#"{"flow":{}}"#, r#"{"flow":{"version":1.5}}"#, "{\"flow\":{\"version\":15}"]
    {
        assert_eq!(seen(practice.put("ivr", body)).await, Some(400), "{body}");
    }
    let not_utf8 = practice.put("ivr", "").body(b"{\"flow\":{\"version\":15,\"x\":\"\xff\"}}".to_vec());
    assert_eq!(seen(not_utf8).await, Some(400));
    assert_eq!(seen(practice.get("other")).await, Some(404));
    assert_eq!(seen(practice.put("other", stored)).await, Some(404));
    practice.tenant.remove_flow("ivr");
    assert_eq!(seen(practice.get("ivr")).await, Some(404));
    let calls = practice.tenant.calls();
    assert_eq!((calls.put, calls.conflicts, calls.commits), (9, 1, 1));
}

#[tokio::test]
async fn every_fault_of_a_put_shows_and_saves_what_it_says() {
    let short = Duration::from_millis(5);
    let canned = |code| Canned::status(code).body("x");
    let page = (Some(200), "14");
    for (what, (shown, version)) in [
        (FaultKind::Status(canned(503)), (Some(503), "14")),
        (FaultKind::Hang(short), (None, "14")),
        (FaultKind::ResetBefore, (None, "14")),
        (FaultKind::ResetAfterCommit, (None, "15")),
        (FaultKind::CommitThen(canned(500)), (Some(500), "15")),
        (FaultKind::CommitThenHang(short), (None, "15")),
        (FaultKind::TruncatedBody, (None, "15")),
        (FaultKind::NotJson, page),
        (FaultKind::Empty, (Some(204), "15")),
        (FaultKind::Accepted(Landing::Now), (Some(202), "15")),
        (FaultKind::Accepted(Landing::Never), (Some(202), "14")),
        (FaultKind::ConflictUnmoved, (Some(409), "14")),
        (FaultKind::RewriteOnSave, (Some(200), "15")),
        (FaultKind::ParseOnSave, (Some(200), "15")),
        (FaultKind::VersionJump(4), (Some(200), "18")),
        (FaultKind::Chunked, (Some(200), "15")),
        (FaultKind::Trickle(Duration::from_micros(1)), (Some(200), "15")),
        (FaultKind::SilentDrop, (Some(200), "15")),
    ] {
        let practice = Practice::start().await;
        practice.tenant.fault(Fault::put(what.clone()).of("ivr"));
        let given = practice.held().replacen("\"general\"", "\"vip\"", 1);
        assert_eq!(seen(practice.get("ivr")).await, Some(200), "{what:?} befalls no GET");
        assert_eq!(seen(practice.put("ivr", given.clone())).await, shown, "{what:?}");
        assert_eq!(practice.version(), version, "{what:?}");
        assert_eq!(practice.tenant.faults_waiting(), 0, "{what:?}");
        let saved = practice.held().contains("\"vip\"");
        assert_eq!(saved, version != "14" && what != FaultKind::SilentDrop, "{what:?}");
        let again = practice.held().replacen("\"general\"", "\"vip\"", 1);
        assert_eq!(seen(practice.put("ivr", again)).await, Some(200), "{what:?} befalls one PUT");
    }
}

#[tokio::test]
async fn a_fault_that_saves_waits_for_a_put_that_can_be_saved() {
    let practice = Practice::start().await;
    practice.tenant.fault(Fault::put(FaultKind::Empty));
    let stale = practice.held().replacen("14", "13", 1);
    assert_eq!(seen(practice.put("ivr", stale)).await, Some(409));
    assert_eq!(practice.tenant.faults_waiting(), 1);
    assert_eq!(seen(practice.put("ivr", practice.held())).await, Some(204));
}

#[tokio::test]
async fn a_rewritten_document_keeps_its_values_under_another_spelling() {
    let practice = Practice::start().await;
    practice.tenant.fault(Fault::put(FaultKind::RewriteOnSave));
    let answer = practice.publish("\"general\"", "\"vip\"").await.text().await.unwrap();
    assert_eq!(answer, practice.held());
    assert_eq!(practice.tenant.variable("ivr", SAMPLE_NODE, "queue_target").as_deref(), Some("\"vip\""));
    let rewritten: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(rewritten["flow"]["savedBy"], "practice tenant");
    assert_eq!(rewritten["flow"]["version"], 15);
    assert!(
        practice.tenant.record().collateral().is_empty(),
        "the client is not blamed for the tenant's work"
    );
}

#[tokio::test]
async fn faults_of_reads_and_of_the_token_endpoint_are_counted_apart() {
    let practice = Practice::start().await;
    practice.tenant.fault(Fault::get(FaultKind::NotJson).after(1).times(2));
    practice.tenant.fault(Fault::token(FaultKind::TruncatedBody));
    practice.tenant.fault(Fault::on(On::Token, FaultKind::Status(Canned::status(429).retry_after("7"))));
    let ask = || practice.ask_token("sandbox-client", "sandbox-secret");
    for html in [false, true, true, false] {
        let answer = practice.get("ivr").send().await.unwrap();
        assert_eq!(header(&answer, "content-type").starts_with("text/html"), html);
    }
    assert_eq!(seen(ask()).await, None);
    assert_eq!(header(&ask().send().await.unwrap(), "retry-after"), "7");
    assert_eq!(seen(ask()).await, Some(200));
    practice.tenant.fault(Fault::get(FaultKind::ResetBefore).forever());
    assert_eq!((seen(practice.get("ivr")).await, seen(practice.get("ivr")).await), (None, None));
    practice.tenant.clear_faults();
    assert_eq!(seen(practice.get("ivr")).await, Some(200));
}

#[tokio::test]
async fn a_stale_read_shows_the_document_before_the_last_commit() {
    let practice = Practice::start().await;
    let before = practice.held();
    practice.publish("\"general\"", "\"vip\"").await;
    practice.tenant.fault(Fault::get(FaultKind::StaleRead));
    assert_eq!(practice.get("ivr").send().await.unwrap().text().await.unwrap(), before);
    assert_eq!(practice.get("ivr").send().await.unwrap().text().await.unwrap(), practice.held());
}

#[tokio::test]
async fn a_canned_answer_can_carry_any_retry_after() {
    let practice = Practice::start().await;
    for value in ["0", "-5", "1.5", "100000000", "Sun, 06 Nov 1994 08:49:37 GMT", "soon"] {
        practice.tenant.fault(Fault::get(FaultKind::Status(Canned::status(429).retry_after(value))));
        assert_eq!(header(&practice.get("ivr").send().await.unwrap(), "retry-after"), value);
    }
    let twice = Canned::status(503).retry_after("1").retry_after("2");
    practice.tenant.fault(Fault::get(FaultKind::Status(twice)));
    let answer = practice.get("ivr").send().await.unwrap();
    assert_eq!(answer.headers().get_all("retry-after").iter().count(), 2);
}

#[tokio::test]
async fn a_late_commit_lands_unless_somebody_was_faster() {
    let practice = Practice::start().await;
    practice.tenant.fault(Fault::put(FaultKind::LateCommit(Duration::from_millis(20))));
    assert_eq!(seen(practice.put("ivr", practice.held())).await, None);
    practice.tenant.wait_until(|tenant| tenant.version("ivr").as_deref() == Some("15")).await.unwrap();

    let late = FaultKind::Accepted(Landing::Later(Duration::from_millis(300)));
    practice.tenant.fault(Fault::put(late));
    assert_eq!(seen(practice.put("ivr", practice.held())).await, Some(202));
    practice.tenant.edit("ivr", &Human::set("node_hours", "holiday", "true")).unwrap();
    practice.tenant.wait_until(|tenant| tenant.calls().late_refused == 1).await.unwrap();
    assert_eq!(practice.version(), "16");
    assert_eq!(practice.tenant.variable("ivr", "node_hours", "holiday").as_deref(), Some("true"));
    assert_eq!(practice.tenant.calls().commits, 1);
}

/// What a bare socket reads in answer to a GET of `ivr`, until the connection ends.
async fn raw_get(practice: &Practice, accept: &str) -> std::io::Result<String> {
    let address = practice.tenant.base_url().replace("http://", "");
    let mut socket = TcpStream::connect(address).await?;
    let head = format!(
        "GET /api/v2/flows/ivr HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n{accept}\r\n",
        practice.token
    );
    socket.write_all(head.as_bytes()).await?;
    let mut read = String::new();
    socket.read_to_string(&mut read).await.map(|_| read)
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_torn_body_comes_half() {
    let practice = Practice::start().await;
    practice.tenant.fault(Fault::get(FaultKind::ResetBefore));
    let error = raw_get(&practice, "accept: */*\r\n").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

    practice.tenant.fault(Fault::get(FaultKind::TruncatedBody));
    let torn = raw_get(&practice, "accept: */*\r\n").await.unwrap();
    let (head, body) = torn.split_once("\r\n\r\n").unwrap();
    let whole = practice.held();
    assert!(head.contains(&format!("content-length: {}\r\n", whole.len())), "{head}");
    assert_eq!(body, &whole[..whole.len() / 2]);
}

#[tokio::test]
async fn a_read_that_does_not_say_what_it_accepts_is_told_so_with_200() {
    let practice = Practice::start().await;
    let answer = raw_get(&practice, "").await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("No known way to render data"),
        "{answer}"
    );
}

#[tokio::test]
async fn an_answer_in_chunks_has_no_length_and_one_that_trickles_is_whole_in_the_end() {
    let practice = Practice::start().await;
    practice.tenant.fault(Fault::get(FaultKind::Chunked));
    let chunked = practice.get("ivr").send().await.unwrap();
    assert_eq!((chunked.content_length(), header(&chunked, "transfer-encoding")), (None, "chunked"));
    assert_eq!(chunked.text().await.unwrap(), practice.held());

    practice.tenant.fault(Fault::get(FaultKind::Trickle(Duration::from_micros(1))));
    assert_eq!(practice.get("ivr").send().await.unwrap().text().await.unwrap(), practice.held());
}

#[tokio::test]
async fn a_document_that_the_tenant_parses_and_writes_anew_keeps_its_values() {
    let practice = Practice::start().await;
    practice.tenant.fault(Fault::put(FaultKind::ParseOnSave));
    let answer = practice.publish("\"general\"", "\"vip\"").await.text().await.unwrap();
    assert_eq!(answer, practice.held());
    assert!(answer.contains(r#""timeoutSeconds":1.1}"#), "numbers are spelt anew: {answer}");
    assert_eq!(practice.tenant.variable("ivr", SAMPLE_NODE, "queue_target").as_deref(), Some("\"vip\""));
    assert!(practice.tenant.record().collateral().is_empty());
}

#[tokio::test]
async fn a_token_may_be_refused_while_it_is_young() {
    let mut practice = Practice::start().await;
    let delay = Duration::from_millis(40);
    practice.tenant.set_token_delay(delay);
    let asked_at = Instant::now();
    practice.token = practice.new_token().await;
    while seen(practice.get("ivr")).await == Some(401) {}
    assert!(asked_at.elapsed() >= delay);
    assert!(practice.tenant.calls().get > 1, "it was refused at first");
}

#[tokio::test]
async fn others_use_up_the_limit_too() {
    let practice = Practice::start().await;
    practice.tenant.set_limit(Some(Limit { per_minute: 1, burst: 3 }));
    practice.tenant.draw(2);
    assert_eq!(seen(practice.get("ivr")).await, Some(200));
    assert_eq!(seen(practice.get("ivr")).await, Some(429));
    practice.tenant.draw(100);
    assert_eq!(seen(practice.get("ivr")).await, Some(429), "what is empty stays so");
}

#[tokio::test]
async fn every_flow_answer_carries_the_headers_that_were_set() {
    let practice = Practice::start().await;
    practice.tenant.set_headers(&[("etag", "\"14\""), ("x-correlation-id", "c-1")]);
    for request in [practice.get("ivr"), practice.get("nowhere"), practice.put("ivr", "{}")] {
        let answer = request.send().await.unwrap();
        assert_eq!((header(&answer, "etag"), header(&answer, "x-correlation-id")), ("\"14\"", "c-1"));
    }
}

#[tokio::test]
async fn connections_that_are_cut_are_gone_and_new_ones_are_made() {
    let practice = Practice::start().await;
    practice.tenant.fault(Fault::get(FaultKind::Hang(Duration::from_secs(600))));
    let hanging = tokio::spawn(seen(practice.get("ivr")));
    practice.tenant.wait_for_requests(1, |call| matches!(call, Call::Get(_))).await.unwrap();
    practice.tenant.cut_connections();
    assert_eq!(hanging.await.unwrap(), None);
    assert_eq!(seen(practice.get("ivr")).await, Some(200));
}

#[tokio::test]
async fn a_client_that_leaves_is_noted_and_what_was_decided_stands() {
    let practice = Practice::start().await;
    practice.tenant.fault(Fault::put(FaultKind::CommitThenHang(Duration::from_secs(600))));
    let put = tokio::spawn(seen(practice.put("ivr", practice.held())));
    practice.tenant.wait_until(|tenant| tenant.version("ivr").as_deref() == Some("15")).await.unwrap();
    put.abort();
    let left =
        |tenant: &Sandbox| tenant.record().requests.iter().any(|request| request.end == End::Unanswered);
    practice.tenant.wait_until(left).await.unwrap();
    assert_eq!(seen(practice.get("ivr")).await, Some(200));
    assert_eq!(practice.tenant.record().max_in_flight_per_flow(), 1);
}

#[tokio::test]
async fn the_limit_tells_when_to_come_back_and_early_calls_are_noticed() {
    let practice =
        Practice::with(Settings { limit: Some(Limit { per_minute: 4, burst: 2 }), ..Settings::default() })
            .await;
    assert_eq!(seen(practice.get("ivr")).await, Some(200));
    practice.tenant.revoke_tokens();
    assert_eq!(seen(practice.get("ivr")).await, Some(401), "a refused token draws nothing");
    let token = practice.new_token().await;
    let practice = Practice { token, ..practice };
    assert_eq!(seen(practice.put("ivr", practice.held())).await, Some(200));
    let refused = practice.get("ivr").send().await.unwrap();
    let told = header(&refused, "retry-after");
    assert_eq!((refused.status(), told), (StatusCode::TOO_MANY_REQUESTS, "15"));
    let record = practice.tenant.record();
    assert_eq!(record.requests.last().unwrap().retry_after.as_deref(), Some("15"));
    assert!(record.calls_started_inside_retry_after(Duration::ZERO).is_empty());

    practice.tenant.set_limit(None);
    practice.new_token().await;
    assert_eq!(seen(practice.get("ivr")).await, Some(200));
    let record = practice.tenant.record();
    let early = record.calls_started_inside_retry_after(Duration::ZERO);
    assert_eq!(early.len(), 1, "the token call is free, the flow call is early: {early:?}");
    assert!(record.calls_started_inside_retry_after(Duration::from_secs(60)).is_empty());
    assert_eq!(practice.tenant.calls().throttled, 1);
}

#[tokio::test]
async fn a_request_takes_its_latency() {
    let practice = Practice::start().await;
    practice.tenant.set_latency(Duration::from_millis(40));
    seen(practice.get("ivr")).await;
    let record = practice.tenant.record();
    let request = record.requests.last().unwrap();
    assert!(request.ended_at.unwrap() - request.received_at >= Duration::from_millis(40));
}

#[tokio::test]
async fn held_puts_wait_and_others_do_not() {
    let practice = Practice::start().await;
    practice.tenant.add_flow("other", &sample_flow("other", "Other")).unwrap();
    let hold = practice.tenant.hold("ivr");
    let second_hold = practice.tenant.hold("ivr");
    let put = tokio::spawn(seen(practice.put("ivr", practice.held())));
    practice.tenant.wait_for_requests(1, |call| matches!(call, Call::Put(_))).await.unwrap();
    let other = practice.tenant.flow("other").unwrap();
    assert_eq!(seen(practice.put("other", other)).await, Some(200));
    assert_eq!(seen(practice.get("ivr")).await, Some(200));
    hold.release();
    assert_eq!(seen(practice.get("ivr")).await, Some(200));
    assert_eq!(practice.version(), "14", "it takes the release of both");
    assert_eq!(practice.tenant.record().max_in_flight_per_flow(), 2);
    drop(second_hold);
    assert_eq!(put.await.unwrap(), Some(200));
    assert_eq!(practice.version(), "15");
}

#[tokio::test]
async fn every_kind_of_human_edit_is_a_commit_of_its_own() {
    let practice = Practice::start().await;
    let insert = Human::InsertNodeBefore { node: SAMPLE_NODE.to_owned(), new: "node_new".to_owned() };
    let rename = Human::RenameNode { node: SAMPLE_NODE.to_owned(), to: "node_renamed".to_owned() };
    let delete = Human::DeleteVariable { node: SAMPLE_NODE.to_owned(), name: "queue_target".to_owned() };
    let edits = [
        Human::set("node_hours", "holiday", "true"),
        Human::set(SAMPLE_NODE, "greeting_prompt", "\"Hi\""),
        Human::set(SAMPLE_NODE, "queue_target", "\"sales\""),
        Human::set(SAMPLE_NODE, "brand_new", "[1.0]"),
        delete,
        insert,
        rename,
        Human::DeleteNode("node_renamed".to_owned()),
        Human::RollBack,
    ];
    let mut texts = vec![practice.held()];
    for (at, edit) in edits.iter().enumerate() {
        assert_eq!(practice.tenant.edit("ivr", edit).unwrap(), (15 + at).to_string(), "{edit:?}");
        assert_ne!(practice.held(), texts[at], "{edit:?}");
        texts.push(practice.held());
    }
    assert_eq!(practice.held(), texts[7].replacen("\"version\": 21", "\"version\": 23", 1));
    let record = practice.tenant.record();
    assert!(record.commits.iter().all(|commit| commit.by == By::Human));
    assert!(record.put_diffs().is_empty() && record.collateral().is_empty());
    assert!(practice.tenant.edit("nowhere", &Human::RollBack).is_err());
}

#[tokio::test]
async fn a_designer_keeps_editing_beside_a_client_and_nothing_is_lost() {
    let practice = Practice::start().await;
    practice.tenant.add_flow("other", &sample_flow("other", "Other")).unwrap();
    let designer = practice.tenant.designer(&["ivr", "other"], "node_hours", Duration::from_millis(1));
    let mut published = 0;
    for priority in 0..20 {
        let known = practice.tenant.variable("ivr", SAMPLE_NODE, "max_wait_time_seconds").unwrap();
        let from = format!("\"max_wait_time_seconds\", \"value\": {known}");
        let to = format!("\"max_wait_time_seconds\", \"value\": {}", 1000 + priority);
        published += u64::from(practice.publish(&from, &to).await.status() == StatusCode::OK);
    }
    practice.tenant.wait_until(|tenant| tenant.record().commits.len() >= 40).await.unwrap();
    let edits = designer.stop().await;
    let record = practice.tenant.record();
    let calls = practice.tenant.calls();
    assert_eq!((calls.commits, calls.commits + calls.conflicts), (published, 20));
    let by_people = || record.commits.iter().filter(|commit| commit.by == By::Human);
    assert_eq!(by_people().count(), edits.len());
    for (edit, commit) in edits.iter().zip(by_people()) {
        assert_eq!((&edit.flow, edit.version.as_ref()), (&commit.flow, Ok(&commit.version)));
    }
    let last = edits.iter().rfind(|edit| edit.flow == "ivr").unwrap();
    let held = practice.tenant.variable("ivr", "node_hours", DESIGNER_VARIABLE);
    assert_eq!(held, Some(last.value.to_string()));
    assert!(record.lost_human_edits(|at| at.variable == "max_wait_time_seconds").is_empty());
    assert!(record.collateral().is_empty());
    assert_eq!(record.max_in_flight_per_flow(), 1);
}

#[tokio::test]
async fn a_client_that_overwrites_a_person_is_found_out() {
    let practice = Practice::start().await;
    let old = practice.held();
    practice.tenant.edit("ivr", &Human::set("node_hours", "holiday", "true")).unwrap();
    practice.tenant.edit("ivr", &Human::set(SAMPLE_NODE, "queue_target", "\"sales\"")).unwrap();
    // The classic mistake: the new version put onto the old document.
    let forced = old.replacen("\"version\": 14", "\"version\": 16", 1);
    assert_eq!(seen(practice.put("ivr", forced)).await, Some(200));
    let record = practice.tenant.record();
    let lost = record.lost_human_edits(|at| at.variable == "queue_target");
    assert_eq!(lost, ["ivr version 17: node_hours.holiday went from true to null"]);
    let diffs = record.put_diffs();
    let changed: Vec<_> = diffs[0].changed.iter().map(|change| change.variable.as_str()).collect();
    assert_eq!(changed, ["queue_target", "holiday"]);
}

#[tokio::test]
async fn every_byte_that_a_put_changes_elsewhere_is_collateral() {
    for (from, to, changed, node) in [
        ("\"general\"", "\"vip\"", 1, None),
        ("1.10", "1.1", 0, Some("outside")),
        ("12345678901234567890123", "1.2345678901234567890123e22", 0, Some("outside")),
        ("\\u2014", "—", 0, Some("outside")),
        ("\"locked\" : false", "\"locked\": false", 0, Some("outside")),
        ("\"collapsed\": false", "\"collapsed\": true", 0, Some("node_set_vars")),
        ("\"note\": \"recorded", "\"note\": \"Recorded", 0, Some("node_set_vars")),
        ("{\"name\": \"queue_target\", \"value\"", "{\"value\"", 1, Some("node_set_vars")),
        ("\"id\": \"node_end\"", "\"id\": \"the_end\"", 0, Some("outside")),
    ] {
        let practice = Practice::start().await;
        assert_eq!(practice.publish(from, to).await.status(), StatusCode::OK, "{from}");
        let record = practice.tenant.record();
        let diff = record.put_diffs().remove(0);
        assert_eq!(diff.changed.len(), changed, "{from}: {diff:?}");
        let places = diff.collateral.iter().map(|found| found.node.as_deref().unwrap_or("outside"));
        assert_eq!(places.collect::<Vec<_>>(), Vec::from_iter(node), "{from}: {diff:?}");
        assert_eq!(record.collateral().is_empty(), node.is_none(), "{from}");
    }
}

#[tokio::test]
async fn a_flow_of_five_thousand_nodes_goes_through_and_is_judged() {
    let practice = Practice::start().await;
    practice.tenant.add_flow("large", &large_flow("large", 5000)).unwrap();
    let read = practice.get("large").send().await.unwrap().text().await.unwrap();
    let given = read.replacen("\"general\"", "\"vip\"", 1);
    assert_eq!(seen(practice.put("large", given)).await, Some(200));
    let diff = practice.tenant.record().put_diffs().remove(0);
    assert_eq!((diff.changed.len(), diff.collateral.len(), diff.version.as_str()), (1, 0, "15"));
}

#[tokio::test]
async fn the_tenant_ends_with_its_last_handle_or_when_it_is_told_to() {
    let mut practice = Practice::start().await;
    let hold = practice.tenant.hold("ivr");
    let put = tokio::spawn(seen(practice.put("ivr", practice.held())));
    practice.tenant.wait_for_requests(1, |call| matches!(call, Call::Put(_))).await.unwrap();
    let clone = practice.tenant.clone();
    // Another tenant takes its place: the handle that is left is the clone.
    practice.tenant = Sandbox::start(Settings::default()).await.unwrap();
    assert!(!put.is_finished());
    drop(clone);
    assert_eq!(put.await.unwrap(), None, "the held PUT breaks off when the last handle is dropped");
    drop(hold);

    practice.tenant.shutdown().await;
    assert_eq!(seen(practice.get("ivr")).await, None);
    assert_eq!(practice.tenant.calls().get, 0);
}
