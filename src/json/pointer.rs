//! Pointers: where in a JSON text a value stands. <https://www.rfc-editor.org/rfc/rfc6901>

use std::fmt;

use crate::change::shorten;

/// The most steps of a pointer. Every step reads what it steps into once.
pub(crate) const STEPS_MAX: usize = 32;

/// A JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pointer {
    text: String,
    /// Names of members, or indices, unescaped.
    steps: Vec<String>,
}

/// A text that is no pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPointer {
    #[error("`{0}` is no JSON pointer: begin it with `/`, as in `/data/value`")]
    Rootless(String),
    #[error("`{0}` has a `~` that is neither `~0`, which stands for `~`, nor `~1`, which stands for `/`")]
    Escape(String),
    #[error("`{0}` has more than {STEPS_MAX} steps: point at something that is less deep")]
    Deep(String),
}

impl Pointer {
    pub(crate) fn parse(text: &str) -> Result<Self, BadPointer> {
        let steps = match text.strip_prefix('/') {
            Some(steps) => steps.split('/').map(|step| unescaped(step, text)).collect::<Result<_, _>>()?,
            None if text.is_empty() => Vec::new(),
            None => return Err(BadPointer::Rootless(shorten(text))),
        };
        let pointer = Self { text: text.to_owned(), steps };
        if pointer.steps.len() > STEPS_MAX { Err(BadPointer::Deep(shorten(text))) } else { Ok(pointer) }
    }

    /// What to call the value that it points at in `what`, between backticks.
    pub(crate) fn of(&self, what: &str) -> String {
        shorten(if self.text.is_empty() { what } else { &self.text })
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(String::as_str)
    }
}

fn unescaped(step: &str, pointer: &str) -> Result<String, BadPointer> {
    let mut parts = step.split('~');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (stands_for, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', &part[1..]),
            Some(b'1') => ('/', &part[1..]),
            Some(_) | None => return Err(BadPointer::Escape(shorten(pointer))),
        };
        text.push(stands_for);
        text.push_str(rest);
    }
    Ok(text)
}

/// The index that a step is, if it is one.
pub(crate) fn index(step: &str) -> Option<usize> {
    let is_index = step.bytes().all(|b| b.is_ascii_digit()) && (step == "0" || !step.starts_with('0'));
    is_index.then(|| step.parse().ok()).flatten()
}

/// As it was written, in backticks; the empty one has a name.
impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() { f.write_str("the whole") } else { write!(f, "`{}`", shorten(&self.text)) }
    }
}

#[cfg(test)]
mod tests {
    use super::{BadPointer, Pointer, STEPS_MAX, index};

    #[test]
    fn a_pointer_is_read_as_rfc_6901_spells_it() {
        let check = |text: &str, expected: &[&str]| {
            let pointer = Pointer::parse(text).expect("a pointer");
            assert_eq!(pointer.steps().collect::<Vec<_>>(), expected, "`{text}`");
        };
        check("", &[]);
        check("/", &[""]);
        check("/a", &["a"]);
        check("/a/0/b c", &["a", "0", "b c"]);
        check("/a//b", &["a", "", "b"]);
        check("/a~1b/m~0n/~01", &["a/b", "m~n", "~1"]);
        check("/ü/😀/%25", &["ü", "😀", "%25"]);
    }

    #[test]
    fn what_is_no_pointer_is_told_how_to_become_one() {
        let check = |text: &str, expected: fn(String) -> BadPointer| {
            assert_eq!(Pointer::parse(text), Err(expected(text.to_owned())), "`{text}`");
        };
        check("a", BadPointer::Rootless);
        check("data.value", BadPointer::Rootless);
        check("#/a", BadPointer::Rootless);
        check("/a~", BadPointer::Escape);
        check("/~2", BadPointer::Escape);
        check("/~~0", BadPointer::Escape);
        check("/~/0", BadPointer::Escape);
        check("/~ü", BadPointer::Escape);
        assert!(Pointer::parse(&"/a".repeat(STEPS_MAX)).is_ok());
        check(&"/a".repeat(STEPS_MAX + 1), BadPointer::Deep);
    }

    #[test]
    fn an_index_has_no_superfluous_zero_and_no_sign() {
        let check = |step: &str, expected: Option<usize>| assert_eq!(index(step), expected, "`{step}`");
        check("0", Some(0));
        check("10", Some(10));
        check("01", None);
        check("00", None);
        check("-", None);
        check("-1", None);
        check("+1", None);
        check("", None);
        check("1e0", None);
        check("99999999999999999999999", None);
    }
}
