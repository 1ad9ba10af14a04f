//! Headers as curl takes them.

use std::path::Path;

use flowhook::change::shorten;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::commands::input;
use crate::exit::Failed;

/// Adds what one `-H` says: a header, or `@` and a file with one a line.
pub(super) fn add(given: &str, headers: &mut HeaderMap) -> Result<(), Failed> {
    match given.strip_prefix('@') {
        None => line(given, headers).map_err(Failed::usage),
        Some(path) => {
            let path = Path::new(path);
            let text = input::text(path).map_err(Failed::input)?;
            // A request as it was kept may begin with what is no header, and end with an empty line.
            let lines = text.lines().filter(|line| !line.is_empty() && !is_request_line(line));
            lines.into_iter().try_for_each(|text| line(text, headers)).map_err(Failed::input)
        }
    }
}

fn is_request_line(line: &str) -> bool {
    line.ends_with(" HTTP/1.1") || line.ends_with(" HTTP/1.0")
}

fn line(text: &str, headers: &mut HeaderMap) -> Result<(), String> {
    // The value may be a secret, so that no more than the name is shown, of which white space is no part.
    let bad = |name: &str| {
        let word = name.split_whitespace().next().unwrap_or_default();
        format!("`{}…` is no header: write it as `NAME: VALUE`", shorten(word))
    };
    let (name, value) = text.split_once(':').ok_or_else(|| bad(""))?;
    let parsed = HeaderName::try_from(name.trim()).ok().zip(HeaderValue::try_from(value.trim()).ok());
    let (key, value) = parsed.ok_or_else(|| bad(name))?;
    headers.append(key, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::line;

    #[test]
    fn a_header_is_a_name_a_colon_and_a_value() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let mut headers = HeaderMap::new();
            let read = line(text, &mut headers);
            let found =
                headers.iter().next().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("")));
            assert_eq!((read.is_ok(), found), (expected.is_some(), expected), "{text}");
        };
        check("webhook-id: msg_1", Some(("webhook-id", "msg_1")));
        check("X-GitHub-Event:push", Some(("x-github-event", "push")));
        check("x-time:  a:b ", Some(("x-time", "a:b")));
        check("x-empty:", Some(("x-empty", "")));
        check("hunter2", None);
        check("two words: x", None);
        check(": x", None);
    }

    #[test]
    fn no_message_shows_a_value() {
        for text in ["hunter2", "two words: hunter2", "Authorization Basic hunter2:x"] {
            let told = line(text, &mut HeaderMap::new()).expect_err("no header");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
