//! A place in a JSON text that moves over whole values.
//!
//! The cursor itself knows only how members and elements follow each other. What counts as a value is for
//! `serde_json` to say: it skips values without recursion and without a limit of depth, and whatever it
//! refuses is refused here.

use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::Deserializer;

/// Where something stands in a text, in bytes.
pub(super) type Span = Range<usize>;

/// The text is not JSON at the cursor. What exactly is wrong is found out by whoever reports it.
#[derive(Debug)]
pub(super) struct NotJson;

/// A place in a JSON text.
pub(super) struct Cursor<'t> {
    text: &'t str,
    /// Always on a character boundary: only ASCII and whole values are stepped over.
    at: usize,
}

impl<'t> Cursor<'t> {
    /// A cursor in `text` at byte `at`, so that its spans hold for all of `text`.
    pub(super) fn new(text: &'t str, at: usize) -> Self {
        Self { text, at }
    }

    /// The first byte that is not white space, at which the cursor then stands.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count();
        self.at += blank;
        rest.get(blank).copied()
    }

    /// Steps over one value of any kind and depth.
    pub(super) fn value(&mut self) -> Result<Span, NotJson> {
        self.peek();
        let start = self.at;
        let mut values = Deserializer::from_str(&self.text[start..]).into_iter::<IgnoredAny>();
        let Some(Ok(IgnoredAny)) = values.next() else { return Err(NotJson) };
        self.at += values.byte_offset();
        Ok(start..self.at)
    }

    /// Steps over an object. `member` gets each raw key and must step over the member's value.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &'t str) -> Result<(), NotJson>,
    ) -> Result<Span, NotJson> {
        self.members(|cursor, key| member(cursor, &cursor.text[key]))
    }

    /// The same; `member` gets the span of each raw key.
    pub(super) fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, Span) -> Result<(), NotJson>,
    ) -> Result<Span, NotJson> {
        self.sequence(b'{', b'}', |cursor| {
            let key = cursor.key()?;
            cursor.eat(b':')?;
            member(cursor, key)
        })
    }

    /// Steps over an array. `element` must step over one element.
    pub(super) fn array(
        &mut self,
        element: impl FnMut(&mut Self) -> Result<(), NotJson>,
    ) -> Result<Span, NotJson> {
        self.sequence(b'[', b']', element)
    }

    fn sequence(
        &mut self,
        open: u8,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), NotJson>,
    ) -> Result<Span, NotJson> {
        self.peek();
        let start = self.at;
        self.eat(open)?;
        if self.peek() != Some(close) {
            item(self)?;
            while self.peek() == Some(b',') {
                self.at += 1;
                item(self)?;
            }
        }
        self.eat(close)?;
        Ok(start..self.at)
    }

    /// Steps over a key. Most keys hold no escape and end at the next quote.
    fn key(&mut self) -> Result<Span, NotJson> {
        if self.peek() != Some(b'"') {
            return Err(NotJson);
        }
        let start = self.at;
        let inside = &self.text.as_bytes()[start + 1..];
        let plain = inside.iter().take_while(|byte| **byte >= b' ' && !matches!(byte, b'"' | b'\\')).count();
        if inside.get(plain) == Some(&b'"') {
            self.at = start + plain + 2;
            return Ok(start..self.at);
        }
        self.value()
    }

    fn eat(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.peek() != Some(byte) {
            return Err(NotJson);
        }
        self.at += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks a text as far as its third level and skips what lies deeper, as the outline does.
    fn walks(text: &str) -> bool {
        fn level(cursor: &mut Cursor<'_>, depth: usize) -> Result<(), NotJson> {
            match cursor.peek() {
                Some(b'{') if depth > 0 => cursor.object(|cursor, _| level(cursor, depth - 1)).map(|_| ()),
                Some(b'[') if depth > 0 => cursor.array(|cursor| level(cursor, depth - 1)).map(|_| ()),
                _ => cursor.value().map(|_| ()),
            }
        }
        let mut cursor = Cursor::new(text, 0);
        level(&mut cursor, 3).is_ok() && cursor.peek().is_none()
    }

    fn check(texts: &[&str]) {
        for text in texts {
            let json = serde_json::from_str::<IgnoredAny>(text).is_ok();
            assert_eq!(walks(text), json, "{text:?}");
        }
    }

    #[test]
    fn it_accepts_what_serde_json_accepts_and_nothing_else() {
        check(&[
            "{}",
            "[]",
            " { } ",
            "[\t]",
            "1",
            "\"\"",
            "null",
            "[1,2]",
            "{\"a\":1,\"b\":[{}]}",
            "[[[[[[1]]]]]]",
            "{\"a\":{\"b\":{\"c\":{\"d\":1e999}}}}",
            "{\"\\u0041\\/\":\"\\ud800\"}",
            "",
            " ",
            "[",
            "{",
            "]",
            "}",
            "[1",
            "[1,",
            "[1,]",
            "[,]",
            "[,1]",
            "[1 2]",
            "[1}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "{a:1}",
            "{1:1}",
            "{\"a\":1]",
            "{\"a\n\":1}",
            "{\"a\\x\":1}",
            "{\"a\\\":1}",
            "[01]",
            "[1.]",
            "[+1]",
            "[.5]",
            "[1e]",
            "[-]",
            "[nul]",
            "[nullx]",
            "[1x]",
            "[\"a]",
            "[\"\u{1}\"]",
            "[] []",
            "[]x",
            "\u{feff}[]",
            "[\u{a0}1]",
            "[\"a\"\"b\"]",
            "[NaN]",
            "['a']",
            "[1]//",
            "{\"é\":\"日本\"}",
            "{\"日\"}",
            "[é]",
        ]);
    }
}
