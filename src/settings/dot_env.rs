//! The `.env` file: names and values, one a line.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::files::{Files, SETTINGS_BYTES};
use super::{Problem, Problems};
use crate::change::shorten;

/// Read from the working directory, if it is there.
pub(super) const DOT_ENV: &str = ".env";

/// What stands in it.
#[derive(Default)]
pub(super) struct DotEnv {
    pairs: BTreeMap<String, String>,
    /// The names whose values hold a `$` that was taken for a variable's name.
    expanded: BTreeSet<String>,
}

impl DotEnv {
    /// Every name in it.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.keys().map(String::as_str)
    }

    /// The value of that name, unless another one may have been meant: then that is a problem.
    pub(super) fn get(&self, name: &str, problems: &mut Problems) -> Option<&str> {
        if self.expanded.contains(name) {
            let name = shorten(name);
            let what = format!("has a `$` in the value of {name}: put single quotes around the value");
            problems.push(Problem::new(DOT_ENV, &what));
        }
        self.pairs.get(name).map(String::as_str)
    }
}

/// Reads it; nothing is in it where it is not there or cannot be read.
pub(super) fn read(files: &mut Files, problems: &mut Problems) -> DotEnv {
    let text = match files.read(Path::new(DOT_ENV), SETTINGS_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return DotEnv::default(),
        Err(error) => {
            problems.push(Problem::new(DOT_ENV, &format!("cannot be read: {error}")));
            return DotEnv::default();
        }
    };
    let dot_env = DotEnv { pairs: BTreeMap::new(), expanded: expanded(&text).collect() };
    match dotenvy::from_read_iter(text.as_bytes()).collect() {
        Ok(pairs) => DotEnv { pairs, ..dot_env },
        // The error would quote the line, which may hold a secret.
        Err(quotes_the_line) => {
            let line = bad_line(&text, &quotes_the_line);
            let at = line.map(|line| format!(" at line {line}")).unwrap_or_default();
            let what = format!("cannot be read{at}: write NAME=VALUE, with quotes around spaces and `#`");
            problems.push(Problem::new(DOT_ENV, &what));
            dot_env
        }
    }
}

/// A `$` in a value is taken for a variable's name, which would silently make another secret of it.
fn expanded(text: &str) -> impl Iterator<Item = String> {
    let pairs = text.lines().filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("export ").unwrap_or(line).split_once('=')
    });
    pairs.filter(|(_, value)| is_expanded(value)).map(|(name, _)| name.trim().to_owned())
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

/// Where in `.env` the line is that cannot be parsed, counted from 1.
fn bad_line(text: &str, error: &dotenvy::Error) -> Option<usize> {
    let dotenvy::Error::LineParse(bad, _) = error else { return None };
    let begin = bad.lines().next()?;
    text.lines().position(|line| line.trim() == begin.trim()).map(|at| at + 1)
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
