//! The settings file: TOML, of single settings and of tables of things with names.

use std::path::Path;

use toml::{Table, Value};

use super::files::{Files, SETTINGS_BYTES};
use super::keys::{CONFIG_VARIABLE, KEYS, Key};
use super::{Problem, Problems};
use crate::change::shorten;

/// What stands in a settings file.
#[derive(Default)]
pub(super) struct SettingsFile {
    /// The single settings as text.
    pub(super) values: Vec<(&'static Key, String)>,
    /// The things with names.
    pub(super) named: Named,
}

/// The things that have names of their own, as in `[sources.NAME]`.
#[derive(Default)]
pub(super) struct Named {
    pub(super) schemes: Table,
    pub(super) sources: Table,
    pub(super) routes: Table,
}

impl Named {
    const TABLES: [&str; 3] = ["schemes", "sources", "routes"];

    /// The things of one of these tables.
    fn of(&mut self, table: &str) -> Option<&mut Table> {
        match table {
            "schemes" => Some(&mut self.schemes),
            "sources" => Some(&mut self.sources),
            "routes" => Some(&mut self.routes),
            _ => None,
        }
    }

    /// Whether any of them names this variable, as `{ env = "NAME" }`.
    pub(super) fn refer_to(&self, variable: &str) -> bool {
        fn refers(value: &Value, variable: &str) -> bool {
            match value {
                Value::Table(members) => members.iter().any(|(name, value)| {
                    (name == "env" && value.as_str() == Some(variable)) || refers(value, variable)
                }),
                Value::Array(items) => items.iter().any(|item| refers(item, variable)),
                Value::String(_) | Value::Integer(_) | Value::Float(_) => false,
                Value::Boolean(_) | Value::Datetime(_) => false,
            }
        }
        let tables = [&self.schemes, &self.sources, &self.routes];
        tables.iter().any(|table| table.values().any(|thing| refers(thing, variable)))
    }
}

/// Reads a settings file; nothing where it cannot be read at all.
pub(super) fn read(path: &Path, files: &mut Files, problems: &mut Problems) -> Option<SettingsFile> {
    let name = path.display().to_string();
    let mut problem = |what: &str| problems.push(Problem::new(&name, what));
    let text = match files.read(path, SETTINGS_BYTES) {
        Ok(text) => text,
        Err(error) => {
            problem(&format!(
                "cannot be read: {error}; give --config or {CONFIG_VARIABLE} the settings file"
            ));
            return None;
        }
    };
    let tables: Table = match toml::from_str(&text) {
        Ok(tables) => tables,
        // Only the first line: those that follow quote the file, which may hold a secret.
        Err(error) => {
            let line = error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            let at = line.map(|line| format!(" at line {line}")).unwrap_or_default();
            problem(&format!("is not TOML{at}: {}", error.message()));
            return None;
        }
    };
    let mut file = SettingsFile::default();
    for (table, members) in tables {
        let named = file.named.of(&table);
        if named.is_none() && !is_known(&table) {
            problem(&format!("has no table `{}`: {}", shorten(&table), known_tables()));
            continue;
        }
        match (members, named) {
            (Value::Table(members), Some(named)) => *named = members,
            (Value::Table(members), None) => file.add(&table, &members, &mut problem),
            (_, Some(_)) => {
                problem(&format!("must have `{table}` as tables: write `[{table}.NAME]`"));
            }
            (_, None) => problem(&format!("must have `{table}` as a table: write `[{table}]`")),
        }
    }
    Some(file)
}

impl SettingsFile {
    fn add(&mut self, table: &str, members: &Table, problem: &mut impl FnMut(&str)) {
        for (member, value) in members {
            let path = format!("{table}.{member}");
            let Some(key) = KEYS.iter().find(|key| key.file == path) else {
                problem(&format!("has no setting `{}`: {}", shorten(&path), known_keys(table)));
                continue;
            };
            match text(key, value) {
                Ok(text) => self.values.push((key, text)),
                Err(what) => problem(&what),
            }
        }
    }
}

/// A single setting's value as the environment would have it.
fn text(key: &Key, value: &Value) -> Result<String, String> {
    let text = match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Array(items) => {
            let items: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            // As text an empty list would be as good as none: no flow would become any flow.
            if items.as_ref().is_some_and(|items| items.is_empty() || items.contains(&"")) {
                return Err(format!("`{}` is a list with nothing in it: fill it in or remove it", key.file));
            }
            // It would be taken for two: of a secret each half would be one.
            if items.iter().flatten().any(|item| item.contains(',')) {
                return Err(format!(
                    "`{}` has a comma in an item of its list, which would part it: give each by itself",
                    key.file
                ));
            }
            items.map(|items| items.join(","))
        }
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => None,
    };
    text.ok_or_else(|| format!("`{}` must be text, a whole number or a list of texts", key.file))
}

fn table_of(key: &Key) -> &'static str {
    key.file.split('.').next().unwrap_or_default()
}

fn is_known(table: &str) -> bool {
    KEYS.iter().any(|key| table_of(key) == table)
}

fn known_keys(table: &str) -> String {
    let inside: Vec<&str> = KEYS.iter().filter(|key| table_of(key) == table).map(|key| key.file).collect();
    format!("it knows {}", inside.join(", "))
}

fn known_tables() -> String {
    let mut tables: Vec<String> = KEYS.iter().map(|key| table_of(key).to_owned()).collect();
    tables.dedup();
    tables.extend(Named::TABLES.map(|table| format!("{table}.NAME")));
    format!("it knows the tables {}", tables.join(", "))
}
