//! A manual page, in the sections that man-pages(7) names.

use std::io;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use flowhook::settings::{CONFIG_VARIABLE, KEYS};

/// A page: the name of its file, and its text.
pub(super) struct Page {
    pub(super) file: String,
    pub(super) text: String,
}

/// The page of `program`, then one for each of its commands.
pub(super) fn pages(program: clap::Command) -> io::Result<Vec<Page>> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let commands: Vec<clap::Command> = program.get_subcommands().cloned().collect();
    let main = render(program, Some(environment()));
    let others = commands.into_iter().map(|command| render(command, None));
    std::iter::once(main).chain(others).collect()
}

fn render(command: clap::Command, environment: Option<Roff>) -> io::Result<Page> {
    let after = After::of(&command);
    let has_commands = command.has_subcommands();
    let man = Man::new(command);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    after.description().to_writer(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_commands {
        man.render_subcommands_section(&mut page)?;
    }
    after.exit_status().to_writer(&mut page)?;
    if let Some(environment) = environment {
        environment.to_writer(&mut page)?;
    }
    after.examples().to_writer(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(Page { file: man.get_filename(), text: String::from_utf8_lossy(&page).into_owned() })
}

/// What stands below a command's help, taken apart: the manual has a section for each.
#[derive(Default)]
struct After {
    description: Vec<String>,
    exit_status: Vec<String>,
    examples: Vec<String>,
}

impl After {
    /// By how the lines begin: the help has no other mark.
    fn of(command: &clap::Command) -> Self {
        let mut after = Self::default();
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line == "Examples:" {
                after.examples.extend(paragraph(lines.by_ref()));
            } else if line.starts_with("Exit codes: ") || line.starts_with("The exit code ") {
                after.exit_status.push(line.trim_start_matches("Exit codes: ").to_owned());
                after.exit_status.extend(paragraph(lines.by_ref()));
            } else {
                after.description.push(line.to_owned());
            }
        }
        after
    }

    /// More of the section that has been begun.
    fn description(&self) -> Roff {
        let mut roff = Roff::new();
        for paragraph in self.description.split(String::is_empty).filter(|lines| !lines.is_empty()) {
            roff.control("PP", []);
            paragraph.iter().for_each(|line| _ = roff.text([roman(line)]));
        }
        roff
    }

    fn exit_status(&self) -> Roff {
        let mut roff = Roff::new();
        if !self.exit_status.is_empty() {
            roff.control("SH", ["EXIT STATUS"]);
            self.exit_status.iter().for_each(|line| _ = roff.text([roman(line)]));
        }
        roff
    }

    /// Line by line, as they are to be typed.
    fn examples(&self) -> Roff {
        let mut roff = Roff::new();
        if !self.examples.is_empty() {
            roff.control("SH", ["EXAMPLES"]).control("nf", []);
            self.examples.iter().for_each(|line| _ = roff.text([roman(line.trim_start())]));
            roff.control("fi", []);
        }
        roff
    }
}

/// The lines up to an empty one.
fn paragraph<'l>(lines: impl Iterator<Item = &'l str>) -> impl Iterator<Item = String> {
    lines.take_while(|line| !line.is_empty()).map(str::to_owned)
}

/// The settings.
fn environment() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["ENVIRONMENT"]);
    let mut variable = |name: &str, about: &str| {
        roff.control("TP", []).text([bold(name)]).text([roman(about.replace('`', ""))]);
    };
    variable(CONFIG_VARIABLE, "the settings file (TOML), where --config names none.");
    for key in KEYS {
        variable(
            key.variable,
            &format!("{}. Default: {}. In a settings file: {}.", key.about, key.default, key.file),
        );
    }
    roff
}
