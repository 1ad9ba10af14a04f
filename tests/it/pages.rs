//! Every command that the README and the pages beside it show is run, in order, in one shell a page, and
//! prints what the page shows.
//!
//! A fence marked `sh` is run; the next fence, if it is marked `text`, is what it prints. A line `…` there
//! stands for any lines, and any word with a digit in it for any other such word: times, ports and ids differ.
//! Words after `sh` say more: `serves` runs beside what follows and is stopped at the page's end, `exits=64`
//! fails so, `ci` is a step of `.ci/run` itself, and `not-run` needs what a test machine does not have.

use std::collections::VecDeque;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::program::fail;

/// A release build may be among the commands.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Commands as a page shows them.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    /// Where they begin, counted from 1.
    line: usize,
    kind: Kind,
    commands: String,
    /// What the page says that they print.
    prints: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// They end, with this code.
    Exits(i32),
    Serves,
    Ci,
    NotRun,
}

impl Kind {
    fn of(words: &[&str]) -> Option<Self> {
        match words {
            ["sh"] => Some(Self::Exits(0)),
            ["sh", "serves"] => Some(Self::Serves),
            ["sh", "ci"] => Some(Self::Ci),
            ["sh", "not-run"] => Some(Self::NotRun),
            ["sh", exits] => Some(Self::Exits(exits.strip_prefix("exits=")?.parse().ok()?)),
            _ => None,
        }
    }
}

/// The blocks of a page, in order.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = page.lines().zip(1..);
    let mut may_print = false;
    while let Some((line, number)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let inside: Vec<&str> = lines
            .by_ref()
            .map(|(line, _)| line)
            .take_while(|line| !line.trim_start().starts_with("```"))
            .collect();
        let inside = inside.join("\n");
        let words: Vec<&str> = info.split_whitespace().collect();
        match (words.as_slice(), blocks.last_mut()) {
            (["text"], Some(last)) if may_print => last.prints = Some(inside),
            (["sh", ..], _) => {
                let kind = Kind::of(&words).unwrap_or_else(|| fail(&format!("line {number}: `{info}`")));
                blocks.push(Block { line: number, kind, commands: inside, prints: None });
                may_print = true;
                continue;
            }
            _ => {}
        }
        may_print = false;
    }
    blocks
}

/// A line with every word that has a digit in it, or is a temporary name, made alike.
fn masked(line: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut masked = String::new();
    let mut rest = line.trim_end();
    while !rest.is_empty() {
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (before, after) = rest.split_at(word.max(rest.chars().next().map_or(0, char::len_utf8)));
        let varies = word > 0 && (before.contains(|c: char| c.is_ascii_digit()) || before.starts_with("tmp"));
        masked.push_str(if varies { "#" } else { before });
        rest = after;
    }
    masked
}

/// Whether `printed` is what the page shows; of what still serves, whether it has come so far.
fn fits(shown: &str, printed: &str, still_serves: bool) -> bool {
    let printed: Vec<String> = printed.trim_end().lines().map(masked).collect();
    let shown: Vec<String> = shown.trim_end().lines().map(masked).collect();
    let mut chunks: VecDeque<&[String]> = shown.split(|line| line == "…").collect();
    let last = chunks.pop_back().unwrap_or_default();
    let Some(first) = chunks.pop_front() else {
        return if still_serves { printed.starts_with(last) } else { printed == last };
    };
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    for chunk in chunks {
        let Some(at) = find(rest, chunk) else { return false };
        rest = &rest[at + chunk.len()..];
    }
    if still_serves { find(rest, last).is_some() } else { rest.ends_with(last) }
}

fn find(lines: &[String], chunk: &[String]) -> Option<usize> {
    (0..=lines.len().checked_sub(chunk.len())?).find(|at| lines[*at..].starts_with(chunk))
}

/// A shell that is told one block after the other, as a person would.
struct Shell {
    bash: Child,
    /// Where what is printed goes.
    folder: TempDir,
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Both fail only if it has been reaped already.
        _ = self.bash.kill();
        _ = self.bash.wait();
    }
}

