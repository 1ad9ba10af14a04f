//! What is under `deploy/` agrees with the program: its settings, its limits, its deadlines.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use flowhook::server::{CONNECTIONS, DRAIN};
use flowhook::service::{CLOSE, OTHER_DESCRIPTORS};
use flowhook::settings::{CONFIG_VARIABLE, KEYS, Key};
use flowhook::source::BODY_BYTES;
use serde_json::{Map, Value};

use crate::program::{Program, fail};

/// What stands in [`KEYS`] where there is no default value to write down.
const NOT_VALUES: [&str; 4] = ["required", "none", "unlimited", "any"];

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| fail(&format!("{}: {error}", path.display())))
}

/// A key as the example spells it, commented out: `#base_url = …`.
fn commented_key(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('#')?.split_once(" = ")?;
    name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_').then_some(name)
}

/// The example with the keys that `wanted` picks put into force.
fn example(wanted: impl Fn(&str) -> bool) -> String {
    let lines = read("flowhook.toml");
    let lines = lines.lines().map(|line| match commented_key(line) {
        Some(name) if wanted(name) => &line[1..],
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What follows `begin` on the one line that begins so.
#[track_caller]
fn value_in<'t>(text: &'t str, begin: &str) -> &'t str {
    let mut found = text.lines().filter_map(|line| line.trim().strip_prefix(begin));
    match (found.next(), found.next()) {
        (Some(value), None) => value.trim().trim_end_matches(';'),
        _ => fail(&format!("not one line begins with `{begin}`")),
    }
}

#[test]
fn the_example_has_every_setting_with_its_default_and_no_other() {
    let tables: Map<String, Value> = toml::from_str(&example(|_| true)).expect("it is TOML");
    let check = |key: &Key| {
        let (table, name) = key.file.split_once('.').expect("a table and a key");
        let value = tables.get(table).and_then(|table| table.get(name));
        let value = value.unwrap_or_else(|| fail(&format!("the example has no `{}`", key.file)));
        if !NOT_VALUES.contains(&key.default) && !key.default.contains('{') {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert_eq!(text, key.default, "{}", key.file);
        }
    };
    KEYS.iter().for_each(|key| check(key));
    let members = tables.values().filter_map(Value::as_object).map(Map::len);
    assert_eq!(members.sum::<usize>(), KEYS.len(), "the example has settings that there are not");
}

#[test]
fn the_comment_above_each_setting_says_what_it_is_and_names_its_variable() {
    let (mut table, mut comment) = (String::new(), String::new());
    for line in read("flowhook.toml").lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            (table, comment) = (name.to_owned(), String::new());
        } else if let Some(name) = commented_key(line) {
            let file = format!("{table}.{name}");
            let key = KEYS.iter().find(|key| key.file == file);
            let key = key.unwrap_or_else(|| fail(&format!("there is no setting `{file}`")));
            let about = format!(" {}.", capitalised(key.about));
            assert!(comment.starts_with(&about), "`{file}` is{about}\nnot{comment}");
            assert!(comment.ends_with(&format!(" {}", key.variable)), "`{file}` follows on: {comment}");
            comment.clear();
        } else {
            comment.push(' ');
            comment.push_str(line.trim_start_matches(['#', ' ']));
        }
    }
}

/// As a sentence begins.
fn capitalised(text: &str) -> String {
    let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    first.to_uppercase() + rest
}

/// Checks that the service accepts these settings: it gets as far as its journal, whose folder is not there.
async fn check_accepted(settings: &str, files: &[(&str, &str)]) {
    let nowhere = "sqlite:no-such-folder/journal.db";
    let program = Program::flowhook(&["--config", "settings.toml", "serve"]).file("settings.toml", settings);
    let program = files.iter().fold(program, |program, (name, text)| program.file(name, text));
    let output = program.env("FLOWHOOK_JOURNAL", nowhere).output().await;
    assert_eq!(output.code, Some(1), "{settings}\n{}", output.stderr);
    assert!(
        output.stderr.contains("the journal `no-such-folder/journal.db` cannot be written"),
        "{output:?}"
    );
}

#[tokio::test]
async fn the_service_accepts_the_example_with_every_setting_in_force() {
    // A secret is either here or in a file.
    let in_file: Vec<String> =
        KEYS.iter().filter_map(|key| key.file.strip_suffix("_file")).map(str::to_owned).collect();
    let is_secret = |name: &str| in_file.iter().any(|key| key.ends_with(&format!(".{name}")));
    check_accepted(&example(|name| !name.ends_with("_file")), &[]).await;
    let files = [
        ("client-secret", "my-client's-secret\n"),
        ("webhook-secret", "whsec_ZXhhbXBsZSBvbmx5OiB0YWtlIHlvdXIgb3duIQ==\n"),
        ("admin-token", "my-admin-token\n"),
    ];
    check_accepted(&example(|name| !is_secret(name)).replace("/etc/flowhook/", ""), &files).await;
}

