//! Odd JSON and odd flow documents, spelt as the choices have it.
//!
//! Most of what is written is right and some of it is not: keys that occur twice, members of another type, a
//! comma too many. What comes of it is for the oracles to say.

mod events;
mod flows;

use super::choices::Choices;

/// Lists and objects hold at most so many things, and nest at most so deep.
const WIDTH: usize = 5;
const DEPTH: usize = 4;
/// One nest in a value is this deep, where it is chosen.
const NEST: usize = 70;

/// Ids of nodes and names of variables: near misses of each other.
pub const NAMES: [&str; 9] = ["a", "A", "n", "", "name", "á", "a\u{301}", "😀", "a\"\\/\u{0}"];

const NUMBERS: [&str; 16] = [
    "0",
    "-0",
    "1",
    "1.0",
    "10",
    "1e1",
    "0.1",
    "100E-1",
    "1.10",
    "12345678901234567890123",
    "1e999999999",
    "10e999999998",
    "1e99999999999999999999999999999999999999999",
    "10e99999999999999999999999999999999999999998",
    "-1",
    "0e-9",
];

/// Raw strings and other values that hurt when they are taken for something else.
const RAW: [&str; 14] = [
    "null",
    "true",
    "false",
    "\"\"",
    "\"a\"",
    "\"\\u0061\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"😀\"",
    "\"\\/\"",
    "{}",
    "[]",
    "{\"a\":1,\"a\":1}",
    "{\"name\":\"a\",\"value\":1}",
];

/// The key of a member, and what writes its value.
type Member<'k, W> = (&'k str, fn(&mut W));

/// Writes a text, choice by choice.
pub struct Writer<'c, 'i> {
    choices: &'c mut Choices<'i>,
    text: String,
}

impl<'c, 'i> Writer<'c, 'i> {
    /// A writer that has written nothing.
    pub fn new(choices: &'c mut Choices<'i>) -> Self {
        Self { choices, text: String::new() }
    }

    /// A value of any kind.
    pub fn value(mut self) -> String {
        self.any();
        self.text
    }

    /// One of these, or now and then anything.
    fn nearly(&mut self, raw: &[&str]) {
        if self.choices.once_in(12) {
            self.any();
        } else {
            let raw = self.choices.one(raw);
            self.text.push_str(raw);
        }
    }

    /// An object with the first `usual` of these members, and with what the choices add, drop or double.
    fn object(&mut self, members: &[Member<'_, Self>], usual: usize) {
        if self.choices.once_in(30) {
            return self.any();
        }
        let twist = self.choices.byte();
        let (start, backwards) = (usize::from(twist & 3), twist & 4 != 0);
        let mut order: Vec<usize> =
            (0..members.len()).filter(|at| *at < usual || twist & 8 << (at & 3) != 0).collect();
        if twist >> 6 == 2 {
            order.push(start % members.len());
        } else if twist >> 6 == 3 {
            order.retain(|at| *at != start);
        }
        if backwards {
            order.reverse();
        }
        self.text.push('{');
        for (place, member) in order.into_iter().enumerate() {
            let (key, write) = members[member];
            self.separator(place);
            self.string(key);
            self.blank();
            self.text.push(':');
            self.blank();
            write(self);
            self.blank();
        }
        self.text.push('}');
    }

    fn array(&mut self, element: fn(&mut Self)) {
        if self.choices.once_in(30) {
            return self.any();
        }
        self.text.push('[');
        for place in 0..self.choices.below(WIDTH) {
            self.separator(place);
            element(self);
            self.blank();
        }
        self.text.push(']');
    }

    fn separator(&mut self, place: usize) {
        if place > 0 {
            self.text.push(',');
        }
        self.blank();
    }

    fn any(&mut self) {
        self.level(DEPTH);
    }

    fn level(&mut self, depth: usize) {
        match self.choices.below(if depth == 0 { 5 } else { 9 }) {
            0 | 1 => self.text.push_str(self.choices.one(&RAW)),
            2 => self.text.push_str(self.choices.one(&NUMBERS)),
            3 => {
                let name = self.choices.one(&NAMES);
                self.string(name);
            }
            4 => self.odd_text(),
            5 | 6 => {
                self.text.push('[');
                for place in 0..self.choices.below(WIDTH) {
                    self.separator(place);
                    self.level(depth - 1);
                }
                self.text.push(']');
            }
            7 => {
                self.text.push('{');
                for place in 0..self.choices.below(WIDTH) {
                    self.separator(place);
                    self.string(["a", "b", "c", "d"][place & 3]);
                    self.text.push(':');
                    self.level(depth - 1);
                }
                self.text.push('}');
            }
            _ => {
                let nest = self.choices.below(NEST);
                self.text.push_str(&"[".repeat(nest));
                self.level(depth - 1);
                self.text.push_str(&"]".repeat(nest));
            }
        }
    }

    /// A string, a number or no JSON at all, in the fuzzer's own words.
    fn odd_text(&mut self) {
        let is_string = self.choices.once_in(2);
        let text = String::from_utf8_lossy(self.choices.some(24));
        let quote = if is_string { "\"" } else { "" };
        self.text.push_str(&format!("{quote}{text}{quote}"));
    }

    /// Each character as itself or as an escape.
    fn string(&mut self, text: &str) {
        let escaped = if self.choices.once_in(4) { self.choices.byte() } else { 0 };
        self.text.push('"');
        for (at, c) in text.chars().enumerate() {
            if escaped >> (at & 7) & 1 == 1 || c < ' ' {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    self.text.push_str(&format!("\\u{unit:04x}"));
                }
            } else if matches!(c, '"' | '\\') {
                self.text.extend(['\\', c]);
            } else {
                self.text.push(c);
            }
        }
        self.text.push('"');
    }

    fn blank(&mut self) {
        if self.choices.once_in(8) {
            let blank = self.choices.one(&[" ", "\n", "\t", "\r", "  ", ",", "\u{a0}"]);
            self.text.push_str(blank);
        }
    }
}
