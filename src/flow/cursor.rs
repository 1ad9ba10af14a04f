//! A place in a JSON text that moves over whole values.
//!
//! It takes what `serde_json` takes, and nothing else: a test holds the one to the other. It reads faster, since
//! nothing is made of what it reads, and the depth of a value costs it a byte a level and no stack.

use std::ops::Range;

use super::scalar::{known_string_end, number_end, string_end, word_end};

/// Where something stands in a text, in bytes.
pub(super) type Span = Range<usize>;

/// The text is not JSON at the cursor. What exactly is wrong is found out by whoever reports it.
#[derive(Debug)]
pub(super) struct NotJson;

/// A place in a JSON text.
pub(super) struct Cursor<'t> {
    text: &'t str,
    /// Always on a character boundary: only ASCII and whole strings are stepped over.
    at: usize,
    /// Whether the text is known to be JSON.
    is_known: bool,
    /// The brackets that close what is open in the value that is stepped over.
    open: Vec<u8>,
}

impl<'t> Cursor<'t> {
    /// A cursor at the beginning of `text`, which may be anything.
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, is_known: false, open: Vec::new() }
    }

    /// A cursor in `text`, which is known to be JSON, at byte `at`, so that its spans hold for all of `text`.
    pub(super) fn in_known(text: &'t str, at: usize) -> Self {
        Self { text, at, is_known: true, open: Vec::new() }
    }

    /// Where it stands, in bytes.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The first byte that is not white space, at which the cursor then stands.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let text = self.text.as_bytes();
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(self.at) {
            self.at += 1;
        }
        text.get(self.at).copied()
    }

    /// Steps over one value of any kind and depth.
    pub(super) fn value(&mut self) -> Result<Span, NotJson> {
        let first = self.peek();
        let start = self.at;
        self.open.clear();
        let mut next = first;
        loop {
            let has_begun = match next.ok_or(NotJson)? {
                b'{' => self.opens(b'}')?,
                b'[' => self.opens(b']')?,
                byte => {
                    self.scalar(byte)?;
                    false
                }
            };
            if !has_begun && self.closes()? {
                return Ok(start..self.at);
            }
            next = self.peek();
        }
    }

    /// Steps over a bracket, and over the first key behind it; over all of a container that is empty. Says whether
    /// a value follows.
    fn opens(&mut self, close: u8) -> Result<bool, NotJson> {
        self.at += 1;
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        self.open.push(close);
        self.key_of(close)?;
        Ok(true)
    }

    /// Behind a value: steps over what it closes, and to the next one. Says whether that was the last.
    fn closes(&mut self) -> Result<bool, NotJson> {
        while let Some(close) = self.open.last().copied() {
            let byte = self.peek();
            self.at += 1;
            if byte == Some(b',') {
                self.key_of(close)?;
                return Ok(false);
            }
            if byte != Some(close) {
                return Err(NotJson);
            }
            self.open.pop();
        }
        Ok(true)
    }

    /// In an object: steps over a key and its colon.
    fn key_of(&mut self, close: u8) -> Result<(), NotJson> {
        if close == b'}' {
            self.key()?;
            self.eat(b':')?;
        }
        Ok(())
    }

    /// Steps over a string, a number or a word that begins with `first`.
    fn scalar(&mut self, first: u8) -> Result<(), NotJson> {
        let bytes = self.text.as_bytes();
        let end = match first {
            b'"' if self.is_known => known_string_end(self.text, self.at),
            b'"' => string_end(bytes, self.at),
            b'-' | b'0'..=b'9' => number_end(bytes, self.at),
            _ => word_end(bytes, self.at),
        };
        self.at = end.ok_or(NotJson)?;
        Ok(())
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

    /// Steps over a key.
    fn key(&mut self) -> Result<Span, NotJson> {
        if self.peek() != Some(b'"') {
            return Err(NotJson);
        }
        let start = self.at;
        self.scalar(b'"')?;
        Ok(start..self.at)
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
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};
    use serde::de::IgnoredAny;
    use serde_json::value::RawValue;

    use super::super::document::Document;
    use super::super::layout::laid_out;
    use super::super::value::same_value;
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
        let mut cursor = Cursor::new(text);
        level(&mut cursor, 3).is_ok() && cursor.peek().is_none()
    }

    /// Steps over all of a text at once; twice, if it is JSON.
    fn steps_over(text: &str) -> bool {
        let ends = |mut cursor: Cursor<'_>| {
            let value = cursor.value().ok();
            value.filter(|_| cursor.peek().is_none())
        };
        let found = ends(Cursor::new(text));
        assert!(found.is_none() || found == ends(Cursor::in_known(text, 0)), "{text:?}");
        found.is_some()
    }

    fn check(texts: &[&str]) {
        for text in texts {
            let json = serde_json::from_str::<IgnoredAny>(text).is_ok();
            assert_eq!(serde_json::from_str::<&RawValue>(text).is_ok(), json, "{text:?}");
            assert_eq!(walks(text), json, "{text:?}");
            assert_eq!(steps_over(text), json, "{text:?}");
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

    #[test]
    fn numbers_words_escapes_and_brackets_are_as_serde_json_has_them() {
        check(&[
            "[0, -0, 0.0, -1.5e-10, 1E+2, 20e0, 9007199254740993]",
            "[-01]",
            "[0x1]",
            "[1.e1]",
            "[1e+]",
            "[--1]",
            "[1-]",
            "[1.5.5]",
            "[true, false, null]",
            "[True]",
            "[tru]",
            "[truefalse]",
            "[\"\\\\\", \"\\\"\", \"\\\\\\\"\", 1]",
            "[\"\\u00e9\\uD834\\udd1e\\b\\f\\n\\r\\t\"]",
            "[\"\\u00g0\"]",
            "[\"\\u123\"]",
            "[\"\\u12",
            "[\"\\",
            "[\"\\U0041\"]",
            "[\"\\'\"]",
            "[\"\u{7f}\u{80}\u{2028} !#$\"]",
            "[\"\t\"]",
            "[{]}",
            "[[{\"a\":[1,{\"b\":[]}]}],{}]",
            "[[{\"a\":[1,{\"b\":[}]}],{}]",
            "[{\"a\":[1,{\"b\"}]}]",
            "[[1,]]",
            "[{\"a\":1,}]",
            "[{,}]",
        ]);
    }

    #[test]
    fn a_string_ends_alike_wherever_its_quote_and_its_escapes_stand() {
        // Strings are looked at by several bytes together: here every byte comes to stand in every place.
        for length in 0..20 {
            for at in 0..=length {
                for odd in [
                    "\"", "\\", "\\\\", "\\\"", "\\u0022", "\u{1f}", "\n", " ", "!", "#", "é", "\u{7f}",
                    "\\x",
                ] {
                    let (before, after) = ("x".repeat(at), "x".repeat(length - at));
                    check(&[
                        &format!("\"{before}{odd}{after}\""),
                        &format!("[\"{before}{odd}\",\"{after}\"]"),
                        &format!("{{\"{before}{odd}\":\"{odd}{after}\"}}"),
                        &format!("\"{before}{odd}{after}"),
                    ]);
                }
            }
        }
    }

    /// What JSON is made of, whole and in pieces.
    const SCALARS: [&str; 24] = [
        "null",
        "true",
        "false",
        "0",
        "-0.0",
        "1.10",
        "-12E+34",
        "1e-999",
        "12345678901234567890123",
        "\"\"",
        "\"id\"",
        "\"i\\u0064\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"seven bytes\\\\\"",
        "\"é 日本 😀\"",
        "\"\u{7f}\u{80}\u{2028}\"",
        "[ ]",
        "{\t}",
        "{\"id\":\"a\",\"id\":\"a\"}",
        " [1,\n2 ] ",
        "\"variables\"",
    ];
    const PIECES: [&str; 20] = [
        "\"", "\\", "\\u", "\\ud8", "{", "}", "[", "]", ",", ":", " ", "\u{0}", "\u{1f}", "\n", "-", ".",
        "e", "0", "é", "\u{feff}",
    ];

    /// A JSON text, now and then deep.
    fn json() -> impl Strategy<Value = String> {
        let leaf = select(SCALARS.as_slice()).prop_map(str::to_owned);
        let key = select(vec![
            "\"id\"",
            "\"i\\u0064\"",
            "\"nodes\"",
            "\"version\"",
            "\"configuration\"",
            "\"\\ud800\"",
        ]);
        let text = leaf.prop_recursive(6, 40, 5, move |inner| {
            let member = (key.clone(), inner.clone()).prop_map(|(key, value)| format!("{key} :{value}"));
            prop_oneof![
                vec(inner, 0..5).prop_map(|items| format!("[{}]", items.join(" ,"))),
                vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(", "))),
            ]
        });
        let flow = |text: String| {
            format!("{{\"version\":1,\"nodes\":[{{\"id\":\"a\",\"configuration\":{{\"x\":{text}}}}}]}}")
        };
        let deep =
            |(text, depth): (String, usize)| format!("{}{text}{}", "[".repeat(depth), "]".repeat(depth));
        let depth = prop_oneof![9 => Just(0_usize), 1 => 100..300_usize];
        let whole = (text, depth).prop_map(deep);
        (whole, any::<bool>()).prop_map(move |(text, wrapped)| if wrapped { flow(text) } else { text })
    }

    /// What is done to a text at a place: a byte is flipped, some are taken out, or a piece is put in.
    #[derive(Clone, Debug)]
    enum Mutation {
        Flip(Index, u8),
        Delete(Index, usize),
        Insert(Index, &'static str),
    }

    fn mutation() -> impl Strategy<Value = Mutation> {
        let place = any::<Index>;
        prop_oneof![
            (place(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, 1 << bit)),
            (place(), 1..4_usize).prop_map(|(at, bytes)| Mutation::Delete(at, bytes)),
            (place(), select(PIECES.as_slice())).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        ]
    }

    fn mutated(text: &str, mutations: &[Mutation]) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for mutation in mutations {
            let place = |at: &Index| at.index(bytes.len() + 1);
            match mutation {
                Mutation::Flip(at, bits) => {
                    let at = place(at);
                    bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= bits);
                }
                Mutation::Delete(at, count) => {
                    let start = place(at);
                    bytes.drain(start..bytes.len().min(start + count));
                }
                Mutation::Insert(at, piece) => {
                    let at = place(at);
                    bytes.splice(at..at, piece.bytes());
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn of_texts_that_were_json_it_takes_those_that_serde_json_still_takes(
            text in json(), mutations in vec(mutation(), 0..4),
        ) {
            check(&[&text]);
            prop_assert!(walks(&text), "{text:?} was made as JSON");
            let mutated = mutated(&text, &mutations);
            check(&[&mutated]);
            // Whatever it is, nothing of ours falls over it.
            if let Ok(document) = Document::parse(mutated.clone()) {
                prop_assert_eq!(document.node_ids().len(), document.nodes().len());
                document.configuration("a").ok();
            }
            prop_assert!(same_value(&mutated, &mutated));
            same_value(&text, &mutated);
            same_value(&laid_out(&mutated), &mutated);
        }
    }
}
