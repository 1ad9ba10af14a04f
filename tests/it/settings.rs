//! The settings: their layers, their checks, their messages.

mod page;
mod tables;

use std::fs;
use std::path::Path;

use flowhook::sandbox::{self, Sandbox, sample_flow};
use flowhook::settings::{KEYS, Layers, Settings};

use crate::program::Program;

/// A service's settings without which it does not start.
const REQUIRED: [(&str, &str); 3] = [
    ("FLOWHOOK_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ("CXONE_CLIENT_ID", "id"),
    ("CXONE_CLIENT_SECRET", "hunter2hunter2"),
];

fn layers<'a>(settings: &[(&'a str, &'a str)]) -> Layers {
    Layers::of(REQUIRED.iter().chain(settings).copied())
}

/// The problems of a service with these settings beside the required ones, one a line.
#[track_caller]
fn problems(settings: &[(&str, &str)]) -> Vec<String> {
    let Err(problems) = Settings::service(&layers(settings)) else { panic!("{settings:?} is accepted") };
    lines(&problems.to_string())
}

fn lines(message: &str) -> Vec<String> {
    let lines = message.lines().skip(1).map(str::trim_start);
    // `serve` also says how to try it without any.
    lines.filter(|line| !line.starts_with('(')).map(str::to_owned).collect()
}

/// Checks that these settings have one problem, which begins with the key's name and says `what`.
#[track_caller]
fn check_refused(settings: &[(&str, &str)], name: &str, what: &str) {
    let problems = problems(settings);
    let [problem] = problems.as_slice() else { panic!("one problem, not {problems:#?}") };
    assert!(problem.starts_with(&format!("{name} ")), "{problem}");
    assert!(problem.contains(what), "{problem}");
}

#[track_caller]
fn check_accepted(settings: &[(&str, &str)]) -> Settings {
    Settings::service(&layers(settings)).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Files for the program's folder.
type Files<'a> = &'a [(&'a str, &'a str)];

/// A program with these files in its folder.
fn program(arguments: &[&str], files: Files<'_>, environment: &[(&str, &str)]) -> Program {
    // A service whose settings are accepted against all expectation must end, not run for ever.
    let program = Program::flowhook(arguments).env("FLOWHOOK_JOURNAL", "sqlite:no-such-folder/journal.db");
    files.iter().fold(program.envs(environment), |program, (name, text)| program.file(name, text))
}

/// The problems of `serve`, with `settings.toml` where it is among the files, one a line.
async fn problems_of_serve(files: Files<'_>, environment: &[(&str, &str)]) -> Vec<String> {
    let has_config = files.iter().any(|(name, _)| *name == "settings.toml");
    let arguments: &[&str] = if has_config { &["--config", "settings.toml", "serve"] } else { &["serve"] };
    let output = program(arguments, files, environment).output().await;
    assert_eq!(output.code, Some(64), "{output:?}");
    assert!(output.stderr.starts_with("error: the settings cannot be used:"), "{output:?}");
    lines(&output.stderr)
}

/// Checks that a settings file has one problem, which says `what`; nothing else is wrong.
async fn check_file(toml: &str, what: &str) {
    let problems = problems_of_serve(&[("settings.toml", toml)], &REQUIRED).await;
    let [problem] = problems.as_slice() else { panic!("{toml}: one problem, not {problems:#?}") };
    assert!(problem.starts_with("settings.toml ") && problem.contains(what), "{toml}: {problem}");
}

#[test]
fn every_problem_is_reported_at_once_with_the_name_and_the_fix() {
    let problems = Settings::service(&Layers::of([
        ("CXONE_BASE_URL", "ftp://tenant"),
        ("CXONE_REQUESTS_PER_MINUTE", "0"),
        ("CXONE_FLOW_ID", ".."),
        ("FLOWHOOK_LISTEN", "everywhere"),
        ("FLOWHOOK_JOURNAL", "postgres://db/journal"),
        ("FLOWHOOK_QUEUE_CAPACITY", "-1"),
    ]))
    .expect_err("nothing of it is right");
    let mut problems = lines(&problems.to_string());
    problems.sort();
    let expected = [
        "CXONE_BASE_URL must be an http or https URL, not `ftp://tenant`",
        "CXONE_CLIENT_ID is not set: it is the OAuth client",
        "CXONE_CLIENT_SECRET is not set: it is the OAuth client's secret",
        "CXONE_FLOW_ID cannot be used: flow id `..` is not valid",
        "CXONE_REQUESTS_PER_MINUTE must be a number of at least 1, not `0`",
        "FLOWHOOK_JOURNAL cannot be used: this version keeps its journal in SQLite only: write `sqlite:PATH`",
        "FLOWHOOK_LISTEN must be an address such as 127.0.0.1:8080, not `everywhere`",
        "FLOWHOOK_QUEUE_CAPACITY must be a number of at least 1, not `-1`",
        "FLOWHOOK_WEBHOOK_SECRET is not set: it is what the configuration system signs with",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}, not {expected}");
    }
}

