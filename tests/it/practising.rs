//! `serve --sandbox` as a newcomer has it: started with nothing set, its output pasted into a shell.

use crate::program::{Addresses, Program, Running, fail};

/// The first flow of a practice tenant that a command starts.
pub(crate) const FLOW: &str = "a1b2c3d4-0001-4000-8000-000000000001";

/// The programs that a test needs, or a clear failure.
pub(crate) async fn assert_installed(programs: &[&str]) {
    for program in programs {
        let found = Program::named("bash", &["-c", &format!("command -v {program}")]).output().await;
        assert_eq!(found.code, Some(0), "install `{program}`: this test needs it");
    }
}

/// `serve --sandbox`, and what it printed.
pub(crate) async fn practising(program: Program) -> (Running, Addresses, String) {
    let mut service = program.on_free_ports().start();
    let addresses = service.ready().await;
    service.printed(" nodes ").await;
    let printed = service.stdout();
    (service, addresses, printed)
}

/// The paragraph of the printed text that begins with these words.
pub(crate) fn paragraph<'a>(printed: &'a str, begin: &str) -> &'a str {
    printed.split("\n\n").find(|text| text.starts_with(begin)).unwrap_or_else(|| fail(printed)).trim()
}

/// Runs what is to be pasted; what it prints.
pub(crate) async fn bash(script: &str) -> String {
    // As an interactive shell would: line by line, whatever fails.
    let output = Program::named("bash", &["-c", script]).output().await;
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{script}\n{output:?}");
    output.stdout
}
