//! The admin listener of a whole service.

use std::sync::Arc;

use flowhook::change::{Delivery, State};
use flowhook::clock::Clock;
use flowhook::journal::{Ending, Journal, Location, Settlement, Step, Write as _};
use flowhook::service::Service;
use flowhook::settings::{Layers, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::deliveries::{change, change_of, delivery, flow, now, rejected};
use crate::wire::{Answer, Wire};

/// A service whose tenant is out of reach, so that what is pending stays so.
pub(crate) struct Running {
    service: Service,
    folder: TempDir,
}

impl Running {
    /// A service over a journal that holds these deliveries, whose changes have ended as said.
    pub(crate) async fn over(
        deliveries: &[Delivery],
        ends: &[(i64, State)],
        settings: &[(&str, &str)],
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.db");
        let Journal { mut writer, reader } =
            Journal::open(&Location::sqlite(&path)).await.expect("a journal");
        let mut commit = writer.begin(now()).expect("a commit");
        for delivery in deliveries {
            commit.admit(delivery).expect("it is admitted");
        }
        let ending = |(seq, state): &(i64, State)| Ending { seq: *seq, state: *state, reason: None };
        let settlement = Settlement {
            endings: ends.iter().map(ending).collect(),
            version: Some("15".to_owned()),
            ..Settlement::default()
        };
        commit.step(&Step::Settle { flow: flow("f1"), settlement }).expect("it is taken");
        commit.finish().expect("it is on disk");
        reader.close().await;
        writer.close().await;

        let journal = format!("sqlite:{}", path.display());
        let base = [
            ("CXONE_BASE_URL", "http://127.0.0.1:1"),
            ("CXONE_CLIENT_ID", "id"),
            ("CXONE_CLIENT_SECRET", "secret"),
            ("FLOWHOOK_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            ("FLOWHOOK_LISTEN", "127.0.0.1:0"),
            ("FLOWHOOK_ADMIN_LISTEN", "127.0.0.1:0"),
            ("FLOWHOOK_JOURNAL", journal.as_str()),
        ];
        let layers = Layers::of(base.iter().chain(settings).copied());
        let settings = Settings::service(&layers).unwrap_or_else(|problems| panic!("{problems}"));
        let service = Service::start(settings, Clock::from_fn(now)).await.expect("it starts");
        Self { service, folder }
    }

    async fn new(settings: &[(&str, &str)]) -> Self {
        Self::over(&[], &[], settings).await
    }

    /// The answer to a request line, with headers if any.
    pub(crate) async fn ask(&self, line: &str, headers: &str) -> Answer {
        let mut wire = Wire::connect(self.service.admin_address).await;
        wire.send(format!("{line} HTTP/1.1\r\nhost: x\r\n{headers}\r\n")).await;
        wire.answer().await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), "").await
    }

    /// The answer to a request to do something.
    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.ask(&format!("POST {path}"), "content-length: 0\r\n").await
    }

    /// The changes of a page, as numbers, and its cursor.
    pub(crate) async fn page(&self, query: &str) -> (Vec<i64>, Option<i64>) {
        let answer = self.get(&format!("/api/changes?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let page = answer.json();
        let changes = page["changes"].as_array().expect("a list");
        let seqs = changes.iter().filter_map(|change| change["seq"].as_i64()).collect();
        (seqs, page["next_cursor"].as_i64())
    }

    pub(crate) async fn stop(self) {
        self.service.stop().await;
        drop(self.folder);
    }
}

#[track_caller]
pub(crate) fn assert_problem(answer: &Answer, status: u16, detail: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains(detail)), "{problem}");
    assert!(answer.body.len() < 500);
}

#[tokio::test]
async fn the_api_wants_its_token_and_the_probes_never_do() {
    let running = Running::new(&[("FLOWHOOK_ADMIN_TOKEN", "s3cret token")]).await;
    let api = [
        "/api/changes",
        "/api/changes/1",
        "/api/deliveries/config/1",
        "/api/no-such-path",
        "/api/changes?x=1",
    ];
    for path in api {
        for wrong in [
            "",
            "authorization: Bearer wrong\r\n",
            "authorization: Bearer s3cret\r\n",
            "authorization: Bearer S3cret token\r\n",
            "authorization: Basic s3cret token\r\n",
            "authorization: s3cret token\r\n",
            "authorization: Bearer\r\n",
            "authorization:\r\n",
        ] {
            let answer = running.ask(&format!("GET {path}"), wrong).await;
            assert_problem(&answer, 401, "FLOWHOOK_ADMIN_TOKEN");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    assert_eq!(running.ask("POST /api/changes", "").await.status, 401, "not even which methods there are");
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let header = format!("authorization: {scheme} s3cret token\r\n");
        assert_eq!(running.ask("GET /api/changes", &header).await.status, 200);
    }
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(running.get(probe).await.status, 200);
    }
    running.stop().await;
}

