//! A shell that is told one block after the other, as a person would.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::block::{Block, Kind};
use super::shown::fits;
use crate::program::fail;

/// A release build may be among the commands.
const ENDS_WITHIN: Duration = Duration::from_secs(20 * 60);
/// How long what serves may take until it has printed what the page shows, and to stop.
const SERVES_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Each block that serves is a group of processes of its own, so that it can be ended as one. Whatever ends
/// the shell ends these, be it only that nobody tells it anything any more.
const BEGIN: &str = r#"
set -o errexit
trap 'set +o errexit; for job in $(jobs -p); do kill -TERM -- "-$job"; done 2>/dev/null; wait' EXIT
"#;

/// Dropped, it is killed with everything that it has started.
pub(super) struct Shell {
    bash: Child,
    /// Where what is printed goes.
    folder: TempDir,
    /// The numbers of the groups that serve.
    groups: Vec<String>,
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Once it has been reaped its number may be another's.
        if self.bash.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.groups.push(self.bash.id().to_string());
        }
        for group in self.groups.iter().map(|number| format!("-{number}")) {
            // It fails only if all of them have ended already.
            _ = Command::new("kill").args(["-s", "KILL", "--", &group]).stderr(Stdio::null()).status();
        }
        // They fail only if it has been reaped already.
        _ = self.bash.kill();
        _ = self.bash.wait();
    }
}

