//! Where settings come from: a file, `.env` over it, the environment over both.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::{Path, PathBuf};

use super::keys::{KEYS, Key};
use super::{Problem, Problems};
use crate::change::shorten;

/// The variable that names the settings file; it is no setting of its own.
pub const CONFIG_VARIABLE: &str = "FLOWHOOK_CONFIG";
/// Read from the working directory, if it is there.
const DOT_ENV: &str = ".env";
/// What all names begin with that can only be meant for us.
const PREFIX: &str = "FLOWHOOK_";
/// Such names that are no settings: where the settings are, and where `fixtures/replay.sh` posts to.
const OTHERS: [&str; 2] = [CONFIG_VARIABLE, "FLOWHOOK_URL"];

/// All settings as text, by their variable's name. An empty value counts as none.
#[derive(Default)]
pub struct Layers {
    values: BTreeMap<&'static str, Value>,
    /// The file that was read, for messages.
    file: Option<PathBuf>,
    /// What cannot be read, and every key of the file that there is not: reported with whatever else is
    /// wrong for the command that asks.
    pub(super) problems: Problems,
    /// What is to be said of names that are no settings.
    pub(super) warnings: Vec<String>,
}

/// A value, and whether it was written in the settings file.
#[derive(Clone)]
struct Value {
    text: String,
    in_file: bool,
}

impl Layers {
    /// Reads all layers; `config` names the file, else the environment does, else there is none. What is
    /// wrong with them is told when settings are asked for.
    pub fn load(config: Option<&Path>) -> Self {
        let from_environment =
            env::var_os(CONFIG_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let file = config.map(Path::to_owned).or(from_environment);
        let mut layers = Self { file: file.clone(), ..Self::default() };
        let mut problems = Problems::default();
        if let Some(file) = &file {
            layers.add_file(file, &mut problems);
        }
        layers.add_dot_env(&mut problems);
        let names: Vec<String> = env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
        let names = names.iter().map(String::as_str).filter(|name| !is_of_kubernetes(name));
        layers.note_unknown(names, "the environment");
        layers.add(|key| match env::var(key.variable) {
            Ok(text) => Some(text),
            Err(env::VarError::NotPresent) => None,
            Err(env::VarError::NotUnicode(_)) => {
                problems.push(Problem::new(key.variable, "is not UTF-8: write it in UTF-8"));
                None
            }
        });
        layers.problems = problems;
        layers
    }

    /// Only these settings, by their variables' names.
    pub fn of<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values: BTreeMap<&str, &str> = values.into_iter().collect();
        let mut layers = Self::default();
        layers.add(|key| values.get(key.variable).map(|text| (*text).to_owned()));
        layers
    }

    /// Sets one setting over all layers.
    pub fn set(&mut self, variable: &'static str, text: String) {
        self.values.insert(variable, Value { text, in_file: false });
    }

    /// Whether nothing at all is set.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.file.is_none()
    }

    /// Forgets every setting but these.
    pub fn keep_only(&mut self, variables: &[&str]) {
        self.values.retain(|variable, _| variables.contains(variable));
    }

    /// The value of a setting.
    pub(super) fn get(&self, key: &Key) -> Option<&str> {
        self.values.get(key.variable).map(|value| value.text.as_str())
    }

    /// What to call a setting in a message: where it is to be found.
    pub(super) fn name(&self, key: &Key) -> String {
        match (self.values.get(key.variable), &self.file) {
            (Some(Value { in_file: true, .. }), Some(file)) => format!("{} in {}", key.file, file.display()),
            _ => key.variable.to_owned(),
        }
    }

    fn add(&mut self, mut value: impl FnMut(&Key) -> Option<String>) {
        for key in KEYS {
            if let Some(text) = value(key).filter(|text| !text.is_empty()) {
                self.values.insert(key.variable, Value { text, in_file: false });
            }
        }
    }

    fn add_dot_env(&mut self, problems: &mut Problems) {
        let text = match std::fs::read_to_string(DOT_ENV) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                return problems.push(Problem::new(DOT_ENV, &format!("cannot be read: {error}")));
            }
        };
        expanded(&text, problems);
        match dotenvy::from_read_iter(text.as_bytes()).collect::<Result<BTreeMap<String, String>, _>>() {
            Ok(mut pairs) => {
                self.note_unknown(pairs.keys().map(String::as_str), DOT_ENV);
                self.add(|key| pairs.remove(key.variable));
            }
            // The error would quote the line, which may hold a secret.
            Err(quotes_the_line) => {
                let line = bad_line(&text, &quotes_the_line);
                let at = line.map(|line| format!(" at line {line}")).unwrap_or_default();
                let what = format!("cannot be read{at}: write NAME=VALUE, with quotes around spaces and `#`");
                problems.push(Problem::new(DOT_ENV, &what));
            }
        }
    }

    /// Remembers names that look like settings of ours and are none: misspelt, they would do nothing.
    fn note_unknown<'a>(&mut self, names: impl Iterator<Item = &'a str>, place: &str) {
        let is_ours = |name: &str| {
            !name.starts_with(PREFIX) || OTHERS.contains(&name) || KEYS.iter().any(|key| key.variable == name)
        };
        for name in names.filter(|name| !is_ours(name)) {
            self.warnings
                .push(format!("{} in {place} is no setting: see the README for their names", shorten(name)));
        }
    }

    fn add_file(&mut self, path: &Path, problems: &mut Problems) {
        let name = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let what =
                    format!("cannot be read: {error}; give --config or {CONFIG_VARIABLE} the settings file");
                return problems.push(Problem::new(&name, &what));
            }
        };
        let tables: toml::Table = match toml::from_str(&text) {
            Ok(tables) => tables,
            // Only the first line: those that follow quote the file, which may hold a secret.
            Err(error) => {
                let line =
                    error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
                let at = line.map(|line| format!(" at line {line}")).unwrap_or_default();
                return problems.push(Problem::new(&name, &format!("is not TOML{at}: {}", error.message())));
            }
        };
        for (table, members) in &tables {
            if !is_known(table) {
                problems.push(Problem::new(&name, &format!("has no table `{table}`: {}", known_tables())));
                continue;
            }
            let Some(members) = members.as_table() else {
                problems
                    .push(Problem::new(&name, &format!("must have `{table}` as a table: write `[{table}]`")));
                continue;
            };
            for (member, value) in members {
                let path = format!("{table}.{member}");
                match KEYS.iter().find(|key| key.file == path) {
                    Some(key) => self.add_member(key, value, &name, problems),
                    None => problems.push(Problem::new(
                        &name,
                        &format!("has no setting `{path}`: {}", known_keys(table)),
                    )),
                }
            }
        }
    }

    fn add_member(&mut self, key: &Key, value: &toml::Value, file: &str, problems: &mut Problems) {
        let text = match value {
            toml::Value::String(text) => Some(text.clone()),
            toml::Value::Integer(number) => Some(number.to_string()),
            toml::Value::Boolean(flag) => Some(flag.to_string()),
            toml::Value::Array(items) => {
                let items: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
                // As text an empty list would be as good as none: no flow would become any flow.
                if items.as_ref().is_some_and(|items| items.is_empty() || items.contains(&"")) {
                    let what =
                        format!("`{}` is a list with nothing in it: fill it in or remove it", key.file);
                    return problems.push(Problem::new(file, &what));
                }
                items.map(|items| items.join(","))
            }
            toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
        };
        match text {
            Some(text) if text.is_empty() => {}
            Some(text) => _ = self.values.insert(key.variable, Value { text, in_file: true }),
            None => {
                problems.push(Problem::new(
                    file,
                    &format!("`{}` must be text, a whole number or a list of texts", key.file),
                ));
            }
        }
    }
}

