//! `--json`: whatever becomes of a command, its standard output is one JSON document.

use std::collections::BTreeSet;

use flowhook::sandbox::SAMPLE_NODE;
use serde_json::{Value, json};

use crate::program::{Output, Program, WEBHOOK_SECRET};
use crate::send::{Site, event};

/// The commands that know `--json`, by their own help.
async fn commands() -> BTreeSet<String> {
    let help = Program::flowhook(&["--help"]).output().await.stdout;
    let list = help.split("Commands:\n").nth(1).expect("a list of commands");
    let names = list.lines().take_while(|line| !line.is_empty());
    let mut commands = BTreeSet::new();
    for name in names.filter_map(|line| line.split_whitespace().next()) {
        let help = Program::flowhook(&["help", name]).output().await.stdout;
        if help.split("Examples:").next().is_some_and(|help| help.contains("--json")) {
            commands.insert(name.to_owned());
        }
    }
    commands
}

/// A command that has all it needs of a site and of its folder.
fn at(site: &Site, arguments: &[&str]) -> Program {
    Program::flowhook(arguments).at(&site.tenant).file("event.json", &event("flow-0", 1)).envs(&[
        ("FLOWHOOK_WEBHOOK_SECRET", WEBHOOK_SECRET),
        ("FLOWHOOK_LISTEN", &site.addresses.public.to_string()),
        ("FLOWHOOK_ADMIN_LISTEN", &site.addresses.admin.to_string()),
        ("CXONE_FLOW_ID", "flow-0"),
        ("TARGET_NODE_ID", SAMPLE_NODE),
    ])
}

/// The code, an error for people, and a document that is the command's own or tells the same error.
#[track_caller]
fn assert_failed(output: &Output, code: i32, has_own_document: bool) -> Value {
    assert_eq!(output.code, Some(code), "{output:?}");
    let told = output.stderr.strip_prefix("error: ").unwrap_or_default().trim();
    assert!(!told.is_empty() && !told.contains("error: "), "{output:?}");
    let document = output.json();
    if has_own_document {
        assert_eq!(document.get("exit_code"), None, "{document}");
    } else {
        assert_eq!(document, json!({"error": told, "exit_code": code}));
    }
    document
}

#[tokio::test]
async fn every_command_prints_one_document_whether_it_fails_or_not() {
    let site = Site::begin().await;
    let mut left = commands().await;
    let mut check = async |arguments: &[&str],
                           has: &str,
                           fails: &[&str],
                           code: i32,
                           has_own_document: bool| {
        let done = at(&site, &[arguments, &["--json"]].concat());
        // It would find the addresses taken by a service with another journal.
        let done = if arguments == ["check"] { done.on_free_ports() } else { done };
        let done = done.output().await;
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
        assert!(done.json().get(has).is_some(), "{has} in {done:?}");
        // The flag may stand before or after what is wrong.
        for failing in [[fails, &["--json"]].concat(), [&fails[..1], &["--json"], &fails[1..]].concat()] {
            assert_failed(&at(&site, &failing).output().await, code, has_own_document);
        }
        let usage = Program::flowhook(&[arguments[0], "--json", "--no-such-flag"]).output().await;
        let document = assert_failed(&usage, 64, false);
        assert!(document["error"].as_str().is_some_and(|text| text.contains("--no-such-flag")), "{usage:?}");
        // Where nothing is set; `health` needs nothing, and nobody listens at the port 9.
        let bare =
            Program::flowhook(&[arguments, &["--json"]].concat()).env("FLOWHOOK_ADMIN_LISTEN", "127.0.0.1:9");
        let bare = bare.output().await;
        match arguments[0] {
            "health" => _ = assert_failed(&bare, 1, true),
            "check" => _ = assert_failed(&bare, 64, true),
            "changes" | "drift" | "retry" | "discard" | "rollback" | "pause" | "resume" => {
                _ = assert_failed(&bare, 69, false);
            }
            _ => _ = assert_failed(&bare, 64, false),
        }
        assert!(left.remove(arguments[0]), "{left:?}");
    };
    check(&["nodes", "flow-0"], "nodes", &["nodes", "gone"], 65, false).await;
    check(&["apply", "--set", "a=1"], "version", &["apply", "--set", "a"], 64, false).await;
    check(&["sign", "event.json"], "headers", &["sign", "gone.json"], 65, false).await;
    check(&["explain", "event.json"], "routes", &["explain", "gone.json"], 65, false).await;
    check(&["send", "event.json"], "summary", &["send", "gone.json"], 65, false).await;
    check(&["changes"], "changes", &["changes", "--state", "done"], 64, false).await;
    check(&["drift"], "drift", &["drift", "--flow", ".."], 64, false).await;
    check(&["retry", "--flow", "flow-0"], "changes", &["retry", "99"], 65, false).await;
    check(&["discard", "--flow", "flow-0"], "changes", &["discard", "0"], 64, false).await;
    check(&["rollback", "--flow", "flow-0"], "changes", &["rollback", "99"], 65, false).await;
    check(&["pause", "flow-0"], "flows", &["pause", ".."], 64, false).await;
    check(&["resume", "--all"], "paused", &["resume"], 64, false).await;
    check(&["health"], "status", &["health", "--ready", "--config", "gone.toml"], 1, true).await;
    check(&["check"], "findings", &["check", "--config", "gone.toml"], 64, true).await;

    // This one runs until it is told to stop.
    let mut practice = Program::flowhook(&["sandbox", "--listen", "127.0.0.1:0", "--json"]).start();
    practice.printed("base_url").await;
    practice.signal("TERM");
    let output = practice.exit().await;
    assert!(output.code == Some(0) && output.json()["flows"].is_array(), "{output:?}");
    let failing = Program::flowhook(&["sandbox", "--json", "--scope", "all"]).output().await;
    assert_failed(&failing, 64, false);
    assert!(left.remove("sandbox") && left.is_empty(), "not looked at: {left:?}");
}

#[tokio::test]
async fn what_send_has_to_tell_of_files_is_its_own_document_also_when_it_fails() {
    let site = Site::begin().await;
    let send = at(&site, &["send", "--json", "event.json", "bad.json"]).file("bad.json", "{");
    let document = assert_failed(&send.output().await, 65, true);
    assert_eq!(document["summary"]["refused"], json!(1));
}

#[tokio::test]
async fn who_does_not_ask_for_json_gets_none() {
    for arguments in [&["nodes", ".."][..], &["sign", "gone.json"], &["aply"], &["send", "--", "--json"]] {
        let output =
            Program::flowhook(arguments).env("FLOWHOOK_WEBHOOK_SECRET", WEBHOOK_SECRET).output().await;
        assert_eq!(output.stdout, "", "{output:?}");
        assert!(output.stderr.starts_with("error: "), "{output:?}");
    }
}