#[tokio::test]
async fn problems_of_the_file_the_log_and_the_rest_are_reported_together() {
    let toml = "[tenant]\nbase = \"x\"\n[log]\nfilter = \"loud=very\"";
    let problems =
        problems_of_serve(&[("settings.toml", toml)], &[("CXONE_CLIENT_ID", "id")]).await.join("\n");
    for name in
        ["`tenant.base`", "log.filter in settings.toml", "CXONE_CLIENT_SECRET", "FLOWHOOK_WEBHOOK_SECRET"]
    {
        assert!(problems.contains(name), "{name} is missing from\n{problems}");
    }
}

#[tokio::test]
async fn a_command_that_needs_two_parts_reports_the_problems_of_both_and_each_once() {
    let environment = [("CXONE_FLOW_ID", ".."), ("FLOWHOOK_LOG", "loud")];
    let output = program(&["apply"], &[], &environment).output().await;
    let said = &output.stderr;
    assert_eq!(output.code, Some(64), "{said}");
    for name in ["CXONE_FLOW_ID", "CXONE_CLIENT_ID", "FLOWHOOK_LOG"] {
        assert_eq!(said.matches(&format!("\n  {name} ")).count(), 1, "{name} in\n{said}");
    }
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let settings = check_accepted(&[]);
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.admin.listen.to_string(), "127.0.0.1:8081");
    assert!(settings.admin.token.is_none());
    assert_eq!(settings.journal.path(), Path::new("flowhook.db"));
    assert_eq!(settings.queue.capacity, 100_000);
    assert_eq!(settings.worker.retention.as_hours(), 30 * 24);
    assert_eq!(settings.tenant.base_url, "https://us-1.api.nicecxone.com");
    assert_eq!(settings.tenant.token_url, "https://us-1.api.nicecxone.com/oauth/token");
    assert_eq!(settings.tenant.requests_per_minute, None);
    assert!(settings.routes.native.flow.is_none() && settings.routes.native.allowed_flows.is_none());
    assert!(settings.warnings.is_empty());
}

#[tokio::test]
async fn a_value_in_the_file_is_under_dot_env_and_dot_env_under_the_environment() {
    let toml = ("settings.toml", "[journal]\nqueue_capacity = \"of file\"");
    let dot_env = (".env", "FLOWHOOK_QUEUE_CAPACITY='of .env'\nUNRELATED=1\n");
    let capacity = "FLOWHOOK_QUEUE_CAPACITY";
    let check = async |files: Files<'_>, environment: &[(&str, &str)], expected: &str| {
        let problems = problems_of_serve(files, environment).await;
        assert!(problems.iter().any(|problem| problem == expected), "{expected} is not among {problems:#?}");
    };
    let of = |place: &str, text: &str| format!("{place} must be a number of at least 1, not `{text}`");
    check(&[toml], &[], &of("journal.queue_capacity in settings.toml", "of file")).await;
    check(&[toml, dot_env], &[], &of(capacity, "of .env")).await;
    check(&[toml, dot_env], &[(capacity, "")], &of(capacity, "of .env")).await;
    check(&[toml, dot_env], &[(capacity, "of environment")], &of(capacity, "of environment")).await;
}

