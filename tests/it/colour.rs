//! Colour is for people: on a terminal, unless they do not want it.

use crate::program::{Output, Program};

/// What begins a colour (ECMA-48, `SGR`).
const COLOUR: &str = "\u{1b}[";

/// Runs a command on a terminal; all it writes comes as standard output.
async fn on_a_terminal(command: &str, environment: &[(&str, &str)]) -> Output {
    let script = format!("script -qec '{command}' /dev/null");
    Program::named("bash", &["-c", &script]).env("TERM", "xterm").envs(environment).output().await
}

#[tokio::test]
async fn colour_is_for_a_terminal_that_does_not_refuse_it() {
    let check = async |command: &str, says: &str| {
        let plain = Program::named("bash", &["-c", command]).env("TERM", "xterm").output().await;
        let written = format!("{}{}", plain.stdout, plain.stderr);
        assert!(written.contains(says) && !written.contains(COLOUR), "{plain:?}");

        let coloured = on_a_terminal(command, &[]).await;
        assert!(coloured.stdout.contains(COLOUR), "{coloured:?}");
        for refusal in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let refused = on_a_terminal(command, &[refusal]).await;
            assert!(refused.stdout.contains(says) && !refused.stdout.contains(COLOUR), "{refused:?}");
        }
        // Each stream is looked at by itself: what goes to a file is plain beside a terminal too.
        for to_file in [">file 2>&1", "2>file", ">file"] {
            let beside = format!("{command} {to_file}; echo; echo beside; cat file");
            let beside = on_a_terminal(&beside, &[]).await;
            let file = beside.stdout.split("beside").nth(1).unwrap_or_default();
            assert!(!file.contains(COLOUR), "{beside:?}");
            assert!(beside.stdout.contains(COLOUR) || file.contains(says), "{beside:?}");
        }
    };
    // An error, a list of findings, bad usage, a help text, the log.
    check("flowhook nodes ..", "flow id `..`").await;
    check("flowhook check", "failed   settings: ").await;
    check("flowhook aply", "unrecognized subcommand").await;
    check("flowhook send --help", "Usage: flowhook send").await;
    let tenant = "CXONE_BASE_URL=http://127.0.0.1:9 CXONE_CLIENT_ID=x CXONE_CLIENT_SECRET=x";
    check(&format!("{tenant} FLOWHOOK_LOG=debug flowhook nodes f"), " DEBUG ").await;
}
