//! The configuration systems of `fixtures/systems`: what each one sends is sent, by the line that the fixtures' page
//! shows, to the real program with the settings beside it, and the flow has the values then. And the pages name the
//! systems that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use flowhook::sandbox::{SAMPLE_NODE, Sandbox, Settings, sample_flow};
use flowhook::source::Scheme;
use serde_json::Value;

use crate::config_api::ConfigApi;
use crate::practising::{FLOW, assert_installed};
use crate::program::{Addresses, Program, fail};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const FIXTURES: &str = include_str!("../../fixtures/README.md");
/// Where the fixtures' settings have values fetched, and where the page has deliveries sent.
const ANSWERS: &str = "http://127.0.0.1:8091";
const HOOKS: &str = "127.0.0.1:8080";

/// A folder of `fixtures/systems`.
struct System {
    name: String,
    folder: PathBuf,
}

impl System {
    /// All of them.
    fn all() -> Vec<Self> {
        let folder = Path::new(ROOT).join("fixtures/systems");
        let entries = std::fs::read_dir(folder).expect("a folder of ours");
        let system = |folder: PathBuf| Self {
            name: folder.file_name().expect("a name").to_string_lossy().into_owned(),
            folder,
        };
        let mut all: Vec<Self> = entries.map(|entry| system(entry.expect("it can be read").path())).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.join(name)).ok()
    }

    fn json(&self, name: &str) -> Option<Value> {
        let text = self.file(name)?;
        Some(serde_json::from_str(&text).unwrap_or_else(|error| fail(&format!("{}: {error}", self.name))))
    }

    /// What the page has pasted for this system, with the service at that address.
    fn script(&self, service: Addresses) -> String {
        let system =
            fence("export FLOWHOOK_CONFIG=").replace("system=github", &format!("system={}", self.name));
        let refreshed = if self.name == "infisical" { fence("fixtures/systems/infisical") } else { "" };
        let send = fence("curl -sS -H @-").replace(HOOKS, &service.public.to_string());
        // The page's reader is in the root of the clone; what mktemp makes is to go with the test's folder.
        format!("set -euo pipefail\nexport TMPDIR=$PWD\ncd '{ROOT}'\n{system}\n{refreshed}\n{send}")
    }

    /// Sends the event; fails unless the flow then has the values.
    async fn replay(&self) {
        let api = ConfigApi::start().await;
        if let Some(answer) = self.json("answer.json") {
            api.says(&answer);
        }
        let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
        tenant.add_flow(FLOW, &sample_flow(FLOW, "Inbound sales")).expect("the sample is a flow");
        let before = variables(&tenant);
        let settings = self.file("flowhook.toml").expect("settings").replace(ANSWERS, &api.url);
        let program = Program::flowhook(&["serve"]).at(&tenant).on_free_ports();
        let mut service =
            program.file("flowhook.toml", &settings).env("FLOWHOOK_CONFIG", "flowhook.toml").start();
        let addresses = service.ready().await;

        let bash = Program::named("bash", &["-c", &self.script(addresses)]);
        let sent = bash.file(".curlrc", "write-out = \"\\n%{http_code}\"\n").output().await;
        let (answer, status) = sent.stdout.rsplit_once('\n').unwrap_or_default();
        let accepted = matches!(status, "200" | "202") && answer.contains(r#""status":"accepted""#);
        assert!(accepted && sent.code == Some(0), "{}: {sent:?}", self.name);

        addresses.settled().await;
        let changes = addresses.changes().await;
        let ended: Vec<&str> = changes.iter().filter_map(|change| change["state"].as_str()).collect();
        assert_eq!(ended, ["published"], "{}: {changes:?}", self.name);
        let expected = self.json("expected.json").expect("what is expected");
        let expected = expected.as_object().expect("variables").iter();
        let mut after = before;
        after.extend(expected.map(|(name, value)| (name.clone(), value.to_string())));
        assert_eq!(variables(&tenant), after, "{}", self.name);
        self.check_fetches(&api);
        service.signal("TERM");
        self.check_warnings(&service.exit().await.stderr);
    }

    /// Values are fetched where there is an answer, from beside it.
    fn check_fetches(&self, api: &ConfigApi) {
        let asked = api.asked();
        let answer = format!("/{}/answer.json", self.name);
        let right = asked.iter().all(|path| path.split('?').next() == Some(&answer));
        let fetches = self.file("answer.json").is_some();
        assert!(right && asked.is_empty() != fetches, "{}: {asked:?}", self.name);
    }

    /// The settings are good ones: nothing is said against them, but that a sender's signatures are dated.
    fn check_warnings(&self, log: &str) {
        let warnings = log.lines().filter(|line| line.contains(" WARN ") || line.contains(" ERROR "));
        let warnings: Vec<&str> = warnings.filter(|line| !line.contains("HMAC-SHA1")).collect();
        assert_eq!(warnings, Vec::<&str>::new(), "{}", self.name);
    }
}

