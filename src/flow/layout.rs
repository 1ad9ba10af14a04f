//! A JSON text laid out for people: re-indented, every token as it was spelt.

use super::tokens::{Token, tokens};

/// Lines nested deeper than this are indented no further, so that a deep text grows linearly.
const INDENT_MAX_LEVELS: usize = 64;

/// `text` re-indented by two spaces a level, every token's spelling kept: for diffs.
///
/// Only white space between tokens changes. A text that is not JSON is laid out as far as it has tokens.
pub fn laid_out(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut tokens = tokens(text).peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Open(bracket) => {
                out.push(bracket);
                if let Some(Token::Close(bracket)) = tokens.next_if(|next| matches!(next, Token::Close(_))) {
                    out.push(bracket);
                } else {
                    depth += 1;
                    break_line(&mut out, depth);
                }
            }
            Token::Close(bracket) => {
                depth = depth.saturating_sub(1);
                break_line(&mut out, depth);
                out.push(bracket);
            }
            Token::Comma => {
                out.push(',');
                break_line(&mut out, depth);
            }
            Token::Colon => out.push_str(": "),
            Token::Text(spelling) | Token::Word(spelling) => out.push_str(spelling),
        }
    }
    out
}

fn break_line(out: &mut String, depth: usize) {
    out.push('\n');
    for _ in 0..depth.min(INDENT_MAX_LEVELS) {
        out.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(table: &[(&str, &str)]) {
        for (text, expected) in table {
            assert_eq!(laid_out(text), *expected, "{text}");
            assert_eq!(laid_out(expected), *expected, "laid out twice: {text}");
        }
    }

    #[test]
    fn white_space_changes_and_spelling_does_not() {
        check(&[
            ("", ""),
            (" 1.10 ", "1.10"),
            ("{ }", "{}"),
            ("[\n]", "[]"),
            (
                r#"{"a":[1e3,-0,{}],"\u0041\/" :{"b":"\ud800"}}"#,
                "{\n  \"a\": [\n    1e3,\n    -0,\n    {}\n  ],\n  \"\\u0041\\/\": {\n    \"b\": \"\\ud800\"\n  }\n}",
            ),
        ]);
    }

    #[test]
    fn a_deep_text_grows_linearly() {
        let depth = 10_000;
        let deep = "[".repeat(depth) + &"]".repeat(depth);
        assert!(laid_out(&deep).len() < depth * 2 * (2 * INDENT_MAX_LEVELS + 2));
    }
}
