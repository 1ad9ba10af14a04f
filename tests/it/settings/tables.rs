//! The tables of the settings file: schemes, sources and routes with names of their own.

use std::fs;

use flowhook::settings::{Layers, Problems, Settings};
use flowhook::source::{Scheme, Secret};
use jiff::Timestamp;

use super::lines;

const CLIENT: [(&str, &str); 2] = [("CXONE_CLIENT_ID", "id"), ("CXONE_CLIENT_SECRET", "hunter2hunter2")];
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// A route for the source `ld`.
const ROUTE: &str =
    "[routes.wait]\nsource = \"ld\"\nflow = \"f\"\nnode = \"n\"\nvariables = { wait = \"/wait\" }\n";

/// The settings of a file with these tables; `{folder}` is where a file `secret` is.
fn read(tables: &str, environment: &[(&str, &str)]) -> Result<Settings, Problems> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flowhook.toml");
    fs::write(folder.path().join("secret"), format!("first\nof two: {SECRET}\n")).expect("a file");
    fs::write(&path, tables.replace("{folder}", &folder.path().display().to_string())).expect("a file");
    Settings::service(&Layers::of_file(&path, CLIENT.iter().chain(environment).copied()))
}

#[track_caller]
fn accepted(tables: &str, environment: &[(&str, &str)]) -> Settings {
    read(tables, environment).unwrap_or_else(|problems| panic!("{tables}\n{problems}"))
}

/// Checks that these tables have these problems, in some order: where each begins, and what it says.
#[track_caller]
fn check_refused(tables: &str, environment: &[(&str, &str)], expected: &[(&str, &str)]) {
    let Err(problems) = read(tables, environment) else { panic!("{tables} is accepted") };
    let problems = lines(&problems.to_string());
    assert_eq!(problems.len(), expected.len(), "{tables}\n{problems:#?}");
    for (key, what) in expected {
        let fits = |problem: &&String| {
            let begin = problem.split_once(" in /").map(|(begin, _)| begin);
            begin == Some(key) && problem.contains(what)
        };
        assert!(problems.iter().any(|problem| fits(&problem)), "{key} {what}\nis not in {problems:#?}");
    }
    let all = problems.join("\n");
    assert!(!all.contains("hunter2") && !all.contains(&SECRET[6..]), "{all}");
}

#[track_caller]
fn check_warnings(tables: &str, expected: &[&str]) {
    let warnings = accepted(tables, &[]).warnings;
    assert_eq!(warnings.len(), expected.len(), "{tables}\n{warnings:#?}");
    for (warning, expected) in warnings.iter().zip(expected) {
        assert!(warning.contains(expected), "{expected} is not in {warning}");
    }
}

fn source(name: &str, members: &str) -> String {
    format!("[sources.{name}]\n{members}\n")
}

fn launchdarkly(members: &str) -> String {
    source("ld", &format!("scheme = \"launchdarkly\"\n{members}"))
}

#[test]
fn sources_of_the_file_stand_in_for_the_single_one_or_beside_it() {
    let file = source("own", &format!("scheme = \"standard-webhooks\"\nsecrets = [\"{SECRET}\"]"));
    assert_eq!(accepted(&file, &[]).sources.names(), ["own"]);
    let both = accepted(&file, &[("FLOWHOOK_WEBHOOK_SECRET", SECRET)]);
    assert_eq!(both.sources.names(), ["config", "own"]);
    let only_scheme = [("FLOWHOOK_WEBHOOK_SCHEME", "github")];
    let told = read(&file, &only_scheme).expect_err("no secret").to_string();
    assert!(told.contains("FLOWHOOK_WEBHOOK_SECRET is not set"), "{told}");
    let named_config = file.replace("own", "config");
    assert_eq!(accepted(&named_config, &[]).sources.names(), ["config"]);
    check_refused(
        &named_config,
        &[("FLOWHOOK_WEBHOOK_SECRET", SECRET)],
        &[("sources.config", "is set beside FLOWHOOK_WEBHOOK_SECRET")],
    );
}

