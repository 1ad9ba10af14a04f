//! Texts that are kept elsewhere: a secret or a header as `{ env = "NAME" }` or `{ file = "PATH" }`.

use std::path::Path;

use toml::Value;

use super::files::shown_path;
use super::read::Read;
use crate::change::shorten;

/// How such a text may be written.
const WAYS: &str = "must be text, { env = \"NAME\" } or { file = \"PATH\" }";

/// What is wrong with several secrets in the place of one, which would be taken for one key.
pub(super) const SEVERAL: &str = "has a line break, and is one secret: several go in a file, one a line";

/// Where a text was found.
enum Found {
    /// In the settings or in a variable: this is all of it.
    One(String),
    /// In a file, which may have several lines.
    Lines(String),
}

impl Read<'_> {
    /// A text of one line.
    pub(super) fn line(&mut self, path: &str, value: &Value) -> Option<String> {
        let (Found::One(text) | Found::Lines(text)) = self.found(path, value)?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() || text.contains('\n') {
            self.wrong(path, "must be one line of text");
            return None;
        }
        Some(text.to_owned())
    }

    /// The texts of a list, each with what to call it in a message; a file has one a line. Nothing where one of them
    /// is not to be had.
    pub(super) fn lines(&mut self, path: &str, list: &Value) -> Option<Vec<(String, String)>> {
        let Value::Array(items) = list else {
            self.wrong(path, &format!("must be a list, and each item of it {}", &WAYS["must be ".len()..]));
            return None;
        };
        let (mut texts, mut are_all_there) = (Vec::new(), true);
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            match self.found(&path, item) {
                None => are_all_there = false,
                Some(Found::One(text)) if has_several_lines(&text) => {
                    self.wrong(&path, SEVERAL);
                    are_all_there = false;
                }
                Some(Found::One(text)) => texts.push((path, text)),
                Some(Found::Lines(text)) => {
                    let lines = text.trim_end_matches(['\r', '\n']).split('\n').enumerate();
                    texts.extend(lines.map(|(at, line)| {
                        let line = line.strip_suffix('\r').unwrap_or(line);
                        (format!("{path}, line {}", at + 1), line.to_owned())
                    }));
                }
            }
        }
        are_all_there.then_some(texts)
    }

    fn found(&mut self, path: &str, value: &Value) -> Option<Found> {
        if let Some(text) = value.as_str() {
            return Some(Found::One(text.to_owned()));
        }
        let only_member =
            value.as_table().filter(|members| members.len() == 1).and_then(|one| one.iter().next());
        match only_member.map(|(name, value)| (name.as_str(), value.as_str())) {
            Some(("env", Some(name))) => self.of_variable(path, name).map(Found::One),
            Some(("file", Some(file))) => self.of_file(path, file).map(Found::Lines),
            _ => {
                self.wrong(path, WAYS);
                None
            }
        }
    }

    fn of_variable(&mut self, path: &str, name: &str) -> Option<String> {
        let text = self.layers.variable(name, &mut self.problems);
        if text.is_none() {
            // What does not look like a variable's name may be the secret itself.
            let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            let shown =
                if name.chars().all(is_name) { format!(" `{}`", shorten(name)) } else { String::new() };
            self.wrong(
                path,
                &format!("names a variable{shown} that is not set: set it in the environment or in .env"),
            );
        }
        text
    }

    fn of_file(&mut self, path: &str, file: &str) -> Option<String> {
        match self.files.read_secret(Path::new(file)) {
            Ok(text) => Some(text),
            Err(error) => {
                let what = "write the text there, readable for this user";
                self.wrong(
                    path,
                    &format!("names a file{} that cannot be read: {error}; {what}", shown_path(file)),
                );
                None
            }
        }
    }
}

/// Whether there is a line break in it, but for one at its end.
pub(super) fn has_several_lines(text: &str) -> bool {
    text.trim_end_matches(['\r', '\n']).contains(['\r', '\n'])
}