#[tokio::test]
async fn the_environment_can_name_the_file_too_and_the_argument_wins() {
    let files = [("a.toml", "[server]\nlisten = \"a\""), ("b.toml", "[server]\nlisten = \"b\"")];
    let check = async |arguments: &[&str], expected: &str| {
        let output = program(arguments, &files, &[("FLOWHOOK_CONFIG", "a.toml")]).output().await;
        assert!(output.stderr.contains(expected), "{output:?}");
    };
    check(&["serve"], "server.listen in a.toml must be an address such as 127.0.0.1:8080, not `a`").await;
    check(&["--config", "b.toml", "serve"], "server.listen in b.toml").await;
    check(&["--config", "c.toml", "serve"], "c.toml cannot be read").await;
}

#[tokio::test]
async fn a_key_or_table_that_there_is_not_is_named_with_those_that_there_are() {
    check_file("[tenant]\nbase_uri = \"x\"", "no setting `tenant.base_uri`: it knows tenant.base_url,").await;
    check_file("[tennant]\nbase_url = \"x\"", "no table `tennant`: it knows the tables tenant, route,").await;
    check_file("[tennant]", "no table `tennant`: it knows the tables tenant, route,").await;
    check_file("base_url = \"x\"", "no table `base_url`: it knows the tables").await;
    check_file("[tenant]\nrequests_per_minute = 1.5", "`tenant.requests_per_minute` must be").await;
    check_file("[tenant]\nclient_id = [1]", "`tenant.client_id` must be").await;
    check_file("tenant = 5", "must have `tenant` as a table: write `[tenant]`").await;
    check_file("[tenant", "is not TOML").await;
}

#[tokio::test]
async fn an_empty_list_or_element_is_an_error_and_never_means_any_nor_does_a_comma_part_one() {
    check_file("[route]\nallowed_flows = []", "route.allowed_flows").await;
    check_file("[route]\nallowed_flows = [\"\"]", "route.allowed_flows").await;
    check_file("[route]\nallowed_flows = [\"f1\", \"\"]", "route.allowed_flows").await;
    check_file("[route]\nallowed_flows = [\"f1,f2\"]", "`route.allowed_flows` has a comma in an item").await;
    check_file(
        "[source]\nsecret = [\"aaaaaaaaaaaaaaaaaaaaaaaaaaaa,b\", \"c\"]",
        "`source.secret` has a comma",
    )
    .await;
    check_refused(
        &[("FLOWHOOK_ALLOWED_FLOWS", "f1,,f2")],
        "FLOWHOOK_ALLOWED_FLOWS",
        "flow id `` is not valid",
    );
    check_refused(&[("FLOWHOOK_ALLOWED_FLOWS", "f1,")], "FLOWHOOK_ALLOWED_FLOWS", "flow id `` is not valid");

    let good = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let secrets = |text: String, number: u32| {
        let what = format!("is wrong at number {number}: the secret is empty");
        check_refused(&[("FLOWHOOK_WEBHOOK_SECRET", &text)], "FLOWHOOK_WEBHOOK_SECRET", &what);
    };
    secrets(format!("{good},"), 2);
    secrets(format!(",{good}"), 1);
    secrets(format!("{good}, ,{good}"), 2);
}