#[test]
fn every_variable_that_is_named_there_is_a_setting() {
    let known: BTreeSet<&str> = KEYS.iter().map(|key| key.variable).chain([CONFIG_VARIABLE]).collect();
    let families = ["FLOWHOOK_", "CXONE_", "TARGET_", "EXTERNAL_"];
    for file in ["Dockerfile", "compose.yaml", "compose.admin.yaml", "flowhook.service", "flowhook.toml"] {
        let text = read(file);
        let words = text.split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_');
        let named: BTreeSet<&str> =
            words.filter(|word| families.iter().any(|family| word.starts_with(family))).collect();
        assert!(!named.is_empty(), "{file}");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}, which are no settings");
    }
}

#[test]
fn the_service_that_compose_runs_takes_every_setting() {
    let text = read("compose.yaml");
    let service = text.split("\n  flowhook:\n").nth(1).expect("it runs flowhook");
    let service = service.split("\n\n").next().unwrap_or_default();
    let image = read("Dockerfile");
    let check = |key: &Key| {
        // What the image fixes would be of no use at another place.
        let is_of_the_image = image.contains(&format!("{}=", key.variable));
        let in_a_file = format!("{}_FILE: /run/secrets/", key.variable);
        let begin = format!("{}:", key.variable);
        let line = service.lines().find_map(|line| line.trim().strip_prefix(&begin));
        match line.map(str::trim) {
            // Set where it is set outside, and not empty elsewhere.
            Some("") => assert_eq!(key.variable, "FLOWHOOK_ALLOWED_FLOWS"),
            None => assert!(is_of_the_image || service.contains(&in_a_file), "{} is missing", key.variable),
            Some(_) if is_of_the_image => fail(&format!("{} is the image's", key.variable)),
            Some(value) if value.starts_with("/run/secrets/") => {}
            Some(value) => assert_eq!(value, format!("${{{}:-}}", key.variable)),
        }
    };
    KEYS.iter().for_each(|key| check(key));
}

/// The unit's environment as `NAME=VALUE`, with the paths that its specifiers stand for outside of it.
fn environment_of_the_unit() -> Vec<String> {
    let unit = read("flowhook.service");
    let values = |begin| unit.lines().filter_map(move |line| line.strip_prefix(begin));
    let credentials: Vec<(&str, &str)> =
        values("LoadCredential=").map(|value| value.split_once(':').expect("a name and a path")).collect();
    let outside = |value: &str| {
        let value = value.replace("%S", "/var/lib");
        credentials.iter().fold(value, |value, (name, path)| value.replace(&format!("%d/{name}"), path))
    };
    values("Environment=").map(outside).collect()
}

#[test]
fn the_page_checks_with_the_units_environment() {
    let page = include_str!("../../docs/deploying.md");
    let check = page.split("```").find(|text| text.starts_with("sh") && text.contains("flowhook check"));
    let words: Vec<&str> = check.expect("a command that checks").split_whitespace().collect();
    let given: Vec<&str> = words.iter().copied().filter(|word| word.contains('=')).collect();
    assert_eq!(given, environment_of_the_unit());
    let folder = value_in(&read("flowhook.service"), "WorkingDirectory=").replace("%S", "/var/lib");
    assert!(words.windows(2).any(|pair| pair == ["-C", &folder]), "a `.env` of where one is would be read");
}

#[test]
fn supervisors_wait_for_as_long_as_an_orderly_end_may_take() {
    let check = |seconds: &str| {
        let seconds = seconds.trim_end_matches('s').parse().expect("whole seconds");
        assert!(Duration::from_secs(seconds) > DRAIN + CLOSE, "{seconds} s are too few");
    };
    check(value_in(&read("flowhook.service"), "TimeoutStopSec="));
    check(value_in(&read("compose.yaml"), "stop_grace_period:"));
}

#[test]
fn there_are_descriptors_for_all_senders_at_once() {
    let check = |limit: &str| {
        let limit: usize = limit.parse().expect("a number");
        assert!(limit >= CONNECTIONS + OTHER_DESCRIPTORS, "{limit} descriptors are too few");
    };
    check(value_in(&read("flowhook.service"), "LimitNOFILE="));
    check(value_in(&read("compose.yaml"), "nofile:"));
}

#[test]
fn nginx_takes_bodies_as_long_as_the_receiver_does() {
    let text = read("nginx.conf");
    let check = |directive| {
        let mebibytes: usize = value_in(&text, directive).trim_end_matches('m').parse().expect("mebibytes");
        assert_eq!(mebibytes * 1024 * 1024, BODY_BYTES, "{directive}");
    };
    check("client_max_body_size");
    check("client_body_buffer_size");
}