#[tokio::test]
async fn without_a_token_in_the_settings_none_is_wanted() {
    let running = Running::new(&[]).await;
    assert_eq!(running.get("/api/changes").await.status, 200);
    assert_eq!(running.ask("GET /api/changes", "authorization: Bearer any\r\n").await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn changes_come_in_pages_newest_first_and_the_last_page_has_no_cursor() {
    let deliveries: Vec<_> = (1..=6).map(|id| delivery(&id.to_string(), &[change_of("f1")])).collect();
    let running = Running::over(&deliveries, &[], &[]).await;
    assert_eq!(running.page("").await, (vec![6, 5, 4, 3, 2, 1], None));
    assert_eq!(running.page("limit=4").await, (vec![6, 5, 4, 3], Some(3)));
    assert_eq!(running.page("limit=4&cursor=3").await, (vec![2, 1], None));
    assert_eq!(running.page("limit=3&cursor=4").await, (vec![3, 2, 1], None), "the last page may be full");
    assert_eq!(running.page("limit=6").await, (vec![6, 5, 4, 3, 2, 1], None));
    assert_eq!(running.page("cursor=1").await, (vec![], None));
    assert_eq!(running.page("limit=&cursor=").await.0.len(), 6);
    running.stop().await;
}

#[tokio::test]
async fn changes_can_be_chosen_by_state_flow_and_source() {
    let mut other = delivery("3", &[change_of("f1")]);
    other.source = Arc::from("other");
    let deliveries =
        [delivery("1", &[change_of("f1"), change_of("f2")]), delivery("2", &[change_of("f2")]), other];
    let ends = [(1, State::Published), (2, State::Failed), (4, State::Failed)];
    let running = Running::over(&deliveries, &ends, &[]).await;
    let check = async |query: &str, expected: &[i64]| {
        assert_eq!(running.page(query).await, (expected.to_vec(), None), "{query}");
    };
    check("state=published", &[1]).await;
    check("state=failed", &[4, 2]).await;
    check("state=pending", &[3]).await;
    check("state=discarded", &[]).await;
    check("flow=f1", &[4, 1]).await;
    check("flow=f2&state=failed", &[2]).await;
    check("source=other", &[4]).await;
    check("source=config&flow=f1", &[1]).await;
    check("source=nobody", &[]).await;
    running.stop().await;
}

#[tokio::test]
async fn a_parameter_that_is_wrong_is_named() {
    let running = Running::new(&[]).await;
    let check = async |path: &str, named: &str| assert_problem(&running.get(path).await, 400, named);
    check("/api/changes?state=done", "`state` must be one of pending, published,").await;
    check("/api/changes?flow=..", "flow id `..`").await;
    for limit in ["0", "501", "-1", "ten", "1.5"] {
        check(&format!("/api/changes?limit={limit}"), "`limit` must be a number from 1 to 500").await;
    }
    for cursor in ["0", "-1", "x", "99999999999999999999"] {
        check(&format!("/api/changes?cursor={cursor}"), "`cursor` must be a number").await;
    }
    check("/api/changes?sate=failed", "sate").await;
    check("/api/changes?state=failed&state=pending", "state").await;
    check(&format!("/api/changes?state={}", "x".repeat(2000)), "`state`").await;
    check("/api/changes/first", "`seq` must be a number").await;
    check("/api/changes/0", "`seq` must be a number").await;
    check("/api/changes/%ff", "seq").await;
    check("/api/deliveries/config/%ff", "id").await;
    running.stop().await;
}

#[tokio::test]
async fn what_there_is_not_is_404_and_what_is_not_a_get_is_405() {
    let running = Running::new(&[]).await;
    let check = async |path: &str, detail: &str| assert_problem(&running.get(path).await, 404, detail);
    check("/", "no such path").await;
    check("/api", "no such path").await;
    check("/api/", "no such path").await;
    check("/api/change", "no such path").await;
    check("/hooks/config", "no such path").await;
    check("/api/changes/1", "no change 1").await;
    check("/api/deliveries/config/nope", "`nope`").await;
    for path in ["/healthz", "/readyz", "/api/changes", "/api/changes/1", "/api/deliveries/config/1"] {
        for method in ["POST", "PUT", "DELETE"] {
            let answer = running.ask(&format!("{method} {path}"), "content-length: 0\r\n").await;
            assert_problem(&answer, 405, "GET");
            assert!(
                answer.header("allow").is_some_and(|allowed| allowed.contains("GET")),
                "{path} {answer:?}"
            );
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_change_is_shown_with_all_that_is_known_of_it() {
    let odd = change("f1", "n", &[("a", "1.10"), ("b", "12345678901234567890123")]);
    let running = Running::over(&[delivery("msg_1", &[odd])], &[(1, State::Published)], &[]).await;
    let answer = running.get("/api/changes/1").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains(r#""value":1.10"#), "{}", answer.body);
    assert!(answer.body.contains(r#""value":12345678901234567890123"#), "{}", answer.body);
    let change = answer.json();
    for (key, expected) in [
        ("source", "config"),
        ("delivery", "msg_1"),
        ("route", "default"),
        ("flow", "f1"),
        ("node", "n"),
        ("mode", "merge"),
        ("state", "published"),
        ("received_at", "2026-05-28T20:26:40Z"),
        ("settled_at", "2026-05-28T20:26:40Z"),
    ] {
        assert_eq!(change[key], expected, "{key}");
    }
    assert_eq!((&change["seq"], &change["version"]), (&Value::from(1), &Value::from(15)));
    assert!(change.get("reason").is_none() && change.get("fetch_url").is_none());
    running.stop().await;
}

#[tokio::test]
async fn a_rejected_delivery_is_shown_with_its_reason_and_its_body() {
    let odd_id = "a/b ü?#";
    let deliveries =
        [rejected(odd_id, "the body is not JSON", "not JSON <script>"), delivery("2", &[change_of("f1")])];
    let running = Running::over(&deliveries, &[], &[]).await;
    let answer = running.get("/api/deliveries/config/a%2Fb%20%C3%BC%3F%23").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let shown = answer.json();
    assert_eq!((&shown["id"], &shown["state"]), (&Value::from(odd_id), &Value::from("rejected")));
    assert_eq!(shown["reason"], "the body is not JSON");
    assert_eq!(shown["body"], "not JSON <script>");
    assert_eq!(shown["changes"], Value::Array(Vec::new()));

    let accepted = running.get("/api/deliveries/config/2").await.json();
    assert_eq!(accepted["state"], "accepted");
    assert_eq!(accepted["changes"][0]["state"], "pending");
    assert!(accepted.get("body").is_none() && accepted.get("reason").is_none());
    running.stop().await;
}

#[tokio::test]
async fn deliveries_are_listed_newest_first_and_those_that_were_rejected_by_themselves() {
    let rejected = |id: &str| rejected(id, "the body is not JSON", "?");
    let deliveries = [rejected("1"), delivery("2", &[change_of("f1")]), rejected("3"), rejected("4")];
    let running = Running::over(&deliveries, &[], &[]).await;
    let check = async |query: &str, expected: &[&str]| -> Value {
        let page = running.get(&format!("/api/deliveries{query}")).await.json();
        let ids: Vec<_> = page["deliveries"].as_array().into_iter().flatten().map(|one| &one["id"]).collect();
        assert_eq!(ids, expected, "{query}: {page}");
        page
    };
    check("", &["4", "3", "2", "1"]).await;
    check("?state=accepted", &["2"]).await;
    check("?source=other", &[]).await;
    check("?since=2100-01-01T00:00:00Z", &[]).await;
    let first = check("?state=rejected&source=config&limit=2", &["4", "3"]).await;
    assert_eq!(first["deliveries"][0]["reason"], "the body is not JSON", "{first}");
    let next = format!("?state=rejected&limit=2&cursor={}", first["next_cursor"]);
    let last = check(&next, &["1"]).await;
    assert!(last.get("next_cursor").is_none(), "{last}");
    for (query, told) in
        [("?state=gone", "`accepted` or `rejected`"), ("?limit=0", "`limit`"), ("?flow=f1", "flow")]
    {
        assert_problem(&running.get(&format!("/api/deliveries{query}")).await, 400, told);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_service_with_a_full_backlog_is_well_and_not_ready() {
    let full = [delivery("1", &[change_of("f1"), change_of("f1")])];
    let running = Running::over(&full, &[], &[("FLOWHOOK_QUEUE_CAPACITY", "2")]).await;
    assert_problem(&running.get("/readyz").await, 503, "backlog");
    let healthy = running.get("/healthz").await.json();
    let program = (&healthy["status"], &healthy["service"], &healthy["version"]);
    assert_eq!(program, (&json!("ok"), &json!("flowhook"), &json!(env!("CARGO_PKG_VERSION"))));
    let webhooks = healthy["webhooks"].as_str().and_then(|address| address.parse().ok());
    assert_eq!(webhooks, Some(running.service.address), "{healthy}");
    running.stop().await;

    let roomy = Running::over(&full, &[], &[("FLOWHOOK_QUEUE_CAPACITY", "3")]).await;
    assert_eq!(roomy.get("/readyz").await.json(), json!({"status": "ready"}));
    roomy.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_its_setting() {
    let running = Running::new(&[]).await;
    let taken = running.service.admin_address.to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let journal = format!("sqlite:{}/journal.db", folder.path().display());
    let layers = Layers::of([
        ("CXONE_CLIENT_ID", "id"),
        ("CXONE_CLIENT_SECRET", "secret"),
        ("FLOWHOOK_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("FLOWHOOK_LISTEN", "127.0.0.1:0"),
        ("FLOWHOOK_ADMIN_LISTEN", taken.as_str()),
        ("FLOWHOOK_JOURNAL", journal.as_str()),
    ]);
    let settings = Settings::service(&layers).unwrap_or_else(|problems| panic!("{problems}"));
    let error =
        Service::start(settings, Clock::system()).await.expect_err("the address is taken").to_string();
    assert!(error.contains(&taken) && error.contains("FLOWHOOK_ADMIN_LISTEN"), "{error}");
    running.stop().await;
}