#[test]
fn a_secret_is_text_or_in_a_variable_or_in_a_file_with_one_a_line() {
    let file = launchdarkly(r#"secrets = ["a text", { env = "FLOWHOOK_LD" }, { file = "{folder}/secret" }]"#)
        + ROUTE;
    let settings = accepted(&file, &[("FLOWHOOK_LD", "of a variable, 24 bytes or so")]);
    // What a table names is no misspelt setting.
    assert!(!settings.warnings.join("\n").contains("FLOWHOOK_LD"), "{:?}", settings.warnings);
    let verifies = |secret: &str| {
        let (scheme, now) = (Scheme::parse("launchdarkly").expect("a preset"), Timestamp::now());
        let secret = Secret::parse(&scheme, secret).expect("a good secret");
        let headers = scheme.sign(&secret, "msg", now, b"{}").expect("it can be signed");
        let source = settings.sources.find("ld").expect("it is there");
        source.verify(headers, "{}".into(), now).is_ok()
    };
    assert!(verifies("a text") && verifies("of a variable, 24 bytes or so") && verifies("first"));
    assert!(verifies(&format!("of two: {SECRET}")) && !verifies("another"));
}

#[test]
fn a_file_from_windows_gives_its_secret_without_the_mark_before_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("marked");
    fs::write(&path, "\u{feff}0123456789012345678901234\r\n").expect("a file");
    let path = path.to_str().expect("UTF-8");
    accepted(&(launchdarkly(&format!("secrets = [{{ file = \"{path}\" }}]")) + ROUTE), &[]);
    let single = [("FLOWHOOK_WEBHOOK_SECRET_FILE", path), ("FLOWHOOK_WEBHOOK_SCHEME", "github")];
    accepted("", &single);
}

#[test]
fn two_secrets_in_a_variable_are_not_taken_for_one() {
    let two = "0123456789012345678901234\n9876543210987654321098765";
    let file = launchdarkly("secrets = [{ env = \"LD\" }]") + ROUTE;
    check_refused(&file, &[("LD", two)], &[("sources.ld.secrets[0]", "several go in a file")]);
    let single = [("FLOWHOOK_WEBHOOK_SECRET", two), ("FLOWHOOK_WEBHOOK_SCHEME", "github")];
    let told = read("", &single).expect_err("two lines").to_string();
    assert!(told.contains("FLOWHOOK_WEBHOOK_SECRET has a line break"), "{told}");
}