#[test]
fn several_secrets_may_come_as_a_list_with_spaces_or_in_a_file_one_a_line() {
    let two = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    check_accepted(&[("FLOWHOOK_WEBHOOK_SECRET", two)]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("secrets");
    let layers = |text: &str| {
        fs::write(&path, text).expect("a file");
        Layers::of([
            ("FLOWHOOK_WEBHOOK_SECRET_FILE", path.to_str().expect("UTF-8")),
            ("CXONE_CLIENT_ID", "id"),
            ("CXONE_CLIENT_SECRET", "secret"),
        ])
    };
    for text in [two.replace(", ", "\n"), two.replace(", ", "\r\n") + "\r\n", two.replace(", ", "\n") + "\n"]
    {
        Settings::service(&layers(&text)).unwrap_or_else(|problems| panic!("{text:?}: {problems}"));
    }
    let blank = Settings::service(&layers(&two.replace(", ", "\n\n"))).expect_err("a blank line");
    assert!(blank.to_string().contains("SECRET_FILE is wrong at number 2: the secret is empty"), "{blank}");
    let empty = Settings::service(&layers("")).expect_err("an empty file");
    assert!(empty.to_string().contains("SECRET_FILE is wrong at number 1: the secret is empty"), "{empty}");
}

#[test]
fn a_secret_that_is_the_key_as_it_stands_has_no_white_space_at_its_edges() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("secrets");
    let path = path.to_str().expect("UTF-8");
    let check = |in_file: bool, text: &str, number: Option<u32>| {
        fs::write(path, text).expect("a file");
        let (key, value) =
            if in_file { ("FLOWHOOK_WEBHOOK_SECRET_FILE", path) } else { ("FLOWHOOK_WEBHOOK_SECRET", text) };
        let github = ("FLOWHOOK_WEBHOOK_SCHEME", "github");
        let client = [("CXONE_CLIENT_ID", "id"), ("CXONE_CLIENT_SECRET", "secret")];
        let layers = Layers::of([github, (key, value)].into_iter().chain(client));
        let told = Settings::service(&layers).err().map(|problems| problems.to_string()).unwrap_or_default();
        let at = number.map(|number| format!("{key} is wrong at number {number}: the secret begins or ends"));
        let expected = at.unwrap_or_default();
        assert!(told.contains(&expected) && told.is_empty() == expected.is_empty(), "{text:?}: {told}");
    };
    check(false, "It's a Secret to Everybody", None);
    check(false, "It's a Secret,to Everybody", None);
    check(false, "It's a Secret, to Everybody", Some(2));
    check(false, "It's a Secret ,to Everybody", Some(1));
    check(false, " It's a Secret", Some(1));
    check(true, "It's a Secret, to Everybody", None);
    check(true, "It's a Secret\r\nto Everybody\r\n", None);
    check(true, "It's a Secret\nto Everybody \n", Some(2));
    check(true, "It's a Secret \r\nto Everybody\r\n", Some(1));
    check(true, "It's a Secret\n \nto Everybody", Some(2));
}

#[test]
fn a_secret_comes_from_one_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("secret");
    fs::write(&path, "hunter2\n").expect("a file");
    let path = path.to_str().expect("UTF-8");
    let both = "are both set: remove one";
    check_refused(&[("CXONE_CLIENT_SECRET_FILE", path)], "CXONE_CLIENT_SECRET", both);
    check_refused(&[("FLOWHOOK_WEBHOOK_SECRET_FILE", path)], "FLOWHOOK_WEBHOOK_SECRET", both);
    let token = [("FLOWHOOK_ADMIN_TOKEN", "t"), ("FLOWHOOK_ADMIN_TOKEN_FILE", path)];
    check_refused(&token, "FLOWHOOK_ADMIN_TOKEN", both);

    check_accepted(&[("FLOWHOOK_ADMIN_TOKEN_FILE", path)]);
    check_refused(
        &[("FLOWHOOK_ADMIN_TOKEN_FILE", "/nowhere")],
        "FLOWHOOK_ADMIN_TOKEN_FILE",
        "cannot be read",
    );
    check_refused(&[("FLOWHOOK_ADMIN_TOKEN", "two\nlines")], "FLOWHOOK_ADMIN_TOKEN", "one line");
    fs::write(path, "two\nlines\n").expect("a file");
    check_refused(&[("FLOWHOOK_ADMIN_TOKEN_FILE", path)], "FLOWHOOK_ADMIN_TOKEN_FILE", "one line");
    fs::write(path, "\n").expect("a file");
    check_refused(&[("FLOWHOOK_ADMIN_TOKEN_FILE", path)], "FLOWHOOK_ADMIN_TOKEN_FILE", "one line");
}

