//! What is generated from the command line's definition: completions and manual pages.

use flowhook::settings::{CONFIG_VARIABLE, KEYS};

use crate::program::Program;

/// The commands, as `--help` lists them.
async fn commands() -> Vec<String> {
    let help = Program::flowhook(&["--help"]).output().await;
    let list = help.stdout.split("Commands:\n").nth(1).expect("a list of commands");
    let names = list.lines().take_while(|line| !line.is_empty());
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_shell_completes_every_command() {
    let commands = commands().await;
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = Program::flowhook(&["completions", shell]).output().await;
        assert_eq!((script.code, script.stderr.as_str()), (Some(0), ""), "{script:?}");
        for command in commands.iter().map(String::as_str).chain(["--config", "--dry-run"]) {
            let named = command.trim_start_matches('-');
            assert!(script.stdout.contains(named), "{command} for {shell}");
        }
    }
    let unknown = Program::flowhook(&["completions", "cmd.exe"]).output().await;
    assert_eq!(unknown.code, Some(64), "{unknown:?}");
}

#[tokio::test]
async fn bash_takes_its_completions() {
    let script = "source <(flowhook completions bash) && complete -p flowhook";
    let output = Program::named("bash", &["-c", script]).output().await;
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    assert!(output.stdout.contains("_flowhook"), "{output:?}");
}

#[tokio::test]
async fn every_command_has_a_manual_page_and_the_main_one_has_every_setting() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("UTF-8");
    let written = Program::flowhook(&["man", "--dir", path]).output().await;
    assert_eq!((written.code, written.stdout.as_str()), (Some(0), ""), "{written:?}");
    for command in commands().await.iter().filter(|command| *command != "help") {
        let page = std::fs::read_to_string(folder.path().join(format!("flowhook-{command}.1")));
        assert!(page.is_ok_and(|page| page.contains(".SH SYNOPSIS")), "{command}");
    }
    let main = std::fs::read_to_string(folder.path().join("flowhook.1")).expect("it is written");
    let environment = section(&main, "ENVIRONMENT").expect("it has one");
    for key in KEYS {
        assert!(environment.contains(key.variable) && environment.contains(key.file), "{}", key.variable);
    }
    assert!(environment.contains(CONFIG_VARIABLE), "{environment}");
    let printed = Program::flowhook(&["man"]).output().await;
    assert_eq!(printed.stdout.trim_end(), main.trim_end());
}

/// The section of a page, by its name.
fn section<'p>(page: &'p str, name: &str) -> Option<&'p str> {
    let begin = page.split(&format!("\n.SH {name}\n")).nth(1)?;
    begin.split("\n.SH ").next()
}

#[tokio::test]
async fn what_the_help_says_of_exit_codes_and_examples_has_sections_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("UTF-8");
    assert_eq!(Program::flowhook(&["man", "--dir", path]).output().await.code, Some(0));
    let mut names = commands().await;
    names.retain(|name| name != "help");
    names.push(String::new());
    for name in &names {
        let arguments: Vec<&str> =
            [name.as_str(), "--help"].into_iter().filter(|word| !word.is_empty()).collect();
        let help = Program::flowhook(&arguments).output().await.stdout;
        let file = ["flowhook", name].join("-");
        let page = std::fs::read_to_string(folder.path().join(format!("{}.1", file.trim_end_matches('-'))));
        let page = page.expect("it is written");
        let check = |said: &[&str], title: &str| {
            let is_said = said.iter().any(|words| help.lines().any(|line| line.starts_with(words)));
            assert_eq!(section(&page, title).is_some(), is_said, "{title} of `{name}`:\n{page}");
        };
        check(&["Examples:"], "EXAMPLES");
        check(&["Exit codes: ", "The exit code "], "\"EXIT STATUS\"");
        let examples = help.split("Examples:\n").nth(1).unwrap_or_default().lines();
        let shown = section(&page, "EXAMPLES").unwrap_or_default().replace("\\-", "-").replace("\\*(Aq", "'");
        for example in examples.filter(|line| line.starts_with("  flowhook ")) {
            assert!(
                shown.contains(example.trim().split("  ").next().unwrap_or_default()),
                "{example}: {shown}"
            );
        }
        assert!(!page.contains("EXTRA"), "{page}");
    }
}

#[tokio::test]
async fn a_folder_for_the_manual_that_is_not_there_is_named() {
    let output = Program::flowhook(&["man", "--dir", "gone"]).output().await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("`gone`: make the folder first"), "{output:?}");
}
