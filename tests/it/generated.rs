//! What is generated from the command line's definition: completions and manual pages.

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
    for key in flowhook::settings::KEYS {
        assert!(main.contains(key.variable) && main.contains(key.file), "{}", key.variable);
    }
    let printed = Program::flowhook(&["man"]).output().await;
    assert_eq!(printed.stdout.trim_end(), main.trim_end());
}

#[tokio::test]
async fn a_folder_for_the_manual_that_is_not_there_is_named() {
    let output = Program::flowhook(&["man", "--dir", "gone"]).output().await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("`gone`: make the folder first"), "{output:?}");
}