impl Shell {
    /// A shell with this home folder, where also goes what is installed.
    fn begin(at: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = PathBuf::from(std::env::var_os("HOME").expect("a home folder"));
        let of = |name: &str, usual: &str| std::env::var_os(name).unwrap_or_else(|| home.join(usual).into());
        let mut path = at.join("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let bash = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env_clear()
            .env("PATH", path)
            .env("HOME", at)
            .env("CARGO_HOME", of("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", of("RUSTUP_HOME", ".rustup"))
            .env("CARGO_INSTALL_ROOT", at)
            .env("CARGO_TERM_QUIET", "true")
            .stdin(Stdio::piped())
            .spawn()
            .expect("there is a bash");
        let mut shell = Self { bash, folder };
        // So that each block that serves is a group of processes, which can be ended as one.
        shell.tell("set -o monitor -o errexit");
        shell
    }

    fn tell(&mut self, commands: &str) {
        let stdin = self.bash.stdin.as_mut().expect("it is piped");
        stdin.write_all(format!("{commands}\n").as_bytes()).expect("bash reads");
    }

    fn file(&self, line: usize, what: &str) -> PathBuf {
        self.folder.path().join(format!("{line}.{what}"))
    }

    fn printed(&self, line: usize) -> String {
        fs::read_to_string(self.file(line, "out")).unwrap_or_default()
    }

    /// Runs a block; what it printed, if it is not what the page shows.
    fn run(&mut self, block: &Block) -> Result<(), String> {
        let Block { line, kind, commands, prints } = block;
        let (out, code) = (self.file(*line, "out"), self.file(*line, "code"));
        let (out, code) = (out.display(), code.display());
        let redirected = format!("{{\n{commands}\n}} >{out} 2>&1 </dev/null");
        let shows = |printed: &str, serves| prints.as_ref().is_none_or(|shown| fits(shown, printed, serves));
        match kind {
            Kind::Serves => {
                self.tell(&format!("{redirected} &\necho $! >>{}", self.file(0, "jobs").display()));
                self.until(*line, |shell| shows(&shell.printed(*line), true))
            }
            Kind::Exits(expected) => {
                self.tell(&match expected {
                    // A failure in the middle ends the shell.
                    0 => format!("{redirected}\necho 0 >{code}"),
                    _ => format!("{redirected} && echo 0 >{code} || echo $? >{code}"),
                });
                let code = self.file(*line, "code");
                self.until(*line, |_| fs::read_to_string(&code).is_ok_and(|code| code.ends_with('\n')))?;
                let (ended, printed) = (fs::read_to_string(&code).unwrap_or_default(), self.printed(*line));
                let is_right = ended.trim() == expected.to_string() && shows(&printed, false);
                if is_right { Ok(()) } else { Err(format!("it ended with {ended}{printed}")) }
            }
            Kind::Ci | Kind::NotRun => Ok(()),
        }
    }

    fn until(&mut self, line: usize, done: impl Fn(&Self) -> bool) -> Result<(), String> {
        let begun = Instant::now();
        while !done(self) {
            if self.bash.try_wait().is_ok_and(|ended| ended.is_some()) || begun.elapsed() > PATIENCE {
                return Err(self.printed(line));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Ends what serves, and the shell.
    fn end(mut self) {
        self.tell("set +o errexit");
        for job in fs::read_to_string(self.file(0, "jobs")).unwrap_or_default().lines() {
            self.tell(&format!("kill -TERM -- -{job} 2>/dev/null"));
        }
        self.tell("wait\nexit 0");
        self.bash.wait().expect("it is our child");
    }
}

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

/// What the commands leave in this folder: settings and a journal.
const LEFT: [&str; 5] = [".env", "flowhook.db", "flowhook.db-shm", "flowhook.db-wal", "flowhook.db.lock"];

/// The files of that kind that are there.
fn left() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    LEFT.iter().map(|name| root.join(name)).filter(|path| path.exists()).collect()
}

#[test]
#[ignore = "runs every command of the pages, a release build among them; .ci/run does"]
fn every_command_of_the_pages_prints_what_they_show() {
    assert_eq!(left(), Vec::<PathBuf>::new(), "move these away: the pages' commands run in this folder");
    let ci = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/run"))
        .expect("there is a .ci/run");
    let home = tempfile::tempdir().expect("a folder");
    for page in pages() {
        let text =
            fs::read_to_string(&page).unwrap_or_else(|error| fail(&format!("{}: {error}", page.display())));
        let mut shell = Shell::begin(home.path());
        for block in blocks(&text) {
            let place = format!("{}:{}", page.display(), block.line);
            eprintln!("{place}: {:?}", block.kind);
            if block.kind == Kind::Ci {
                let is_step = |command: &str| ci.lines().any(|step| step == command);
                assert!(
                    block.commands.lines().all(is_step),
                    "{place}: .ci/run does not run\n{}",
                    block.commands
                );
            }
            if let Err(printed) = shell.run(&block) {
                fail(&format!(
                    "{place}:\n{}\n\nit is said to print\n{:?}\n\nand printed\n{printed}",
                    block.commands, block.prints
                ));
            }
        }
        shell.end();
        left().iter().for_each(|path| fs::remove_file(path).expect("the commands made it"));
    }
}

#[test]
fn a_block_knows_what_it_prints() {
    let page = "a\n```text\npicture\n```\n```sh\none\ntwo\n```\nprints\n\n```text\n1\n```\n```sh exits=64\nx\n```\n```json\n{}\n```\n```text\nno\n```\n";
    let block = |line, kind, commands: &str, prints: Option<&str>| Block {
        line,
        kind,
        commands: commands.to_owned(),
        prints: prints.map(str::to_owned),
    };
    let expected = [block(5, Kind::Exits(0), "one\ntwo", Some("1")), block(14, Kind::Exits(64), "x", None)];
    assert_eq!(blocks(page), expected);
}

#[test]
fn what_is_printed_is_held_to_what_is_shown() {
    let check = |shown: &str, printed: &str, serves: bool, expected: bool| {
        assert_eq!(fits(shown, printed, serves), expected, "{shown:?} {printed:?}");
    };
    check("a 1 b", "a 22 b\n", false, true);
    check("a 1 b", "a x b\n", false, false);
    check("a", "a\nb", false, false);
    check("a\n…", "a\nb", false, true);
    check("…\nc", "a\nb\nc", false, true);
    check("…\nc", "a\nc\nb", false, false);
    check("a\n…\nc", "a\nb\nc", false, true);
    check("a\n…\nc", "b\na\nc", false, false);
    check("a\n…\nc\n…\ne", "a\nc\nd\ne", false, true);
    check("a\n…\nc\n…\ne", "a\nd\ne", false, false);
    check("a", "a\nb", true, true);
    check("a\n…\nb", "a\nx\nb\ny", true, true);
    check("a\nb", "a", true, false);
    check("at /tmp/.tmpAbc/x", "at /tmp/.tmpXyz/x", false, true);
    check("msg_1ab ü 7", "msg_zz9 ü 12", false, true);
}
