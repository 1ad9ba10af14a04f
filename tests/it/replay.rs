//! `fixtures/replay.sh`: what it sends, how it ends, and what it keeps to itself.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flowhook::sandbox::{self, Sandbox};
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::{HeaderMap, StatusCode};
use sha2::Sha256;
use tempfile::TempDir;

use crate::elsewhere::{Nowhere, server};
use crate::practising::{assert_installed, bash, paragraph, practising};
use crate::program::{Output, Program, WEBHOOK_SECRET, fail};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/replay.sh");
const FULL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/events/full.json");

/// The script for these files.
fn replay(files: &[&str]) -> Program {
    Program::named("bash", &[&[SCRIPT], files].concat())
}

/// A receiver that answers what it is told and keeps what it is sent.
struct Receiver {
    url: String,
    desk: Arc<Mutex<Desk>>,
}

#[derive(Default)]
struct Desk {
    /// The statuses of the next answers; 202 when there are none.
    says: Vec<u16>,
    got: Vec<(HeaderMap, Bytes)>,
}

impl Receiver {
    async fn start(says: &[u16]) -> Self {
        let desk = Arc::new(Mutex::new(Desk { says: says.to_vec(), got: Vec::new() }));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&desk));
        let url = format!("http://{}/hooks/config", server(router).await);
        Self { url, desk }
    }

    /// What it was sent since it was last asked.
    fn got(&self) -> Vec<(HeaderMap, Bytes)> {
        std::mem::take(&mut self.desk.lock().unwrap_or_else(PoisonError::into_inner).got)
    }
}

async fn answer(
    State(desk): State<Arc<Mutex<Desk>>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
    desk.got.push((headers, body));
    let status = if desk.says.is_empty() { 202 } else { desk.says.remove(0) };
    (StatusCode::from_u16(status).expect("a status"), "{\"told\":\n1}")
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).unwrap_or_else(|| fail(&format!("no {name} in {headers:?}"))).to_str().expect("ASCII")
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A folder with these files; their paths.
fn folder(bodies: &[&[u8]]) -> (TempDir, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = bodies.iter().enumerate().map(|(at, body)| {
        let path = folder.path().join(format!("a body;{at}"));
        std::fs::write(&path, body).expect("the folder is ours");
        path.to_str().expect("UTF-8").to_owned()
    });
    let paths = paths.collect();
    (folder, paths)
}

#[tokio::test]
async fn the_service_accepts_what_it_signs_and_a_second_secret_is_not_used() {
    assert_installed(&["bash", "openssl", "curl", "od", "tr"]).await;
    let tenant = Sandbox::start(sandbox::Settings::default()).await.expect("a free port");
    let mut service = Program::serve(&tenant).start();
    let url = format!("http://{}/hooks/config", service.ready().await.public);
    let sent = |secret: &str, files: &[&str]| {
        replay(files).env("FLOWHOOK_URL", &url).env("FLOWHOOK_WEBHOOK_SECRET", secret).output()
    };
    let first = sent(&format!(" {WEBHOOK_SECRET} ,whsec_b3RoZXI="), &[FULL]).await;
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""), "{first:?}");
    assert!(first.stdout.starts_with(&format!("{FULL}  202  {{\"status\":\"accepted\",")), "{first:?}");

    let other = sent(&format!("whsec_b3RoZXI=,{WEBHOOK_SECRET}"), &[FULL]).await;
    assert_eq!(other.code, Some(77), "{other:?}");
    let huge = FULL.replace("full", "huge");
    let partial = FULL.replace("full", "partial");
    let mixed = sent(&WEBHOOK_SECRET["whsec_".len()..], &[FULL, &huge, &partial]).await;
    assert_eq!(mixed.code, Some(65), "{mixed:?}");
    for (file, status) in [(FULL, 202), (&huge, 413), (&partial, 422)] {
        assert!(mixed.stdout.contains(&format!("{file}  {status}  {{")), "{file} in {mixed:?}");
    }
}

#[tokio::test]
async fn the_command_that_serve_sandbox_prints_works_in_a_clone() {
    let (_service, addresses, printed) = practising(Program::flowhook(&["serve", "--sandbox"])).await;
    let command = paragraph(&printed, "FLOWHOOK_URL=");
    let said = bash(&format!("cd '{}' && {command}", env!("CARGO_MANIFEST_DIR"))).await;
    assert!(said.starts_with("fixtures/events/full.json  202  "), "{said}");
    addresses.settled().await;
    assert_eq!(addresses.changes().await.len(), 1);
}

