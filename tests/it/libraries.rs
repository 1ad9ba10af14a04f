//! Deliveries signed by the libraries that senders give to receivers, and what we sign as those see it; GitHub's has
//! a file of its own. `.ci/run` installs them.

use flowhook::sandbox::{self, Sandbox};
use flowhook::source::{Scheme, Secret};
use hyper::HeaderMap;
use jiff::Timestamp;
use serde_json::Value;

use crate::program::{Addresses, Program, Running, client};

const NPM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/npm/");
const BODY: &str = r#"{"id":"evt_1","type":"config.updated","data":{"flow_id":"ivr","node_id":"node_set_vars",
  "config":{"routing_priority":"höchste ✓","queue_target":"vip","max_wait_time_seconds":30}}}"#;

/// A sender's library, as a line of JavaScript uses it.
struct Library {
    scheme: &'static str,
    secret: &'static str,
    another: &'static str,
    /// Makes the headers of `BODY`, signed with `SECRET` at `now`, a `Date`.
    signs: &'static str,
    /// Throws unless `BODY` with `HEADERS` is signed with `SECRET`.
    verifies: &'static str,
}

const STANDARD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ANOTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

const LIBRARIES: [Library; 4] = [
    Library {
        scheme: "standard-webhooks",
        secret: STANDARD,
        another: ANOTHER,
        signs: r#"const { Webhook } = require("standardwebhooks");
            const signature = new Webhook(SECRET).sign("msg_1", now, BODY);
            said({ "webhook-id": "msg_1", "webhook-timestamp": seconds, "webhook-signature": signature });"#,
        verifies: r#"new (require("standardwebhooks").Webhook)(SECRET).verify(BODY, HEADERS)"#,
    },
    Library {
        scheme: "growthbook-sdk",
        secret: "wk_123A5341464B3A13_and_some_more",
        another: "wk_123A5341464B3A13_and_some_less",
        signs: r#"const { Webhook } = require("standardwebhooks");
            const signature = new Webhook(SECRET, { format: "raw" }).sign("msg_1", now, BODY);
            said({ "webhook-id": "msg_1", "webhook-timestamp": seconds, "webhook-signature": signature });"#,
        verifies: r#"new (require("standardwebhooks").Webhook)(SECRET, { format: "raw" }).verify(BODY, HEADERS)"#,
    },
    Library {
        scheme: "svix",
        secret: STANDARD,
        another: ANOTHER,
        signs: r#"const { Webhook } = require("svix");
            const signature = new Webhook(SECRET).sign("msg_1", now, BODY);
            said({ "svix-id": "msg_1", "svix-timestamp": seconds, "svix-signature": signature });"#,
        verifies: r#"new (require("svix").Webhook)(SECRET).verify(BODY, HEADERS)"#,
    },
    Library {
        scheme: "stripe",
        secret: STANDARD,
        another: ANOTHER,
        signs: r#"const stripe = require("stripe")("sk_test_none");
            const signed = { payload: BODY, secret: SECRET, timestamp: Number(seconds) };
            said({ "stripe-signature": stripe.webhooks.generateTestHeaderString(signed) });"#,
        verifies: r#"require("stripe")("sk_test_none").webhooks.constructEvent(BODY, HEADERS["stripe-signature"], SECRET)"#,
    },
];

/// What a script says that can require the libraries.
async fn said(secret: &str, headers: &str, line: &str) -> Value {
    let script = format!(
        r#"const require = (await import("node:module")).createRequire(process.argv[2]);
        const {{ SECRET, BODY }} = process.env;
        const HEADERS = JSON.parse(process.env.HEADERS);
        const now = new Date();
        const seconds = String(Math.floor(now.getTime() / 1000));
        const said = (what) => console.log(JSON.stringify(what));
        {line}"#
    );
    let node = Program::named("node", &["--input-type=module", "-", NPM]);
    let output =
        node.envs(&[("SECRET", secret), ("BODY", BODY), ("HEADERS", headers)]).input(&script).output().await;
    assert_eq!(output.code, Some(0), "has .ci/run installed the library? {output:?}");
    serde_json::from_str(&output.stdout).expect("JSON")
}

async fn serving(library: &Library, tenant: &Sandbox) -> (Running, Addresses) {
    let program = Program::flowhook(&["serve"]).at(tenant).on_free_ports();
    let mut service = program
        .env("FLOWHOOK_WEBHOOK_SCHEME", library.scheme)
        .env("FLOWHOOK_WEBHOOK_SECRET", library.secret)
        .start();
    let addresses = service.ready().await;
    (service, addresses)
}

/// The status of the answer to [`BODY`], signed by the library.
async fn delivered(library: &Library, to: Addresses, secret: &str) -> u16 {
    let said = said(secret, "{}", library.signs).await;
    let header = |(name, value): (&String, &Value)| {
        let value = value.as_str().expect("text").parse().expect("a header value");
        (name.parse::<hyper::header::HeaderName>().expect("a name"), value)
    };
    let headers: HeaderMap = said.as_object().expect("headers").iter().map(header).collect();
    let url = format!("http://{}/hooks/config", to.public);
    let answer = client().post(url).headers(headers).body(BODY).send().await.expect("an answer");
    answer.status().as_u16()
}

#[tokio::test]
#[ignore = "needs node, and the senders' libraries from npm"]
async fn what_the_senders_libraries_sign_is_accepted_and_with_a_wrong_secret_refused() {
    for library in &LIBRARIES {
        let tenant = Sandbox::start(sandbox::Settings::default()).await.expect("a free port");
        let (_service, addresses) = serving(library, &tenant).await;
        assert_eq!(delivered(library, addresses, library.another).await, 401, "{}", library.scheme);
        let accepted = Scheme::parse(library.scheme).expect("it is a preset").accepted().as_u16();
        assert_eq!(delivered(library, addresses, library.secret).await, accepted, "{}", library.scheme);
    }
}

#[tokio::test]
#[ignore = "needs node, and the senders' libraries from npm"]
async fn what_we_sign_the_senders_libraries_verify() {
    for library in &LIBRARIES {
        let scheme = Scheme::parse(library.scheme).expect("it is a preset");
        let secret = Secret::parse(&scheme, library.secret).expect("a good secret");
        let headers =
            scheme.sign(&secret, "msg_1", Timestamp::now(), BODY.as_bytes()).expect("it can be signed");
        let headers: serde_json::Map<String, Value> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").into()))
            .collect();
        let headers = Value::from(headers).to_string();
        let line = format!("try {{ {}; said(true) }} catch (why) {{ said(why.message) }}", library.verifies);
        assert_eq!(said(library.secret, &headers, &line).await, true, "{}", library.scheme);
        assert_ne!(said(library.another, &headers, &line).await, true, "{}", library.scheme);
    }
}
