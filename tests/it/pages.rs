//! Every command that the README and the pages beside it show is run, in order, in one shell a page, and
//! prints what the page shows.
//!
//! A fence marked `sh` is run; the next fence, if it is marked `text`, is what it prints. A line `…` there
//! stands for any lines; times, durations, ids of deliveries and temporary names may differ, nothing else.
//! Words after `sh` say more: `serves` runs beside what follows and is stopped at the page's end, `exits=64`
//! fails so, `ci` is a step of `.ci/run` itself, and `not-run` needs what a test machine does not have.

mod block;
mod shell;
mod shown;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use crate::program::fail;
use block::{Block, Kind, blocks};
use shell::Shell;

/// What the commands leave in this folder: settings and a journal.
const LEFT: [&str; 5] = [".env", "flowhook.db", "flowhook.db-shm", "flowhook.db-wal", "flowhook.db.lock"];
/// Where the pages' services listen: for webhooks, for operators, and the practice tenant.
const PORTS: [u16; 3] = [8080, 8081, 8090];

/// The pages that a reader is led to.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs"))
        .map(|entries| entries.flatten().collect())
        .unwrap_or_else(|_| Vec::new());
    let mut pages: Vec<PathBuf> = docs.iter().map(fs::DirEntry::path).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages.insert(0, root.join("README.md"));
    pages.push(root.join("fixtures/README.md"));
    pages
}

/// This folder as a clone has it, with the pages' ports free; dropped, it is so again.
struct Clean;

impl Clean {
    fn begin() -> Self {
        assert_eq!(left(), Vec::<PathBuf>::new(), "move these away: the pages' commands run in this folder");
        for port in PORTS {
            if let Err(error) = TcpListener::bind(("127.0.0.1", port)) {
                fail(&format!("port {port}, which the pages use: {error}; end what listens there"));
            }
        }
        Self
    }
}

impl Drop for Clean {
    fn drop(&mut self) {
        for path in left() {
            if let Err(error) = fs::remove_file(&path) {
                eprintln!("{}: {error}", path.display());
            }
        }
    }
}

/// The files of that kind that are there.
fn left() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    LEFT.iter().map(|name| root.join(name)).filter(|path| path.exists()).collect()
}

/// Runs the commands of a page.
fn run(page: &Path, home: &Path) {
    let text = fs::read_to_string(page).unwrap_or_else(|error| fail(&format!("{}: {error}", page.display())));
    // In this order, as the shell is to end first.
    let _clean = Clean::begin();
    let mut shell = Shell::begin(home);
    for block in blocks(&text) {
        let place = format!("{}:{}", page.display(), block.line);
        eprintln!("{place}: {:?}", block.kind);
        if block.kind == Kind::Ci {
            check_is_a_step(&place, &block);
        }
        if let Err(printed) = shell.run(&block) {
            fail(&format!(
                "{place}:\n{}\n\nit is said to print\n{}\n\nand did not: {printed}",
                block.commands,
                block.prints.unwrap_or_default()
            ));
        }
    }
    shell.end();
}

fn check_is_a_step(place: &str, block: &Block) {
    let ci = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/run");
    let ci = fs::read_to_string(ci).expect("there is a .ci/run");
    let is_step = |command: &str| ci.lines().any(|step| step == command);
    assert!(block.commands.lines().all(is_step), "{place}: .ci/run does not run\n{}", block.commands);
}

#[test]
#[ignore = "runs every command of the pages, a release build among them; .ci/run does"]
fn every_command_of_the_pages_prints_what_they_show() {
    let home = tempfile::tempdir().expect("a folder");
    pages().iter().for_each(|page| run(page, home.path()));
}
