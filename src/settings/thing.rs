//! A thing with a name of its own, out of the settings file: its shape, before anybody looks at its meaning.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::read::Read;
use crate::change::shorten;

/// More of a message than this was not written for people to read.
const MESSAGE_CHARS: usize = 1_000;

impl Read<'_> {
    /// The things of a table, each of which is a table itself.
    pub(super) fn things<'t>(&mut self, kind: &str, table: &'t Table) -> Vec<(&'t str, Table)> {
        let mut things = Vec::new();
        for (name, value) in table {
            match value.as_table() {
                Some(members) => things.push((name.as_str(), members.clone())),
                None => {
                    let name = shorten(name);
                    self.wrong(kind, &format!("has `{name}` as a value: write `[{kind}.{name}]`"));
                }
            }
        }
        things
    }

    /// What its members say, if they are those of a `T`.
    pub(super) fn shape<T: DeserializeOwned>(&mut self, path: &str, members: Table) -> Option<T> {
        let error = match Value::Table(members).try_into() {
            Ok(thing) => return Some(thing),
            Err(error) => error,
        };
        let within = key_in(&error);
        let what = if is_key_of_scheme(path, within.as_deref()) {
            "must be `utf8`, `base64`, `hex` or `standard`: it says how a secret is written, and is none"
                .to_owned()
        } else {
            format!("cannot be used: {}", plain(error.message()))
        };
        let path = within.map_or_else(|| path.to_owned(), |within| format!("{path}.{within}"));
        self.wrong(&path, &what);
        None
    }
}

/// Which key it is about, as it stands at the end of the message.
fn key_in(error: &toml::de::Error) -> Option<String> {
    let text = error.to_string();
    let (_, key) = text.trim_end().rsplit_once("\nin `")?;
    key.strip_suffix('`').map(str::to_owned)
}

/// A secret may have been put there by who takes it for the place of one.
fn is_key_of_scheme(path: &str, within: Option<&str>) -> bool {
    path.starts_with("schemes.") && within == Some("key")
}

/// A message of the parser in words for people, and without a text that stands where none belongs: it may be a secret.
fn plain(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let words = [
        ("i64", "a whole number"),
        ("u64", "a whole number"),
        ("u16", "a whole number"),
        ("usize", "a whole number"),
    ];
    let line = words.iter().fold(line.to_owned(), |line, (theirs, ours)| {
        line.replace(&format!("expected {theirs}"), &format!("expected {ours}"))
    });
    if line.starts_with("invalid type: unit variant") {
        return "it must be text".to_owned(); // a choice between words, and the parser says no more
    }
    let line = match line.split_once("invalid type: string ").zip(line.rsplit_once(", expected ")) {
        Some((_, (_, expected))) => format!("it is text, expected {expected}"),
        None => line,
    };
    line.chars().take(MESSAGE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_message_is_for_people_and_shows_no_text() {
        let check = |message: &str, expected: &str| assert_eq!(plain(message), expected);
        check(
            r#"invalid type: string "hunter2, expected", expected i64"#,
            "it is text, expected a whole number",
        );
        check("invalid type: integer `5`, expected a string", "invalid type: integer `5`, expected a string");
        check(r#"invalid type: string "x", expected u16"#, "it is text, expected a whole number");
        check("invalid type: unit variant, expected string only", "it must be text");
        check("unknown field `a`, expected `b`\nin `x`\n", "unknown field `a`, expected `b`");
    }
}