#[tokio::test]
async fn secrets_are_in_no_message_and_in_no_debug() {
    const SECRET: &str = "correct-horse-battery-staple";
    let check_hidden = |said: &str| assert!(!said.contains(SECRET) && !said.contains("horse"), "{said}");
    let wrong = format!("{SECRET},whsec_{SECRET},whpk_{SECRET}");
    let everything = [
        ("FLOWHOOK_WEBHOOK_SECRET", wrong.as_str()),
        ("CXONE_CLIENT_SECRET", SECRET),
        ("FLOWHOOK_ADMIN_TOKEN", SECRET),
        ("CXONE_BASE_URL", "ftp://x"),
    ];
    check_hidden(&problems(&everything).join("\n"));
    let good = [("CXONE_CLIENT_SECRET", SECRET), ("FLOWHOOK_ADMIN_TOKEN", SECRET)];
    check_hidden(&format!("{:?}", check_accepted(&good)));

    for toml in [
        format!("[source]\nsecret = {SECRET}"),
        format!("[source]\nsecret = \"{SECRET}"),
        format!("[source]\nsecret = \"{SECRET}\" {SECRET}"),
        format!("[source]\nsecret = [\"{SECRET}\", 5]"),
        format!("[source]\nsecret = {{ value = \"{SECRET}\" }}"),
        format!("[source]\nsecrets = \"{SECRET}\""),
        format!("secret = \"{SECRET}\""),
        format!("[source]\nsecret = \"{SECRET}\"\nsecret = \"{SECRET}\""),
    ] {
        check_hidden(&problems_of_serve(&[("settings.toml", &toml)], &[]).await.join("\n"));
    }
    for env in
        [format!("FLOWHOOK_WEBHOOK_SECRET={SECRET} {SECRET}"), SECRET.to_owned(), format!("A='{SECRET}")]
    {
        check_hidden(&problems_of_serve(&[(".env", &env)], &[]).await.join("\n"));
    }
}

#[test]
fn credentials_go_over_plain_http_on_loopback_only() {
    let refused =
        |url: &str| check_refused(&[("CXONE_BASE_URL", url)], "CXONE_BASE_URL", "set CXONE_ALLOW_HTTP=true");
    let accepted = |url: &str| _ = check_accepted(&[("CXONE_BASE_URL", url)]);
    refused("http://tenant.example");
    refused("http://10.0.0.1:8080/");
    refused("http://localhost.example");
    refused("http://127.0.0.1.example");
    refused("http://[2001:db8::1]/");
    refused("http://0.0.0.0/");
    for local in [
        "http://127.0.0.1:1",
        "http://127.8.9.10",
        "http://localhost:1/",
        "http://LOCALHOST",
        "http://[::1]:1",
    ] {
        accepted(local);
    }
    accepted("https://tenant.example");
    check_accepted(&[("CXONE_BASE_URL", "http://tenant.example"), ("CXONE_ALLOW_HTTP", "true")]);
    let elsewhere =
        [("CXONE_BASE_URL", "http://127.0.0.1:1"), ("CXONE_TOKEN_URL", "http://auth.example/token")];
    check_refused(&elsewhere, "CXONE_TOKEN_URL", "set CXONE_ALLOW_HTTP=true");
    let disguised = problems(&[("CXONE_BASE_URL", "http://127.0.0.1@tenant.example")]);
    for told in ["set CXONE_ALLOW_HTTP=true", "has a user, a password"] {
        assert!(disguised.iter().any(|problem| problem.contains(told)), "{disguised:?}");
    }
}

#[test]
fn the_token_endpoint_follows_the_tenant_unless_it_is_set() {
    let settings = check_accepted(&[("CXONE_BASE_URL", "https://tenant.example/base/")]);
    assert_eq!(settings.tenant.token_url, "https://tenant.example/base/oauth/token");
    let settings = check_accepted(&[("CXONE_TOKEN_URL", "https://auth.example/token")]);
    assert_eq!(settings.tenant.token_url, "https://auth.example/token");
}

#[test]
fn the_admin_api_is_on_loopback_unless_it_has_a_token() {
    let off = |listen| {
        check_refused(&[("FLOWHOOK_ADMIN_LISTEN", listen)], "FLOWHOOK_ADMIN_LISTEN", "FLOWHOOK_ADMIN_TOKEN");
    };
    off("0.0.0.0:8081");
    off("[::]:8081");
    off("192.168.0.1:8081");
    check_accepted(&[("FLOWHOOK_ADMIN_LISTEN", "[::1]:8081")]);
    check_accepted(&[("FLOWHOOK_ADMIN_LISTEN", "0.0.0.0:8081"), ("FLOWHOOK_ADMIN_TOKEN", "token")]);
    check_accepted(&[("FLOWHOOK_LISTEN", "0.0.0.0:8080")]);
}