#[tokio::test]
async fn githubs_published_vector_comes_out() {
    let receiver = Receiver::start(&[]).await;
    let (_folder, files) = folder(&[b"Hello, World!"]);
    let program =
        replay(&[&files[0]]).env("FLOWHOOK_URL", &receiver.url).env("FLOWHOOK_WEBHOOK_SCHEME", "github");
    let output = program.env("FLOWHOOK_WEBHOOK_SECRET", "It's a Secret to Everybody").output().await;
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    let (headers, body) = receiver.got().remove(0);
    assert_eq!(&body[..], b"Hello, World!");
    // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    let wanted = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(header(&headers, "x-hub-signature-256"), wanted);
    assert_eq!(
        header(&headers, "x-github-delivery").split('-').map(str::len).collect::<Vec<_>>(),
        [8, 4, 4, 4, 12]
    );
}

#[tokio::test]
async fn keys_and_bodies_of_any_bytes_are_signed_as_they_are() {
    let receiver = Receiver::start(&[]).await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let long = every_byte.repeat(400);
    let bodies: [&[u8]; 6] = [b"", b"\n", b"{}\r\n\n", &every_byte, &long, b"no end of line"];
    let (_folder, files) = folder(&bodies);
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let sent = |scheme: &str, secret: &str| {
        let program =
            replay(&files).env("FLOWHOOK_URL", &receiver.url).env("FLOWHOOK_WEBHOOK_SCHEME", scheme);
        program.env("FLOWHOOK_WEBHOOK_SECRET", secret).output()
    };
    for length in [1, 24, 63, 64, 65, 255] {
        let key: Vec<u8> = every_byte.iter().rev().cycle().skip(length).take(length).copied().collect();
        let output = sent("standard-webhooks", &format!("whsec_{}", BASE64_STANDARD.encode(&key))).await;
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{length}: {output:?}");
        let got = receiver.got();
        assert_eq!(got.len(), bodies.len());
        for ((headers, body), wanted) in got.iter().zip(bodies) {
            assert_eq!(&body[..], wanted);
            let signed =
                format!("{}.{}.", header(headers, "webhook-id"), header(headers, "webhook-timestamp"));
            let mac = mac(&key, &[signed.as_bytes(), wanted].concat());
            let signature = format!("v1,{}", BASE64_STANDARD.encode(mac));
            assert_eq!(header(headers, "webhook-signature"), signature, "a key of {length} bytes");
        }
    }
    for secret in ["s", "% \\x41 $(id) 'naïve' 日本語", &"long ".repeat(40)[..199]] {
        let output = sent("github", secret).await;
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
        for ((headers, body), wanted) in receiver.got().iter().zip(bodies) {
            assert_eq!(&body[..], wanted);
            let signature = format!("sha256={}", hex(&mac(secret.as_bytes(), wanted)));
            assert_eq!(header(headers, "x-hub-signature-256"), signature, "`{secret}`");
        }
    }
}

#[tokio::test]
async fn the_exit_code_is_that_of_the_first_file_that_was_not_accepted() {
    async fn check(says: &[u16], code: i32) {
        let receiver = Receiver::start(says).await;
        let files = vec![FULL; says.len()];
        let program = replay(&files).env("FLOWHOOK_URL", &receiver.url);
        let output = program.env("FLOWHOOK_WEBHOOK_SECRET", WEBHOOK_SECRET).output().await;
        assert_eq!((output.code, output.stderr.as_str()), (Some(code), ""), "{says:?}: {output:?}");
        for status in says {
            assert!(output.stdout.contains(&format!("{FULL}  {status}  {{\"told\":\n1}}\n")), "{output:?}");
        }
        assert_eq!(receiver.got().len(), says.len(), "all are sent");
    }
    check(&[202, 200], 0).await;
    check(&[202, 422, 401], 65).await;
    check(&[401, 202], 77).await;
    for status in [408, 429, 503] {
        check(&[status, 400], 75).await;
    }
    for status in [400, 404, 413] {
        check(&[status, 503], 65).await;
    }
    for status in [307, 500, 502] {
        check(&[status, 503], 69).await;
    }
}

#[tokio::test]
async fn a_service_on_this_machine_is_not_looked_for_behind_a_proxy() {
    let (receiver, proxy) = (Receiver::start(&[]).await, Receiver::start(&[200, 200]).await);
    let address = proxy.url.trim_end_matches("/hooks/config");
    let sent = |url: &str| {
        let program = replay(&[FULL]).env("FLOWHOOK_WEBHOOK_SECRET", WEBHOOK_SECRET);
        program.env("FLOWHOOK_URL", url).env("http_proxy", address).output()
    };
    for url in [receiver.url.clone(), receiver.url.replace("127.0.0.1", "localhost")] {
        let output = sent(&url).await;
        assert!(output.stdout.starts_with(&format!("{FULL}  202  ")), "{url}: {output:?}");
    }
    for url in ["http://flowhook.example/hooks/config", "http://localhost.example/hooks/config"] {
        let output = sent(url).await;
        assert!(output.stdout.starts_with(&format!("{FULL}  200  ")), "{url}: {output:?}");
    }
    assert_eq!((receiver.got().len(), proxy.got().len()), (2, 2));
}

