//! The page that explains the tables: its example is read for real.

use std::fs;

use flowhook::settings::{Layers, Problems, Settings};
use flowhook::source::{Scheme, Source, Terms};

const PAGE: &str = include_str!("../../../docs/settings.md");

fn example() -> &'static str {
    let example = PAGE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    example.expect("the page has an example")
}

/// What would be a key in the example, commented or in a table in braces.
fn has_key(key: &str) -> bool {
    let example = example();
    let begins = |at: usize| {
        let before = example[..at].chars().next_back().unwrap_or('\n');
        matches!(before, '\n' | ' ' | '{')
    };
    example.match_indices(&format!("{key} = ")).any(|(at, _)| begins(at))
}

/// The settings of a file as the example is, with its files and variables.
fn read(text: &str) -> Result<Settings, Problems> {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["launchdarkly", "acme"] {
        fs::write(folder.path().join(name), "0123456789012345678901234567890\n").expect("a file");
    }
    let path = folder.path().join("flowhook.toml");
    let secrets = format!("{}/", folder.path().display());
    fs::write(&path, text.replace("secrets/", &secrets)).expect("a file");
    let environment = [
        ("LD_SECRET", "0123456789012345678901234567890"),
        ("LD_TOKEN", "api-123"),
        ("CXONE_CLIENT_ID", "id"),
        ("CXONE_CLIENT_SECRET", "secret"),
    ];
    Settings::service(&Layers::of_file(&path, environment))
}

/// What they say of sources and routes.
fn meaning(settings: &Settings) -> (Vec<(Scheme, Terms)>, String) {
    let source = |source: &Source| (source.scheme().clone(), source.terms().clone());
    (settings.sources.iter().map(source).collect(), format!("{:?}", settings.routes))
}

#[test]
fn the_example_of_the_page_is_accepted_and_means_what_it_says() {
    let settings = read(example()).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(settings.sources.names(), ["acme", "launchdarkly"]);
    let names: Vec<&str> = settings.routes.routes.iter().map(|route| &**route.name()).collect();
    assert_eq!(names, ["acme", "max-wait", "prompt"]);
    let [short] = settings.warnings.as_slice() else { panic!("{:?}", settings.warnings) };
    assert!(short.contains("a secret is only 23 bytes long"), "{short}");
}

#[test]
fn what_the_page_says_is_required_is_and_what_it_says_is_the_default_can_be_left_out() {
    let required = PAGE.split_once("Required are ").and_then(|(_, rest)| rest.split_once("; whatever"));
    let required: Vec<&str> =
        required.expect("the page says what is required").0.split('`').skip(1).step_by(2).collect();
    let whole = meaning(&read(example()).unwrap_or_else(|problems| panic!("{problems}")));
    let (mut refused, mut the_same) = (0, 0);
    for line in example().lines() {
        // What is commented, a table's name, or the rest of a list begins otherwise.
        let Some((key, said)) = line.split_once(" = ").filter(|_| line.starts_with(char::is_alphabetic))
        else {
            continue;
        };
        let without = read(&example().replacen(&format!("{line}\n"), "", 1));
        if required.contains(&key) {
            assert!(without.is_err(), "it is not required: {line}");
            refused += 1;
        } else if said.contains("# default") {
            let without = without.unwrap_or_else(|problems| panic!("{line}\n{problems}"));
            assert_eq!(meaning(&without), whole, "it is not the default: {line}");
            the_same += 1;
        } else if said.contains("by default") {
            without.unwrap_or_else(|problems| panic!("{line}\n{problems}"));
        }
    }
    assert!(refused >= required.len() - 1 && the_same >= 11, "{refused} required, {the_same} defaults");
}

#[test]
fn the_example_of_the_page_has_every_key() {
    let check = |tables: &str, probe: &str| {
        // The parser tells all keys of a table when it meets one that there is not.
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("flowhook.toml");
        fs::write(&path, format!("{probe}no_such_key = 1\n")).expect("a file");
        let told =
            Settings::service(&Layers::of_file(&path, [])).expect_err("it has no such key").to_string();
        let expected = told.split_once("unknown field `no_such_key`, expected ");
        let (_, expected) = expected.unwrap_or_else(|| panic!("{tables}: {told}"));
        let expected = expected.lines().next().unwrap_or_default();
        for key in expected.split('`').skip(1).step_by(2) {
            let is_table = example().contains(&format!(".{key}]"));
            assert!(is_table || has_key(key), "the page lacks `{key}` of {tables}");
        }
    };
    check("[sources.NAME]", "[sources.a]\n");
    check("[schemes.NAME]", "[schemes.a]\n");
    let scheme = "[schemes.a]\nalgorithm = \"token\"\nheader = \"h\"\n";
    check("timestamp", &format!("{scheme}[schemes.a.timestamp]\n"));
    check("id", &format!("{scheme}[schemes.a.id]\n"));
    check("[routes.NAME]", "[routes.a]\n");
    let route = "[routes.a]\nsource = \"a\"\nflow = \"f\"\nnode = \"n\"\n";
    check("flow", &format!("{}[routes.a.flow]\n", route.replace("flow = \"f\"\n", "")));
    check("node", &format!("{}[routes.a.node]\n", route.replace("node = \"n\"\n", "")));
    check("order_by", &format!("{route}[routes.a.order_by]\n"));
    check("[routes.NAME.fetch]", &format!("{route}[routes.a.fetch]\n"));
    check("[routes.NAME.reconcile]", &format!("{route}[routes.a.reconcile]\n"));
    check("[routes.NAME.variables]", &format!("{route}[routes.a.variables.v]\n"));
    check("when", &format!("{route}[[routes.a.when]]\n"));
}