#[test]
fn what_is_not_an_address_a_number_an_id_or_a_scheme_is_refused_by_name() {
    let check = |name: &str, text: &str, what: &str| check_refused(&[(name, text)], name, what);
    check("FLOWHOOK_LISTEN", "localhost:8080", "an address such as 127.0.0.1:8080");
    check("FLOWHOOK_LISTEN", ":8080", "an address");
    check("FLOWHOOK_ADMIN_LISTEN", "127.0.0.1", "an address");
    for number in ["0", "-1", "1.5", "many", "99999999999999999999999"] {
        check("FLOWHOOK_QUEUE_CAPACITY", number, "a number of at least 1");
        check("CXONE_REQUESTS_PER_MINUTE", number, "a number of at least 1");
        check("FLOWHOOK_RETENTION_DAYS", number, "a number of days");
    }
    check("FLOWHOOK_RETENTION_DAYS", "4294967295", "a number of days");
    check("CXONE_ALLOW_HTTP", "yes", "`true` or `false`");
    check("CXONE_FLOW_ID", "a/b", "flow id `a/b` is not valid");
    check("TARGET_NODE_ID", &"n".repeat(513), "512 bytes");
    check("CXONE_BASE_URL", "tenant.example", "an http or https URL");
    check("CXONE_TOKEN_URL", "https://", "an http or https URL");
    check("CXONE_BASE_URL", "https://tenant.example?region=1", "has a user, a password, a query");
    check("CXONE_TOKEN_URL", "https://me:hunter2@tenant.example/token", "has a user, a password, a query");
    check("EXTERNAL_API_URL", "file:///etc/passwd", "an http or https URL");
    check("FLOWHOOK_WEBHOOK_SCHEME", "guess", "names no scheme");
    check("FLOWHOOK_JOURNAL", "flowhook.db", "write `sqlite:PATH`");
    check("FLOWHOOK_JOURNAL", "sqlite:", "must be a file");
    check("FLOWHOOK_JOURNAL", "sqlite::memory:", "sqlite:flowhook.db");
    check("FLOWHOOK_JOURNAL", "postgresql://db", "SQLite only");
    let elsewhere = [("CXONE_FLOW_ID", "f1"), ("FLOWHOOK_ALLOWED_FLOWS", "f2, f3")];
    check_refused(&elsewhere, "CXONE_FLOW_ID", "not among FLOWHOOK_ALLOWED_FLOWS");
    check_accepted(&[("CXONE_FLOW_ID", "f3"), ("FLOWHOOK_ALLOWED_FLOWS", "f2, f3")]);
}

#[test]
fn a_scheme_that_is_none_is_the_only_problem_as_it_says_what_a_good_secret_is() {
    let github = [("FLOWHOOK_WEBHOOK_SCHEME", "gihub"), ("FLOWHOOK_WEBHOOK_SECRET", "It's a Secret")];
    check_refused(&github, "FLOWHOOK_WEBHOOK_SCHEME", "`standard-webhooks`");
}

#[test]
fn a_scheme_that_signs_no_time_comes_with_a_warning() {
    let check = |settings: &[(&str, &str)], told: &[&str]| {
        let github = [
            ("FLOWHOOK_WEBHOOK_SCHEME", "github"),
            ("FLOWHOOK_WEBHOOK_SECRET", "It's a Secret to Everybody"),
        ];
        let warnings = check_accepted(&[&github, settings].concat()).warnings;
        assert_eq!(warnings.len(), told.len(), "{warnings:#?}");
        for (warning, told) in warnings.iter().zip(told) {
            assert!(warning.contains(told), "{told} is not in {warning}");
        }
        warnings.join("\n")
    };
    let said = check(&[], &["FLOWHOOK_WEBHOOK_SCHEME: `github` signs no time"]);
    assert!(said.contains("`timestamp`"), "{said}");
    assert!(said.contains("until CXONE_FLOW_ID and TARGET_NODE_ID and EXTERNAL_API_URL is set"), "{said}");
    let flow = [("CXONE_FLOW_ID", "f"), ("TARGET_NODE_ID", "n")];
    assert!(check(&flow, &["signs no time"]).contains("until EXTERNAL_API_URL is set"));
    let all = [&flow[..], &[("EXTERNAL_API_URL", "https://example/{revision}/a")]].concat();
    check(&all, &[]);
    check(
        &[("FLOWHOOK_WEBHOOK_SECRET", "mysecret")],
        &["FLOWHOOK_WEBHOOK_SECRET: a secret is only 8 bytes long", "`github` signs no time"],
    );
}

