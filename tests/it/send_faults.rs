//! `flowhook send` when something is amiss on its way: what passes is told from what stays, files keep their
//! order, and the wait for their endings is a bound.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{any, get};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::elsewhere::server;
use crate::program::{Program, WEBHOOK_SECRET};
use crate::send::{Site, assert_ends, event, send};

const ACCEPTED: &str = r#"{"status":"accepted","id":"msg_1","changes":1}"#;

/// A service that answers the first delivery with that status and accepts the others; how many it was sent.
async fn refuses_the_first(status: u16) -> (String, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let status = StatusCode::from_u16(status).expect("a status");
    let answer = move || {
        let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move { if is_first { (status, "{}") } else { (StatusCode::ACCEPTED, ACCEPTED) } }
    };
    (format!("http://{}", server(Router::new().fallback(any(answer))).await), sent)
}

#[tokio::test]
async fn what_is_refused_for_now_is_not_overtaken_by_the_files_after_it() {
    let check = async |status: u16, code: i32, sent: usize| {
        let (url, got) = refuses_the_first(status).await;
        let files = ["good.json", "better.json", "ignored.json"];
        let output = send(&[&["--url", &url, "--wait", "0", "--json"], &files[..]].concat()).output().await;
        assert_eq!((output.code, got.load(Ordering::SeqCst)), (Some(code), sent), "{status}: {output:?}");
        assert_eq!(output.json()["summary"]["unsent"], json!(3 - sent), "{status}: {output:?}");
    };
    check(503, 75, 1).await;
    check(429, 75, 1).await;
    check(408, 75, 1).await;
    check(502, 69, 1).await;
    // This one is too large whatever is done about the others.
    check(413, 65, 3).await;
}