/// The one fence of the fixtures' page that holds these words.
fn fence(words: &str) -> &'static str {
    let fences = FIXTURES.split("```sh not-run\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0));
    let mut found = fences.filter(|fence| fence.contains(words));
    match (found.next(), found.next()) {
        (Some(fence), None) => fence,
        _ => fail(&format!("fixtures/README.md has not one fence with `{words}`")),
    }
}

/// The variables of the flow, as they are spelt.
fn variables(tenant: &Sandbox) -> BTreeMap<String, String> {
    ["routing_priority", "queue_target", "max_wait_time_seconds"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), tenant.variable(FLOW, SAMPLE_NODE, name)?)))
        .collect()
}

#[tokio::test]
async fn what_each_system_sends_reaches_the_flow_by_the_line_that_the_page_shows() {
    assert_installed(&["curl", "sed", "mktemp"]).await;
    let systems = System::all();
    assert!(systems.len() > 20, "only {} systems", systems.len());
    for system in systems {
        eprintln!("{}", system.name);
        system.replay().await;
    }
}

/// The words in backticks of a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The presets, and the word for schemes that a user writes.
fn schemes() -> BTreeSet<String> {
    Scheme::all().map(|scheme| scheme.name().to_owned()).chain(["custom".to_owned()]).collect()
}

/// Checks that a page names every scheme once, and nothing else.
fn check_page<'a>(page: &str, named: impl Iterator<Item = &'a str>) {
    let mut missing = schemes();
    for name in named {
        assert!(missing.remove(name), "{page} names `{name}`, which is no scheme, or twice");
    }
    assert_eq!(missing, BTreeSet::new(), "{page} lacks these schemes");
}

#[test]
fn the_readmes_table_names_every_scheme_once() {
    let readme = include_str!("../../README.md");
    let table = readme.split("## Configuration systems").nth(1).unwrap_or_default();
    let rows =
        table.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    check_page(
        "the README's table of systems",
        rows.filter_map(|row| row.split('|').nth(2)).flat_map(quoted),
    );
}

#[test]
fn the_page_on_systems_has_every_scheme_in_one_of_its_headings() {
    let page = include_str!("../../docs/systems.md");
    check_page("docs/systems.md", page.lines().filter(|line| line.starts_with("### ")).flat_map(quoted));
}

#[test]
fn each_folder_of_systems_bears_the_name_of_its_scheme() {
    for system in System::all() {
        let settings = system.file("flowhook.toml").expect("settings");
        let expected = format!("[sources.{0}]\nscheme = \"{0}\"\n", system.name);
        assert!(settings.contains(&expected), "{}: {expected}", system.name);
        let own = settings.contains(&format!("[schemes.{}]", system.name));
        assert_ne!(schemes().contains(&system.name), own, "{}", system.name);
    }
}