#[tokio::test]
async fn what_stops_it_is_told_before_anything_is_sent() {
    let receiver = Receiver::start(&[]).await;
    let run = |files: &[&str], environment: &[(&str, &str)]| {
        replay(files).env("FLOWHOOK_URL", &receiver.url).envs(environment).output()
    };
    let check = |output: Output, code: i32, says: &str| {
        assert_eq!((output.code, output.stdout.as_str()), (Some(code), ""), "{output:?}");
        assert!(output.stderr.contains(says) && !output.stderr.contains("hunter"), "{says} in {output:?}");
    };
    let good = ("FLOWHOOK_WEBHOOK_SECRET", WEBHOOK_SECRET);
    check(run(&[], &[good]).await, 64, "usage: ");
    check(run(&[FULL], &[]).await, 64, "FLOWHOOK_WEBHOOK_SECRET is not set");
    for secret in ["hunter2!", "whsec_hunter2", "whsec_aHVudGVy\nMg=="] {
        check(run(&[FULL], &[("FLOWHOOK_WEBHOOK_SECRET", secret)]).await, 64, "is not base64");
    }
    for secret in ["whsec_", " ,whsec_AA=="] {
        check(run(&[FULL], &[("FLOWHOOK_WEBHOOK_SECRET", secret)]).await, 64, "is empty");
    }
    check(run(&[FULL], &[good, ("FLOWHOOK_WEBHOOK_SCHEME", "hmac")]).await, 64, "`hmac`");
    check(run(&[FULL, "missing.json"], &[good]).await, 65, "missing.json cannot be read");
    assert_eq!(receiver.got().len(), 0);

    let nowhere = Nowhere::take();
    let url = format!("{}/hooks/config", nowhere.url);
    let output = replay(&[FULL]).envs(&[good, ("FLOWHOOK_URL", &url)]).output().await;
    assert_eq!(output.code, Some(69), "{output:?}");
    assert!(output.stderr.contains("does not answer: start the service, or set FLOWHOOK_URL"), "{output:?}");
}

/// A folder of programs that note how they were called and what is in their environment, then do their work.
///
/// They call none of each other: `command -p` looks where the system has its own, and `env` is not among them.
fn eavesdroppers(names: &[&str]) -> TempDir {
    assert!(!names.contains(&"env"), "it would call itself without end");
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    for name in names {
        let real = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .map(|place| place.join(name))
            .find(|path| path.is_file())
            .unwrap_or_else(|| fail(&format!("install `{name}`")));
        let text = format!(
            "#!/bin/bash\n{{ printf '%s\\n' {name} \"$@\"; command -p env; }} >>'{}'\nexec '{}' \"$@\"\n",
            log.display(),
            real.display()
        );
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the folder is ours");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("the file is ours");
    }
    folder
}

/// The `PATH` with this folder before the others.
fn path_with(folder: &Path) -> String {
    let mut path = OsString::from(folder);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path.into_string().expect("UTF-8")
}

#[tokio::test]
async fn no_program_that_it_starts_gets_the_key() {
    let receiver = Receiver::start(&[]).await;
    let key = b"a key that nobody is to see";
    let encoded = BASE64_STANDARD.encode(key);
    for (scheme, secret) in [
        ("standard-webhooks", format!("whsec_{encoded}")),
        ("github", String::from_utf8_lossy(key).into_owned()),
    ] {
        let programs = eavesdroppers(&["openssl", "curl", "od", "tr", "cat", "date"]);
        let program =
            replay(&[FULL]).env("PATH", &path_with(programs.path())).env("FLOWHOOK_URL", &receiver.url);
        let program = program.env("FLOWHOOK_WEBHOOK_SCHEME", scheme);
        let output = program.env("FLOWHOOK_WEBHOOK_SECRET", &secret).output().await;
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
        let heard = std::fs::read(programs.path().join("log")).expect("they were called");
        let heard = String::from_utf8_lossy(&heard);
        assert!(heard.contains("dgst") && heard.contains("--data-binary"), "{heard}");
        let pad: Vec<u8> = key.iter().map(|byte| byte ^ 0x36).collect();
        for form in [encoded.as_str(), "nobody is to see", &hex(key), &hex(&pad)] {
            assert!(!heard.contains(form) && !output.stdout.contains(form), "{form} in {heard}");
        }
    }
}
