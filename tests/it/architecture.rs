//! Imports run one way: the table of floors in `src/lib.rs` is read, and every file is held to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms of one floor that may be imported by another of the same floor.
const BESIDE: &[(&str, &str)] = &[("service", "settings"), ("main", "cli")];
/// Who may import the composed settings; every other room has a settings type of its own.
const KNOWS_THE_SETTINGS: &[&str] = &["service", "main", "cli", "commands", "exit"];
/// The rooms of the program, which see the library as `flowhook::`.
const PROGRAM: &[&str] = &["main", "cli", "commands", "exit"];

/// A source file: what ships of it, without comments and tests.
struct Source {
    /// Its path below `src`, as in `worker/fold.rs`.
    name: String,
    code: String,
}

impl Source {
    /// The first part of its path, as in `worker`.
    fn room(&self) -> &str {
        let first = self.name.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How many `super::` lead from it to the root of the crate.
    fn depth(&self) -> usize {
        let parts = self.name.split('/').count();
        if self.name.ends_with("/mod.rs") { parts - 1 } else { parts }
    }

    /// The rooms that it imports.
    fn imports(&self) -> BTreeSet<String> {
        let to_root = "super::".repeat(self.depth());
        let library = if PROGRAM.contains(&self.room()) { "flowhook::" } else { "crate::" };
        let paths =
            ["crate::", library, &to_root].into_iter().flat_map(|prefix| named_after(prefix, &self.code));
        paths.filter(|name| name != "super").collect()
    }

    /// The files of its folder that it imports.
    fn siblings(&self) -> BTreeSet<String> {
        let (folder, _) = self.name.rsplit_once('/').unwrap_or_default();
        named_after("super::", &self.code).into_iter().map(|name| format!("{folder}/{name}.rs")).collect()
    }
}

/// The names that follow a path prefix, those in braces too: `a` and `b` after `crate::` in
/// `crate::a::X` and `use crate::{a, b::{c, d}}`.
fn named_after(prefix: &str, code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        if before.is_alphanumeric() || before == '_' || code[..at].ends_with("::") {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            None => _ = names.insert(identifier(rest)),
            Some(group) => {
                let mut depth = 1;
                let mut start = true;
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 1 => start = true,
                        _ if start && !c.is_whitespace() => {
                            names.insert(identifier(&group[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below `src` but the library's front page and the tests.
fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut folders = vec![src.clone()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("a folder that can be read").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let name = |path: &Path| path.strip_prefix(&src).ok().and_then(Path::to_str).map(str::to_owned);
    let is_source = |name: &str| name.ends_with(".rs") && name != "lib.rs" && !name.ends_with("tests.rs");
    files
        .iter()
        .filter_map(|path| Some((name(path)?, path)))
        .filter(|(name, _)| is_source(name))
        .map(|(name, path)| Source { name, code: shipped(&read(path)) })
        .collect()
}

/// A file without its comments and the tests at its end.
fn shipped(text: &str) -> String {
    let code = text.split("\nmod tests").next().unwrap_or_default();
    let without_comment = |line: &str| {
        let comment = line.match_indices("//").map(|(at, _)| at).find(|at| !line[..*at].ends_with(':'));
        line[..comment.unwrap_or(line.len())].to_owned()
    };
    code.lines().map(without_comment).collect::<Vec<_>>().join("\n")
}

/// The floors of the rooms, as the library's front page has them; nothing for what stands beside.
fn floors() -> BTreeMap<String, Option<u32>> {
    let page = read(&root().join("src/lib.rs"));
    let rows = page.lines().filter_map(|line| line.strip_prefix("//! | ")?.split_once(" | "));
    let rooms = |(floor, rooms): (&str, &str)| {
        let floor = if floor == "beside" { None } else { Some(floor.parse().ok()?) };
        let names = rooms.split('`').skip(1).step_by(2);
        let room = |name: &str| (name.trim_end_matches(".rs").trim_end_matches('/').to_owned(), floor);
        Some(names.map(room).collect::<Vec<_>>())
    };
    rows.filter_map(rooms).flatten().collect()
}

/// Why `from` must not import `to`.
fn objection(floors: &BTreeMap<String, Option<u32>>, from: &str, to: &str) -> Option<&'static str> {
    if from == to || BESIDE.contains(&(from, to)) {
        return None;
    }
    match (floors.get(from), floors.get(to)) {
        (Some(None), _) => Some("it stands beside the house and imports nothing of it"),
        (_, Some(None)) if from != "commands" => Some("only commands may know the practice tenant"),
        (_, Some(None)) => None,
        (Some(Some(_)), Some(Some(_))) if to == "settings" && !KNOWS_THE_SETTINGS.contains(&from) => {
            Some("each room has settings of its own; only the wiring knows all of them")
        }
        (Some(Some(mine)), Some(Some(theirs))) if theirs < mine => None,
        (Some(Some(_)), Some(Some(_))) => Some("it is not on a lower floor"),
        (None, _) | (_, None) => Some("one of them is not in the table of rooms in src/lib.rs"),
    }
}

#[test]
fn every_room_is_in_the_table_of_the_front_page_and_every_room_of_the_table_is_there() {
    let there: BTreeSet<String> = sources().iter().map(|source| source.room().to_owned()).collect();
    let listed: BTreeSet<String> = floors().into_keys().collect();
    assert_eq!(there, listed);
}

#[test]
fn imports_run_downwards_only() {
    let floors = floors();
    let mut objections = Vec::new();
    for source in sources() {
        for to in source.imports() {
            if let Some(why) = objection(&floors, source.room(), &to) {
                objections.push(format!("{} imports {to}: {why}", source.name));
            }
        }
    }
    assert!(objections.is_empty(), "{}", objections.join("\n"));
}

#[test]
fn no_allowance_is_left_over() {
    let sources = sources();
    for (from, to) in BESIDE.iter().filter(|(from, _)| *from != "main") {
        let mut of_room = sources.iter().filter(|source| source.room() == *from);
        assert!(of_room.any(|source| source.imports().contains(*to)), "{from} does not import {to} any more");
    }
}

#[test]
fn the_files_of_a_room_do_not_import_each_other_in_circles() {
    let sources = sources();
    let imports: BTreeMap<&str, BTreeSet<String>> = sources
        .iter()
        .filter(|source| source.name.contains('/') && !source.name.ends_with("/mod.rs"))
        .map(|source| (source.name.as_str(), source.siblings()))
        .collect();
    let mut left: BTreeSet<&str> = imports.keys().copied().collect();
    // Whoever imports nothing that is left can be read now; a circle is what never can be.
    while let Some(next) =
        left.iter().copied().find(|name| !imports[name].iter().any(|other| left.contains(other.as_str())))
    {
        left.remove(next);
    }
    assert!(left.is_empty(), "in a circle, or above one: {left:?}");
}

#[test]
fn the_reader_of_imports_sees_every_form_of_them() {
    let check = |name: &str, code: &str, expected: &[&str]| {
        let source = Source { name: name.to_owned(), code: shipped(code) };
        assert_eq!(source.imports().iter().map(String::as_str).collect::<Vec<_>>(), expected, "{code}");
    };
    check("a.rs", "use crate::b::X;\nfn f() -> crate::c::Y {}", &["b", "c"]);
    check("a.rs", "use crate::{\n    b::{self, X},\n    c, d::Y,\n};\nuse other::{e};", &["b", "c", "d"]);
    check(
        "a.rs",
        "// crate::b\n/// [`crate::c`]\nlet url = \"http://x\"; crate::d::f(); // crate::e",
        &["d"],
    );
    check("a.rs", "use super::b::X; use my_crate::c; use flowhook::d;", &["b"]);
    check("a/mod.rs", "use super::b::X; use a::super_::c;", &["b"]);
    check("a/b.rs", "use super::c::X; use super::super::d::Y;", &["d"]);
    check("a/b.rs", "use crate::c;\n#[cfg(test)]\nmod tests {\n    use crate::d;\n}", &["c"]);
    check("commands/a.rs", "use flowhook::b; use crate::cli::Fault; use super::print;", &["b", "cli"]);
}