#[test]
fn everything_about_a_source_is_told_under_the_path_of_its_key() {
    let check =
        |members: &str, expected: &[(&str, &str)]| check_refused(&source("ld", members), &[], expected);
    let good = format!("scheme = \"standard-webhooks\"\nsecrets = [\"{SECRET}\"]\n");
    check("secrets = [\"hunter2\"]", &[("sources.ld", "missing field `scheme`")]);
    check("scheme = \"launchdarkly\"", &[("sources.ld", "missing field `secrets`")]);
    check(
        "scheme = \"x\"\nsecret = \"hunter2\"",
        &[("sources.ld", "unknown field `secret`, expected one of `scheme`, `secrets`")],
    );
    check(
        "scheme = \"guess\"\nsecrets = [\"hunter2\"]",
        &[("sources.ld.scheme", "there is no scheme `guess`: use one of")],
    );
    check("scheme = \"launchdarkly\"\nsecrets = \"hunter2\"", &[("sources.ld.secrets", "must be a list")]);
    check("scheme = \"launchdarkly\"\nsecrets = []", &[("sources.ld.secrets", "is empty")]);
    check("scheme = \"launchdarkly\"\nsecrets = [\"\"]", &[("sources.ld.secrets[0]", "the secret is empty")]);
    check("scheme = \"launchdarkly\"\nsecrets = [5]", &[("sources.ld.secrets[0]", "must be text, { env")]);
    check(
        "scheme = \"launchdarkly\"\nsecrets = [{ env = \"A\", file = \"b\" }]",
        &[("sources.ld.secrets[0]", "must be text, { env")],
    );
    check(
        "scheme = \"standard-webhooks\"\nsecrets = [\"hunter2 \", { file = \"{folder}/secret\" }]",
        &[
            ("sources.ld.secrets[0]", "is wrong"),
            ("sources.ld.secrets[1], line 1", "is wrong"),
            ("sources.ld.secrets[1], line 2", "is wrong"),
        ],
    );
    check(
        "scheme = \"launchdarkly\"\nsecrets = [{ env = \"NOT_SET\" }, { env = \"hunter2\" }, { file = \"{folder}/gone\" }]",
        &[
            ("sources.ld.secrets[0]", "names a variable `NOT_SET` that is not set"),
            ("sources.ld.secrets[1]", "names a variable that is not set"),
            ("sources.ld.secrets[2]", "names a file `"),
        ],
    );
    check(
        &(good.clone() + "tolerance_seconds = 0\nbody_bytes = 99999999\nmethods = []"),
        &[
            ("sources.ld.tolerance_seconds", "must be a whole number from 1 to 86400"),
            ("sources.ld.body_bytes", "must be a whole number from 1 to 8388608"),
            ("sources.ld.methods", "is empty"),
        ],
    );
    check(
        &(good.clone() + "tolerance_seconds = \"hunter2\""),
        &[("sources.ld.tolerance_seconds", "it is text, expected a whole number")],
    );
    check(&(good.clone() + "methods = [\"DELETE\"]"), &[("sources.ld.methods", "`DELETE`")]);
    check(&(good.clone() + "rejected = 204"), &[("sources.ld.rejected", "must be 422 or 200")]);
    check(&(good + "rejected = \"x\""), &[("sources.ld.rejected", "it is text, expected a whole number")]);
    check_refused(
        "[sources]\nld = \"hunter2\"",
        &[("FLOWHOOK_WEBHOOK_SECRET", SECRET)],
        &[("sources", "write `[sources.ld]`")],
    );
}

#[test]
fn a_source_whose_name_cannot_be_one_is_told_and_its_name_is_fit_to_be_shown() {
    let good = format!("scheme = \"standard-webhooks\"\nsecrets = [\"{SECRET}\"]\n");
    for name in ["operator", "reconcile"] {
        check_refused(&source(name, &good), &[], &[(&format!("sources.{name}"), "ours")]);
    }
    check_refused(&source("\"a/b\"", &good), &[], &[("sources.a/b", "use 1 to 64 letters")]);
    check_refused(&source("\"a\\u001bb\"", &good), &[], &[("sources.a\\u{1b}b", "use 1 to 64 letters")]);
    let long = "a".repeat(5_000);
    check_refused(
        &source(&long, &good),
        &[],
        &[(&format!("sources.{}…", &long[..80]), "use 1 to 64 letters")],
    );
}