#[test]
fn no_event_can_choose_the_host_that_is_asked_for_its_values() {
    let check = |url: &str| check_refused(&[("EXTERNAL_API_URL", url)], "EXTERNAL_API_URL", "in its host");
    check("https://{flow_id}/values");
    check("https://{node_id}.example/");
    check("https://example{FLOW_ID}/");
    check("https://{revision}.example/");
    check("https:/\t/{flow_id}/");
    check_accepted(&[("EXTERNAL_API_URL", "https://example/{flow_id}/values?node={node_id}")]);
}

#[test]
fn no_message_shows_the_key_in_a_url() {
    let keyed = "ftp://me:hunter2@example/values?key=hunter2";
    let problems = problems(&[("EXTERNAL_API_URL", keyed), ("CXONE_BASE_URL", keyed)]);
    assert!(problems.iter().all(|problem| !problem.contains("hunter2")), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.contains("`ftp://example/values?…`")), "{problems:?}");
}

#[test]
fn a_long_value_is_cut_in_its_message() {
    let long = "x".repeat(10_000);
    let problems = problems(&[("FLOWHOOK_LISTEN", &long), ("FLOWHOOK_JOURNAL", &long)]);
    assert!(problems.iter().all(|problem| problem.len() < 300), "{problems:?}");
}

#[tokio::test]
async fn a_command_needs_only_the_settings_that_it_uses() {
    let tenant = Sandbox::start(sandbox::Settings::default()).await.expect("a free port");
    tenant.add_flow("ivr", &sample_flow("ivr", "Support line")).expect("a flow");
    let base_url = tenant.base_url();
    let settings = [
        ("CXONE_BASE_URL", base_url.as_str()),
        ("CXONE_CLIENT_ID", tenant.client_id()),
        ("CXONE_CLIENT_SECRET", tenant.client_secret()),
        ("FLOWHOOK_LISTEN", "nowhere"),
    ];
    let nodes = program(&["nodes", "ivr"], &[], &settings).output().await;
    assert_eq!(nodes.code, Some(0), "{nodes:?}");
    assert!(nodes.stdout.contains("routing_priority = \"normal\""), "{nodes:?}");

    let missing = program(&["nodes", "ivr"], &[], &[]).output().await;
    assert_eq!(missing.code, Some(64), "{missing:?}");
    assert!(missing.stderr.contains("CXONE_CLIENT_ID") && !missing.stderr.contains("WEBHOOK"), "{missing:?}");
}

#[test]
fn every_key_has_a_name_of_its_own_and_a_place_in_the_file() {
    for (index, key) in KEYS.iter().enumerate() {
        let is_other =
            |other: &&&flowhook::settings::Key| other.variable == key.variable || other.file == key.file;
        assert!(!KEYS[..index].iter().any(|other| is_other(&other)), "{}", key.variable);
        let (table, member) = key.file.split_once('.').expect("table.key");
        assert!(!table.is_empty() && !member.is_empty() && !key.about.is_empty() && !key.default.is_empty());
    }
}

/// The README's table of settings, generated.
fn table() -> String {
    let row = |key: &&flowhook::settings::Key| {
        let default = match key.default {
            words @ ("required" | "none" | "any" | "unlimited") => words.to_owned(),
            value => format!("`{value}`"),
        };
        format!("| `{}` | `{}` | {default} | {} |\n", key.variable, key.file, key.about)
    };
    let head = "| variable | in the file | default | meaning |\n|---|---|---|---|\n";
    head.to_owned() + &KEYS.iter().map(row).collect::<String>()
}

#[test]
fn the_readme_has_every_setting() {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README.md");
    let shown = readme
        .split_once("<!-- settings -->")
        .and_then(|(_, rest)| rest.split_once("<!-- /settings -->"))
        .map(|(table, _)| table.trim())
        .unwrap_or_default();
    let expected = table();
    assert!(
        shown == expected.trim(),
        "README.md must have this between `<!-- settings -->` and `<!-- /settings -->`:\n\n{expected}"
    );
}
