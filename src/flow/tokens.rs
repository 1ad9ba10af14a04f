//! The tokens of a JSON text, each with its spelling.

use std::iter;

/// One token of a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// `{` or `[`.
    Open(char),
    /// `}` or `]`.
    Close(char),
    /// `,`
    Comma,
    /// `:`
    Colon,
    /// A string, quotes included.
    Text(&'t str),
    /// A number, `true`, `false` or `null`.
    Word(&'t str),
}

/// The tokens of `text`. Total: it tells what tokens a JSON text has, not whether the text is JSON.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\n', '\r', '\t']);
        let first = rest.chars().next()?;
        let (token, length) = match first {
            '{' | '[' => (Token::Open(first), 1),
            '}' | ']' => (Token::Close(first), 1),
            ',' => (Token::Comma, 1),
            ':' => (Token::Colon, 1),
            '"' => {
                let length = string_length(rest);
                (Token::Text(&rest[..length]), length)
            }
            _ => {
                let length = rest.find(ends_word).unwrap_or(rest.len());
                (Token::Word(&rest[..length]), length)
            }
        };
        rest = &rest[length..];
        Some(token)
    })
}

fn ends_word(c: char) -> bool {
    matches!(c, '{' | '}' | '[' | ']' | ',' | ':' | '"' | ' ' | '\n' | '\r' | '\t')
}

/// The length of the string at the beginning of `text`; all of it, if the string does not end.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Token<'_>]) {
        assert_eq!(tokens(text).collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn tokens_keep_their_spelling() {
        use Token::{Close, Colon, Comma, Open, Text, Word};

        check("", &[]);
        check(" \n\t\r", &[]);
        check(
            "[-0, 1e3\n,true]",
            &[Open('['), Word("-0"), Comma, Word("1e3"), Comma, Word("true"), Close(']')],
        );
        check(r#"{"a\"]\\":"日"}"#, &[Open('{'), Text(r#""a\"]\\""#), Colon, Text("\"日\""), Close('}')]);
        check(r#"null"x""#, &[Word("null"), Text("\"x\"")]);
    }

    #[test]
    fn a_text_that_is_not_json_still_ends() {
        use Token::{Close, Text, Word};

        check("\"open", &[Text("\"open")]);
        check("\"\\", &[Text("\"\\")]);
        check("}é\u{a0}x", &[Close('}'), Word("é\u{a0}x")]);
    }
}
