//! Deliveries signed by the library that GitHub gives to receivers and senders. `.ci/run` installs it.

use flowhook::sandbox::{self, Sandbox};
use flowhook::source::{Scheme, Secret};
use hyper::HeaderMap;
use jiff::Timestamp;

use crate::program::{Addresses, Program, client};

const LIBRARY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/target/npm/node_modules/@octokit/webhooks-methods/dist-node/index.js"
);
const SECRET: &str = "naïve, but a secret: 🔑";
const BODY: &str = r#"{"type":"config.updated","data":{"flow_id":"ivr","node_id":"node_set_vars",
  "config":{"routing_priority":"höchste ✓","queue_target":"vip","max_wait_time_seconds":30}}}"#;

fn github() -> Scheme {
    Scheme::parse("github").expect("it is a preset")
}

/// What a line of JavaScript makes of the library and [`BODY`].
async fn said(secret: &str, line: &str) -> String {
    let script = format!(
        "const {{ sign, verify }} = await import(process.argv[2]); const {{ SECRET, BODY }} = process.env; {line}"
    );
    let node = Program::named("node", &["--input-type=module", "-", LIBRARY]);
    let output = node.envs(&[("SECRET", secret), ("BODY", BODY)]).input(&script).output().await;
    assert_eq!(output.code, Some(0), "has .ci/run installed the library? {output:?}");
    output.stdout.trim_end().to_owned()
}

/// The status of the answer to [`BODY`], signed by the library.
async fn delivered(to: Addresses, secret: &str) -> u16 {
    let signature = said(secret, "console.log(await sign(SECRET, BODY))").await;
    let mut headers = HeaderMap::new();
    headers.insert("x-hub-signature-256", signature.parse().expect("a header value"));
    let url = format!("http://{}/hooks/config", to.public);
    let answer = client().post(url).headers(headers).body(BODY).send().await.expect("an answer");
    answer.status().as_u16()
}

#[tokio::test]
#[ignore = "needs node, and @octokit/webhooks-methods from npm"]
async fn what_octokit_signs_is_accepted_and_with_a_wrong_secret_refused() {
    let tenant = Sandbox::start(sandbox::Settings::default()).await.expect("a free port");
    let toml = "[source]\nscheme = \"github\"\nsecret_file = \"secret\"\n";
    let program = Program::flowhook(&["--config", "a.toml", "serve"]).file("a.toml", toml);
    let mut service = program.file("secret", SECRET).at(&tenant).on_free_ports().start();
    let addresses = service.ready().await;
    assert_eq!(delivered(addresses, SECRET).await, 202);
    assert_eq!(delivered(addresses, "another secret").await, 401);
}

#[tokio::test]
#[ignore = "needs node, and @octokit/webhooks-methods from npm"]
async fn what_we_sign_octokit_verifies() {
    let secret = Secret::parse(&github(), SECRET).expect("a good secret");
    let headers = github().sign(&secret, "d-1", Timestamp::now(), BODY.as_bytes());
    let signature = headers.expect("it can be signed")["x-hub-signature-256"].clone();
    let line = format!("console.log(await verify(SECRET, BODY, {signature:?}))");
    assert_eq!(said(SECRET, &line).await, "true");
    assert_eq!(said("another secret", &line).await, "false");
}