impl Shell {
    /// A shell with this home folder, where also goes what is installed.
    pub(super) fn begin(at: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = PathBuf::from(std::env::var_os("HOME").expect("a home folder"));
        let of = |name: &str, usual: &str| std::env::var_os(name).unwrap_or_else(|| home.join(usual).into());
        let mut path = at.join("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let bash = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .process_group(0)
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
        let mut shell = Self { bash, folder, groups: Vec::new() };
        shell.tell(BEGIN);
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

    /// What the shell has noted down: a block's exit `code` when it has ended, its `group` if it serves.
    fn noted(&self, line: usize, what: &str) -> Option<String> {
        fs::read_to_string(self.file(line, what)).ok()?.strip_suffix('\n').map(str::to_owned)
    }

    /// Runs a block; what it printed, if it is not what the page shows.
    pub(super) fn run(&mut self, block: &Block) -> Result<(), String> {
        let Block { line, kind, commands, prints } = block;
        let [out, code, group] = ["out", "code", "group"].map(|what| self.file(*line, what));
        let (out, code, group) = (out.display(), code.display(), group.display());
        let redirected = format!("{{\n{commands}\n}} >{out} 2>&1 </dev/null");
        let shows = |printed: &str, serves| prints.as_ref().is_none_or(|shown| fits(shown, printed, serves));
        match kind {
            Kind::Serves => {
                let beside = format!("(trap 'echo $? >{code}' EXIT\n{commands}\n) >{out} 2>&1 </dev/null &");
                self.tell(&format!("set -o monitor\n{beside}\necho $! >{group}\nset +o monitor"));
                self.until(*line, SERVES_WITHIN, |shell| shell.noted(*line, "group").is_some())?;
                self.groups.extend(self.noted(*line, "group"));
                self.until(*line, SERVES_WITHIN, |shell| shows(&shell.printed(*line), true))
            }
            Kind::Exits(expected) => {
                self.tell(&match expected {
                    // A failure in the middle ends the shell.
                    0 => format!("{redirected}\necho 0 >{code}"),
                    _ => format!("{redirected} && echo 0 >{code} || echo $? >{code}"),
                });
                self.until(*line, ENDS_WITHIN, |shell| shell.noted(*line, "code").is_some())?;
                let (ended, printed) = (self.noted(*line, "code").unwrap_or_default(), self.printed(*line));
                let is_right = ended == expected.to_string() && shows(&printed, false);
                if is_right { Ok(()) } else { Err(format!("it ended with {ended}\n{printed}")) }
            }
            Kind::Ci | Kind::NotRun => Ok(()),
        }
    }

    fn until(&mut self, line: usize, within: Duration, done: impl Fn(&Self) -> bool) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            // Looked at first, so that what comes with the end is not missed.
            let ended = match self.noted(line, "code") {
                Some(code) => Some(format!("it ended with {code}")),
                None if self.bash.try_wait().is_ok_and(|ended| ended.is_some()) => {
                    Some("it failed, and so the shell ended".to_owned())
                }
                None => (begun.elapsed() > within).then(|| format!("after {} s", within.as_secs())),
            };
            if done(self) {
                return Ok(());
            }
            if let Some(ended) = ended {
                return Err(format!("{ended}\n{}", self.printed(line)));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Ends what serves, and the shell.
    pub(super) fn end(mut self) {
        self.tell("exit 0");
        let begun = Instant::now();
        while self.bash.try_wait().expect("it is our child").is_none() {
            if begun.elapsed() > SERVES_WITHIN {
                fail(&format!("what serves has not stopped after {} s", SERVES_WITHIN.as_secs()));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        // They have ended: their numbers may be others' by now.
        self.groups.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::mpsc;

    use super::{Block, Kind, Shell, fail, fs};
    use crate::patience::PATIENCE;

    fn block(line: usize, kind: Kind, commands: &str, prints: Option<&str>) -> Block {
        Block { line, kind, commands: commands.to_owned(), prints: prints.map(str::to_owned) }
    }

    #[test]
    fn a_block_is_held_to_its_end_and_its_words() {
        let home = tempfile::tempdir().expect("a folder");
        let run = |kind, commands: &str, prints| {
            Shell::begin(home.path()).run(&block(1, kind, commands, prints)).err()
        };
        let check = |kind, commands: &str, prints, expected: Option<&str>| {
            assert_eq!(run(kind, commands, prints).as_deref(), expected, "{commands}");
        };
        check(Kind::Exits(0), "echo a", Some("a"), None);
        check(Kind::Exits(0), "echo b", Some("a"), Some("it ended with 0\nb\n"));
        check(Kind::Exits(0), "false; echo b", None, Some("it failed, and so the shell ended\n"));
        check(Kind::Exits(3), "(exit 3)", None, None);
        check(Kind::Exits(3), "echo b", None, Some("it ended with 0\nb\n"));
        check(Kind::Serves, "echo a; sleep 1000", Some("a"), None);
        check(Kind::Serves, "echo b; exit 4", Some("a"), Some("it ended with 4\nb\n"));
        check(Kind::NotRun, "exit 5", Some("a"), None);
    }

    /// Starts a block that serves, then does that with the shell; whether what served has ended by then.
    fn serves_until(leave: impl FnOnce(Shell) -> Option<Shell>) -> bool {
        let home = tempfile::tempdir().expect("a folder");
        let pipe = home.path().join("pipe");
        let mut shell = Shell::begin(home.path());
        let made = shell.run(&block(1, Kind::Exits(0), &format!("mkfifo {}", pipe.display()), None));
        made.unwrap_or_else(|why| fail(&why));
        // Two processes have the pipe open, one the child of the other; each says so itself, since a signal
        // that comes between fork and exec may be lost.
        let up = "sh -c 'echo up; exec sleep 1000'";
        let serve = format!("exec 3>{}\n{up} &\nexec {up}", pipe.display());
        let serve = block(2, Kind::Serves, &serve, Some("up\nup"));
        let (told, tells) = mpsc::channel();
        std::thread::spawn(move || {
            let mut file = fs::File::open(pipe)?;
            _ = told.send(());
            file.read_to_end(&mut Vec::new()).map(|_| _ = told.send(()))
        });
        shell.run(&serve).unwrap_or_else(|why| fail(&why));
        tells.recv_timeout(PATIENCE).expect("it begins");
        let _left = leave(shell);
        tells.recv_timeout(PATIENCE).is_ok()
    }

    #[test]
    fn what_serves_ends_with_the_page_and_when_the_page_fails() {
        let ended = |shell: Shell| {
            shell.end();
            None
        };
        assert!(serves_until(ended), "at the page's end");
        assert!(serves_until(|_dropped| None), "when it fails");
        let untold = |mut shell: Shell| {
            shell.bash.stdin.take();
            Some(shell)
        };
        assert!(serves_until(untold), "when the test itself is killed");
    }
}