/// A way to that address whose first connections break, each in its own manner.
async fn breaking(to: std::net::SocketAddr) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        for turn in 0.. {
            let Ok((mut from, _)) = listener.accept().await else { return };
            tokio::spawn(async move {
                _ = from.readable().await;
                let answer = match turn {
                    // Closing it with a question unread resets it.
                    0 => return,
                    1 => "200 OK\r\ncontent-length: 900\r\n\r\n{",
                    2 => "200 OK\r\ncontent-length: 1\r\n\r\n{",
                    3 => "502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
                    _ => {
                        let mut to = TcpStream::connect(to).await.expect("the service is there");
                        _ = copy_bidirectional(&mut from, &mut to).await;
                        return;
                    }
                };
                _ = from.read(&mut [0; 4_096]).await;
                _ = from.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await;
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn an_admin_api_whose_answers_break_off_is_asked_again() {
    let site = Site::begin().await;
    let admin = breaking(site.addresses.admin).await;
    let output = site.send(&["good.json", "better.json", "--admin-url", &admin]).output().await;
    assert_ends(&output, 0, &[]);
    assert!(output.stdout.contains(": 2 published"), "{output:?}");
}

#[tokio::test]
async fn the_wait_is_a_bound_however_slow_the_admin_api_is_and_however_many_ask() {
    let site = Site::begin().await;
    let silent = server(Router::new().fallback(any(pending::<StatusCode>))).await;
    let names: Vec<String> = (0..40).map(|number| format!("{number}.json")).collect();
    let admin = format!("http://{silent}");
    let mut arguments = vec!["--admin-url", &admin, "--wait", "1", "--json"];
    arguments.extend(names.iter().map(String::as_str));
    let program = site.send(&arguments);
    let program = names.iter().fold(program, |program, name| program.file(name, &event("flow-0", 1)));
    let output = program.output().await;
    assert_ends(&output, 69, &["has not answered in time", &admin, "--wait", "39 more"]);
    let summary = &output.json()["summary"];
    assert_eq!(summary["accepted"], 40);
    // The time of one answer is 10 s, and eight are waited for at once.
    assert!(summary["ms"].as_u64().is_some_and(|ms| ms < 10_000), "{summary}");
}

#[tokio::test]
async fn what_was_told_last_counts_when_the_admin_api_falls_silent() {
    let site = Site::begin().await;
    let told = r#"{"changes":[{"seq":7,"flow":"f","state":"pending","reason":"so it is","received_at":"2026-11-22T06:00:00Z"}]}"#;
    let asked = Arc::new(AtomicUsize::new(0));
    let falls_silent = get(move || async move {
        match asked.fetch_add(1, Ordering::SeqCst) {
            0 => (StatusCode::OK, told),
            _ => (StatusCode::SERVICE_UNAVAILABLE, ""),
        }
    });
    let admin = server(Router::new().route("/api/deliveries/config/{id}", falls_silent)).await;
    let admin = format!("http://{admin}");
    let output = site.send(&["good.json", "--wait", "1", "--admin-url", &admin]).output().await;
    assert_ends(&output, 75, &["change 7", "still pending: so it is"]);
}

#[tokio::test]
async fn a_service_elsewhere_is_not_followed_at_the_admin_api_that_is_here() {
    for url in ["http://hooks.invalid", "https://192.0.2.1:8080/in", "http://[2001:db8::1]"] {
        let output = send(&["good.json", "--url", url]).output().await;
        assert_ends(&output, 64, &[url, "--admin-url", "--wait 0"]);
        assert_eq!(output.stdout, "", "nothing is sent");
    }
    let site = Site::begin().await;
    let (public, admin) = (site.addresses.public, site.addresses.admin.to_string());
    for host in ["127.0.0.1", "localhost", "LOCALHOST", "0.0.0.0"] {
        let url = format!("http://{host}:{}", public.port());
        let here = send(&["good.json", "--url", &url]).env("FLOWHOOK_ADMIN_LISTEN", &admin);
        assert_ends(&here.output().await, 0, &[]);
    }
}

#[tokio::test]
async fn what_has_no_end_is_not_read_to_it() {
    let run = async |command: &str| {
        // Should it read on after all, this stops it before the machine suffers.
        let script = format!("ulimit -v 8000000; {command}");
        let program = Program::named("bash", &["-c", &script]).env("FLOWHOOK_WEBHOOK_SECRET", WEBHOOK_SECRET);
        let tenant = [("CXONE_CLIENT_ID", "x"), ("CXONE_CLIENT_SECRET", "x")];
        let output =
            program.envs(&tenant).env("CXONE_FLOW_ID", "f").env("TARGET_NODE_ID", "n").output().await;
        assert_ends(&output, 65, &["longer than 64 MiB", "give a smaller file"]);
        output
    };
    for command in ["sign", "apply --from", "sandbox --listen 127.0.0.1:0 --flow-file"] {
        assert!(run(&format!("flowhook {command} /dev/zero")).await.stderr.contains("`/dev/zero`"));
    }
    for command in ["sign -", "apply --from -", "send -"] {
        let output = run(&format!("flowhook {command} </dev/zero")).await;
        assert!(output.stderr.contains("`standard input`"), "{output:?}");
    }
    // What says how long it is, is not even begun.
    let listed = run("truncate -s 67108865 huge; flowhook send /dev/null huge").await;
    assert!(listed.stderr.contains("`huge`") && listed.stderr.contains("nothing was sent"), "{listed:?}");
}

#[tokio::test]
async fn only_what_speaks_as_flowhook_does_is_taken_for_it() {
    const PROBLEM: &str = "application/problem+json";
    let check = async |status: u16, content_type: &'static str, code: i32, says: &[&str]| {
        let status = StatusCode::from_u16(status).expect("a status");
        let answer = (status, [("content-type", content_type)], r#"{"detail":"So it is."}"#);
        let router = Router::new().fallback(any(move || async move { answer }));
        let url = format!("http://{}", server(router).await);
        let output = send(&["good.json", "--url", &url]).output().await;
        assert_ends(&output, code, says);
    };
    for status in [400, 401, 403, 404, 405, 415, 422] {
        let words = format!("{status} ");
        let says = [&words, "not in flowhook's words", "whether it is flowhook that answers at"];
        check(status, "application/json", 69, &says).await;
    }
    check(404, PROBLEM, 65, &["So it is", "--url", "has this source"]).await;
    check(422, PROBLEM, 65, &["So it is", "mend the file"]).await;
    // What stands in front of the service may say these too.
    check(413, "text/html", 65, &["413 Payload Too Large", "smaller"]).await;
    check(429, "text/html", 75, &["429 Too Many Requests", "send it again later"]).await;
}

#[tokio::test]
async fn clocks_are_spoken_of_only_where_the_scheme_signs_the_time() {
    let check = async |scheme: &str, [ours, theirs]: [&str; 2], speaks: bool| {
        let settings = [("FLOWHOOK_WEBHOOK_SCHEME", scheme), ("FLOWHOOK_WEBHOOK_SECRET", theirs)];
        let site = Site::with(&settings).await;
        let program = site.send(&["good.json"]).envs(&[settings[0], ("FLOWHOOK_WEBHOOK_SECRET", ours)]);
        let output = program.output().await;
        assert_ends(&output, 77, &["FLOWHOOK_WEBHOOK_SECRET"]);
        assert_eq!(output.stderr.contains("clocks"), speaks, "{scheme}: {output:?}");
    };
    check("github", ["a secret of ours long enough", "a secret of theirs long enough"], false).await;
    check("standard-webhooks", ["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", WEBHOOK_SECRET], true).await;
}