#[test]
fn the_path_of_a_file_is_told_unless_it_may_be_the_secret_itself() {
    let told = |file: &str| {
        let members = format!("scheme = \"launchdarkly\"\nsecrets = [{{ file = \"{file}\" }}]");
        let variable = [("FLOWHOOK_ADMIN_TOKEN_FILE", file)];
        read(&source("ld", &members), &variable).expect_err("there is no such file").to_string()
    };
    for secret in [
        SECRET,
        "Bearer hunter2",
        &"0123456789abcdef".repeat(4),
        "hunter2",
        "hUi85p9vfpS2/pBMg4Ef9xi7r0AQvwxo3ts+tBRC58E=",
        "/Ui85p9vfpS2mpBMg4Ef9xi7r0AQvwxo3ts+tBRC58E=",
        &"long/".repeat(2_000),
    ] {
        let told = told(secret);
        assert_eq!(told.matches("names a file that cannot be read: ").count(), 2, "{told}");
        assert!(!told.contains(&secret[..7]), "{told}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().display();
    for path in [format!("{folder}/gone"), format!("{folder}")] {
        let told = told(&path);
        let shown = format!("names a file `{path}` that cannot be read: ");
        assert_eq!(told.matches(&shown).count(), 2, "{told}");
    }
}

#[test]
fn a_scheme_of_ones_own_is_found_by_its_name_and_told_what_is_wrong_with_it() {
    let scheme =
        "[schemes.acme]\nalgorithm = \"hmac-sha256\"\nheader = \"x-acme-signature\"\nencoding = \"hex\"\n";
    let sources = source("own", "scheme = \"acme\"\nsecrets = [\"0123456789012345678901234567890\"]");
    let settings = accepted(&format!("{scheme}{sources}"), &[]);
    assert_eq!(settings.sources.find("own").map(|source| source.scheme().name()), Some("acme"));

    let check = |scheme: &str, key: &str, what: &str| {
        let sources = sources.replace("acme", "github");
        check_refused(&format!("{scheme}{sources}"), &[], &[(key, what)]);
    };
    check(&scheme.replace("hmac-sha256", "md5"), "schemes.acme.algorithm", "unknown variant `md5`");
    check(&scheme.replace("\"hmac-sha256\"", "5"), "schemes.acme.algorithm", "it must be text");
    check(
        &format!("{scheme}kay = 1\n"),
        "schemes.acme",
        "unknown field `kay`, expected one of `algorithm`, `key`",
    );
    // Whoever takes this for the place of the secret must not find it in a log.
    check(&format!("{scheme}key = \"hunter2\"\n"), "schemes.acme.key", "it says how a secret is written");
    check(&scheme.replace("acme", "github"), "schemes.github", "a preset has that name");
    check(&format!("{scheme}content = \"{{id}}.{{body}}\"\n"), "schemes.acme", "cannot be used: ");
    // Its sources are not told that there is no such scheme.
    let bad = format!("{scheme}content = \"\"\n{sources}");
    check_refused(&bad, &[], &[("schemes.acme", "does not end with {body}")]);
}

#[test]
fn everything_about_a_route_is_told_under_the_path_of_its_key() {
    let ld = launchdarkly("secrets = [\"0123456789012345678901234567890\"]");
    assert_eq!(accepted(&format!("{ld}{ROUTE}"), &[]).routes.routes.len(), 1);
    let check =
        |route: &str, expected: &[(&str, &str)]| check_refused(&format!("{ld}{route}"), &[], expected);
    check(
        &ROUTE.replace("\"ld\"", "[\"ld\", \"id\"]"),
        &[("routes.wait.source", "there is no `id`; name one of `ld`")],
    );
    check(&ROUTE.replace("\"/wait\"", "\"wait\""), &[("routes.wait.variables.wait", "")]);
    check(
        &ROUTE.replace("node", "nodes"),
        &[("routes.wait", "unknown field `nodes`, expected one of `source`")],
    );
    check("[routes]\nwait = 5", &[("routes", "write `[routes.wait]`")]);
    let fetch = |headers: &str| {
        format!("{ROUTE}fetch = {{ url = \"https://app.example.com/\", headers = {headers} }}")
    };
    check(&fetch("\"hunter2\""), &[("routes.wait.fetch.headers", "must be a table")]);
    check(
        &fetch("{ A = { env = \"NOT_SET\" }, B = \"hunter2\\nhunter2\" }"),
        &[
            ("routes.wait.fetch.headers.A", "names a variable `NOT_SET` that is not set"),
            ("routes.wait.fetch.headers.B", "must be one line"),
        ],
    );
    accepted(
        &(ld.clone() + &fetch("{ Authorization = { env = \"TOKEN\" }, Accept = \"text/plain\" }")),
        &[("TOKEN", "hunter2")],
    );
    check_refused(
        &format!("{ld}{ROUTE}"),
        &[("FLOWHOOK_ALLOWED_FLOWS", "g")],
        &[("routes.wait.flow", "is `f`, which is not among FLOWHOOK_ALLOWED_FLOWS")],
    );
}

#[test]
fn a_file_that_cannot_be_read_is_the_only_problem_as_nobody_knows_what_is_in_it() {
    let told = read("[sources.ld", &[]).expect_err("it is cut off").to_string();
    assert_eq!(lines(&told).len(), 1, "{told}");
}

#[test]
fn the_problems_of_all_tables_and_of_the_rest_are_told_together() {
    let tables = "[schemes.a]\nalgorithm = 5\n[sources.b]\nscheme = 5\n[routes.c]\nsource = 5\n[tenant]\nbase = 1\n[server]\nlisten = \"x\"";
    let told = read(tables, &[]).expect_err("nothing of it is right").to_string();
    for key in [
        "schemes.a.algorithm in",
        "sources.b.scheme in",
        "routes.c.source in",
        "`tenant.base`",
        "server.listen in",
    ] {
        assert!(told.contains(key), "{key} is not in {told}");
    }
}

#[test]
fn a_token_does_not_come_over_a_network_in_the_clear_unless_that_is_allowed() {
    let token = source("gl", "scheme = \"gitlab-token\"\nsecrets = [\"0123456789012345678901234567890\"]");
    let off = [("FLOWHOOK_LISTEN", "0.0.0.0:8080")];
    accepted(&token, &[]);
    check_refused(&token, &off, &[("sources.gl.scheme", "set `allow_http = true` in [sources.gl]")]);
    accepted(&format!("{token}allow_http = true"), &off);
    let single = [
        off[0],
        ("FLOWHOOK_WEBHOOK_SECRET", "01234567890123456789012345"),
        ("FLOWHOOK_WEBHOOK_SCHEME", "gitlab-token"),
    ];
    let told = read("", &single).expect_err("in the clear").to_string();
    assert!(told.contains("or make it a table: set `allow_http = true` in [sources.config]"), "{told}");
    let signed = source("gh", "scheme = \"github\"\nsecrets = [\"0123456789012345678901234567890\"]");
    accepted(&signed, &off);
}

#[test]
fn what_may_be_meant_otherwise_comes_with_a_warning() {
    let secret = "secrets = [\"0123456789012345678901234567890\"]";
    let of = |scheme: &str| source("ld", &format!("scheme = \"{scheme}\"\n{secret}"));
    check_warnings(&source("ld", &format!("scheme = \"standard-webhooks\"\nsecrets = [\"{SECRET}\"]")), &[]);
    let signs_no_time = "`launchdarkly` of the source `ld` signs no time";
    check_warnings(&(of("launchdarkly") + ROUTE), &[signs_no_time]);
    check_warnings(
        &format!("{}{ROUTE}order_by = {{ at = \"/date\", as = \"milliseconds\" }}", of("launchdarkly")),
        &[],
    );
    check_warnings(
        &format!("{}{ROUTE}fetch = {{ url = \"https://app.example.com/\" }}", of("launchdarkly")),
        &[],
    );
    let no_route = "sources.ld in";
    check_warnings(&of("launchdarkly"), &[no_route, "signs no time"]);
    check_warnings(&of("vercel"), &["HMAC-SHA1", no_route, "signs no time"]);
}

#[test]
fn no_flows_at_all_does_not_mean_any() {
    let ld = launchdarkly("secrets = [\"0123456789012345678901234567890\"]");
    check_refused(
        &format!("{ld}[route]\nallowed_flows = \"\""),
        &[],
        &[("route.allowed_flows", "every flow")],
    );
    let told = read(&ld, &[("FLOWHOOK_ALLOWED_FLOWS", "")]).expect_err("it is empty").to_string();
    assert!(told.contains("FLOWHOOK_ALLOWED_FLOWS is empty, which would allow every flow"), "{told}");
}

#[test]
fn reconciling_is_every_five_minutes_unless_the_settings_say_otherwise() {
    let every = |environment: &[(&str, &str)]| {
        let all = [&[("FLOWHOOK_WEBHOOK_SECRET", SECRET)], environment].concat();
        accepted("", &all).routes.native.reconcile_every.as_secs()
    };
    assert_eq!(every(&[]), 300);
    assert_eq!(every(&[("FLOWHOOK_RECONCILE_SECONDS", "0")]), 0);
    let told = read("", &[("FLOWHOOK_RECONCILE_SECONDS", "86401")]).expect_err("too long").to_string();
    assert!(told.contains("FLOWHOOK_RECONCILE_SECONDS must be a number of seconds from 0 (never)"), "{told}");
}
