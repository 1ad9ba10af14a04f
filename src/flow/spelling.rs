//! JSON strings: from the raw text, quotes and escapes included, to what it spells.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{Error, Visitor};

/// The text that `raw` spells; `None` when it is no string, or one with a lone surrogate in it, which no
/// Rust text equals.
pub(super) fn decoded(raw: &str) -> Option<Cow<'_, str>> {
    let inside = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inside))
    }
}

/// Whether the raw string `raw` spells `text`, which has nothing in it that must be escaped.
pub(super) fn spells(raw: &str, text: &str) -> bool {
    let plain = text.len() + "\"\"".len();
    // An escape is longer than what it stands for.
    if raw.len() > plain {
        decoded(raw).is_some_and(|decoded| decoded == text)
    } else {
        &raw[1..raw.len() - 1] == text
    }
}

/// The raw string that spells `text`.
pub(super) fn spelt(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The code points that the raw string `raw` spells, lone surrogates included, as WTF-8; `None` when it is no string.
pub(super) fn code_points(raw: &str) -> Option<Cow<'_, [u8]>> {
    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }

    if let Some(plain) = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'))
        && !plain.contains('\\')
    {
        return Some(Cow::Borrowed(plain.as_bytes()));
    }
    // Asked for bytes instead of text, serde_json keeps lone surrogates and joins pairs.
    serde_json::Deserializer::from_str(raw).deserialize_bytes(Bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(table: &[(&str, Option<&str>, &[u8])]) {
        for (raw, text, bytes) in table {
            assert_eq!(decoded(raw).as_deref(), *text, "{raw}");
            assert_eq!(code_points(raw).as_deref(), Some(*bytes), "{raw}");
        }
    }

    #[test]
    fn escapes_are_decoded_and_lone_surrogates_kept_apart() {
        check(&[
            (r#""""#, Some(""), b""),
            (r#""node""#, Some("node"), b"node"),
            (r#""\u006eode""#, Some("node"), b"node"),
            (r#""\/\"\\\b\f\n\r\t""#, Some("/\"\\\u{8}\u{c}\n\r\t"), b"/\"\\\x08\x0c\n\r\t"),
            (r#""\u0000""#, Some("\0"), b"\0"),
            (r#""\ud83d\uDE00""#, Some("😀"), "😀".as_bytes()),
            (r#""\ud800""#, None, b"\xed\xa0\x80"),
            (r#""\ud83d\ud83d\ude00""#, None, b"\xed\xa0\xbd\xf0\x9f\x98\x80"),
            (r#""\udc00\ud800""#, None, b"\xed\xb0\x80\xed\xa0\x80"),
            (r#""\ud800\n""#, None, b"\xed\xa0\x80\n"),
            (r#""\ud800é""#, None, b"\xed\xa0\x80\xc3\xa9"),
        ]);
    }

    #[test]
    fn what_is_no_string_spells_nothing() {
        for raw in ["1", "null", "{}", "\"", "a\"", "\"a", "", "\\", "\"\\\"", "\"\\x\""] {
            assert!(decoded(raw).is_none() && code_points(raw).is_none(), "{raw}");
        }
    }

    #[test]
    fn a_name_is_known_however_it_is_spelt() {
        for (raw, is_name) in [
            (r#""name""#, true),
            (r#""n\u0061me""#, true),
            (r#""Name""#, false),
            (r#""nam""#, false),
            (r#""names""#, false),
            (r#""nam\n""#, false),
            (r#""name\ud800""#, false),
            (r#""""#, false),
        ] {
            assert_eq!(spells(raw, "name"), is_name, "{raw}");
        }
    }

    #[test]
    fn a_text_is_spelt_as_it_decodes() {
        for text in ["", "name", "a\"b\\c", "\0\u{1f}\u{7f}", "é e\u{301} 日本 😀 \u{202e}"] {
            assert_eq!(decoded(&spelt(text)).as_deref(), Some(text), "{text:?}");
        }
    }
}
