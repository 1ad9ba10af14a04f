//! The table of behaviours, read from its page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// How many behaviours there are of each group.
const GROUPS: [(&str, usize); 6] = [("T", 5), ("G", 7), ("P", 20), ("H", 8), ("R", 9), ("X", 10)];

/// A row: the behaviour's number, and the tests that show its ending.
#[derive(Debug)]
struct Row {
    number: String,
    tests: Vec<String>,
    /// Why there is no test, where the behaviour cannot be met.
    is_out_of_reach: bool,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rows(page: &str) -> Vec<Row> {
    let cells = |line: &str| -> Option<Vec<String>> {
        let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
        Some(inner.split(" | ").map(str::to_owned).collect())
    };
    let is_numbered = |cell: &str| {
        let (group, number) = cell.split_at_checked(1).unwrap_or_default();
        GROUPS.iter().any(|(name, _)| *name == group) && number.parse::<usize>().is_ok()
    };
    let row = |cells: Vec<String>| match cells.as_slice() {
        [number, _what_happens, ending, tests] if is_numbered(number) => Some(Row {
            number: number.clone(),
            tests: tests.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
            is_out_of_reach: ending.starts_with("Cannot be met"),
        }),
        _ => None,
    };
    page.lines().filter_map(cells).filter_map(row).collect()
}

/// The Rust files under a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    let nested = folders.iter().flat_map(|folder| sources(folder));
    files.into_iter().filter(|path| path.extension().is_some_and(|is| is == "rs")).chain(nested).collect()
}

/// The names of all tests: functions that follow an attribute `test`.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in sources(&root().join("src")).into_iter().chain(sources(&root().join("tests/it"))) {
        let text = fs::read_to_string(&path).expect("a source");
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            let name =
                line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            if is_test && let Some(name) = name {
                found.insert(name.to_owned());
            }
            let is_attribute = line.starts_with("#[") || line.starts_with("//");
            is_test =
                line.starts_with("#[test]") || line.starts_with("#[tokio::test") || (is_test && is_attribute);
        }
    }
    found
}

#[test]
fn every_behaviour_of_a_tenant_has_a_row_and_every_row_names_tests_that_there_are() {
    let page = fs::read_to_string(root().join("docs/tenant-behaviours.md")).expect("the page");
    let rows = rows(&page);
    let numbers: Vec<&str> = rows.iter().map(|row| row.number.as_str()).collect();
    let wanted: Vec<String> =
        GROUPS.iter().flat_map(|(group, count)| (1..=*count).map(move |at| format!("{group}{at}"))).collect();
    assert_eq!(numbers, wanted, "one row a behaviour, in order");

    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    let said = format!("{} ways to misbehave", rows.len());
    assert!(readme.contains(&said), "the README must say `{said}`");

    let tests = tests();
    let objections: Vec<String> = rows
        .iter()
        .flat_map(|row| {
            let missing = row.tests.iter().filter(|name| !tests.contains(*name));
            let missing = missing.map(|name| format!("{}: there is no test `{name}`", row.number));
            let none = (row.tests.is_empty() != row.is_out_of_reach)
                .then(|| format!("{}: a behaviour that can be met has a test, and no other has", row.number));
            missing.chain(none).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(objections, Vec::<String>::new());
}
