//! The page that explains the tables: its example is read for real.

use std::fs;

use flowhook::settings::{Layers, Settings};

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

#[test]
fn the_example_of_the_page_is_accepted_and_means_what_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["launchdarkly", "acme"] {
        fs::write(folder.path().join(name), "0123456789012345678901234567890\n").expect("a file");
    }
    let path = folder.path().join("flowhook.toml");
    let secrets = format!("{}/", folder.path().display());
    fs::write(&path, example().replace("secrets/", &secrets)).expect("a file");
    let environment = [
        ("LD_SECRET", "0123456789012345678901234567890"),
        ("LD_TOKEN", "api-123"),
        ("CXONE_CLIENT_ID", "id"),
        ("CXONE_CLIENT_SECRET", "secret"),
    ];
    let settings = Settings::service(&Layers::of_file(&path, environment));
    let settings = settings.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(settings.sources.names(), ["acme", "launchdarkly"]);
    let names: Vec<&str> = settings.routes.routes.iter().map(|route| &**route.name()).collect();
    assert_eq!(names, ["acme", "max-wait", "prompt"]);
    let [short] = settings.warnings.as_slice() else { panic!("{:?}", settings.warnings) };
    assert!(short.contains("a secret is only 23 bytes long"), "{short}");
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
    check("[routes.NAME]", "[routes.a]\n");
    let route = "[routes.a]\nsource = \"a\"\nflow = \"f\"\nnode = \"n\"\n";
    check("[routes.NAME.fetch]", &format!("{route}[routes.a.fetch]\n"));
    check("[routes.NAME.reconcile]", &format!("{route}[routes.a.reconcile]\n"));
    check("[routes.NAME.variables]", &format!("{route}[routes.a.variables.v]\n"));
    check("when", &format!("{route}[[routes.a.when]]\n"));
}