/// Kubernetes puts such names into every container beside a service that is called `flowhook`.
fn is_of_kubernetes(name: &str) -> bool {
    name == "FLOWHOOK_PORT" || name.starts_with("FLOWHOOK_PORT_") || name.starts_with("FLOWHOOK_SERVICE_")
}

/// A `$` in a value is taken for a variable's name, which would silently make another secret of it.
fn expanded(text: &str, problems: &mut Problems) {
    for line in text.lines() {
        let line = line.trim_start();
        let Some((name, value)) = line.strip_prefix("export ").unwrap_or(line).split_once('=') else {
            continue;
        };
        let is_ours = KEYS.iter().any(|key| key.variable == name.trim());
        if is_ours && is_expanded(value) {
            let what =
                format!("has a `$` in the value of {}: put single quotes around the value", name.trim());
            problems.push(Problem::new(DOT_ENV, &what));
        }
    }
}

/// Whether a `$` stands in a value of `.env` where it means a variable: not escaped, not in single quotes, not
/// in a comment.
fn is_expanded(value: &str) -> bool {
    let (mut quote, mut before) = (None, ' ');
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some('\''), '\'') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => _ = chars.next(),
            (_, '$') => return true,
            (None, '#') if before.is_whitespace() => return false,
            (None, '"' | '\'') => quote = Some(c),
            (Some('"'), '"') => quote = None,
            _ => {}
        }
        before = c;
    }
    false
}

fn table_of(key: &Key) -> &'static str {
    key.file.split('.').next().unwrap_or_default()
}

fn is_known(table: &str) -> bool {
    KEYS.iter().any(|key| table_of(key) == table)
}

/// Where in `.env` the line is that cannot be parsed, counted from 1.
fn bad_line(text: &str, error: &dotenvy::Error) -> Option<usize> {
    let dotenvy::Error::LineParse(bad, _) = error else { return None };
    let begin = bad.lines().next()?;
    text.lines().position(|line| line.trim() == begin.trim()).map(|at| at + 1)
}

fn known_keys(table: &str) -> String {
    let inside: Vec<&str> = KEYS.iter().filter(|key| table_of(key) == table).map(|key| key.file).collect();
    format!("it knows {}", inside.join(", "))
}

fn known_tables() -> String {
    let mut tables: Vec<&str> = KEYS.iter().map(|key| table_of(key)).collect();
    tables.dedup();
    format!("it knows the tables {}", tables.join(", "))
}

#[cfg(test)]
mod tests {
    use super::is_expanded;

    #[test]
    fn a_dollar_counts_where_it_means_a_variable() {
        let check = |value: &str, expected: bool| assert_eq!(is_expanded(value), expected, "{value}");
        check("pa$HOME", true);
        check("\"pa$HOME\"", true);
        check("pa${x}", true);
        check("'a'$HOME", true);
        check(r"a\\$HOME", true);
        check("'pa$HOME'", false);
        check(r"pa\$HOME", false);
        check("https://cfg.example.com/x # $5 a month", false);
        check("a#$b", true);
        check("# $5", false);
        check("'it''s' # '$'", false);
        check("", false);
    }
}
