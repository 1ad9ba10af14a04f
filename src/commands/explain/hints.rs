//! Why no secret of ours made any of a request's signatures: another secret, or other bytes than were signed. A
//! signature does not tell which; but what is often done to a body on its way can be undone and tried.

use std::borrow::Cow;

use flowhook::source::{Source, Sources, Step};
use jiff::Timestamp;
use reqwest::header::HeaderMap;

/// What comes before a text that Windows has written.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What is to be said of a request whose signature does not fit.
pub(super) fn all(
    source: &Source,
    sources: &Sources,
    headers: &HeaderMap,
    body: &[u8],
    at: Timestamp,
) -> Vec<String> {
    let fits = |source: &Source, body: &[u8]| {
        source
            .explain(headers, body, at)
            .iter()
            .any(|check| check.step == Step::Secret && check.outcome.is_ok())
    };
    let altered = variants(body).into_iter().filter(|(_, body)| fits(source, body)).map(|(what, _)| {
        format!("the body was altered in transit: it fits {what}; have the bytes passed on as they came")
    });
    let others = sources.names().into_iter().filter(|name| *name != &**source.name()).filter_map(|name| {
        let other = sources.find(name)?;
        fits(other, body).then(|| format!("it fits source `{name}`: have it sent to /hooks/{name}"))
    });
    let hints: Vec<String> = altered.chain(others).collect();
    if hints.is_empty() {
        vec![
            "compare the secret with the sender's, whole and without quotes; if it is the same, something on the way \
             alters the body: compare the bytes that were sent with those of the file"
                .to_owned(),
        ]
    } else {
        hints
    }
}

/// The body as it may have been before somebody on the way took it for text, or for JSON.
fn variants(body: &[u8]) -> Vec<(&'static str, Cow<'_, [u8]>)> {
    let mut variants: Vec<(&'static str, Cow<'_, [u8]>)> = vec![
        ("with a line feed behind it", [body, b"\n"].concat().into()),
        ("with a Windows line end behind it", [body, b"\r\n"].concat().into()),
    ];
    let without_end = body.strip_suffix(b"\n").map(|body| body.strip_suffix(b"\r").unwrap_or(body));
    variants.extend(without_end.map(|body| ("without the line end behind it", body.into())));
    let without_mark = body.strip_prefix(BYTE_ORDER_MARK);
    variants.extend(without_mark.map(|body| ("without the byte order mark before it", body.into())));
    if let Ok(text) = str::from_utf8(body) {
        let unix = text.replace("\r\n", "\n");
        variants.push(("with line feeds as line ends", unix.clone().into_bytes().into()));
        variants.push(("with the line ends of Windows", unix.replace('\n', "\r\n").into_bytes().into()));
        variants.push(("without the white space of its JSON", compact(text).into_bytes().into()));
    }
    variants
}

/// A JSON text without white space outside of its strings.
fn compact(text: &str) -> String {
    let (mut in_string, mut is_escaped) = (false, false);
    let stays = |c: &char| {
        let stays = in_string || !c.is_ascii_whitespace();
        match c {
            '"' if !is_escaped => in_string = !in_string,
            _ => {}
        }
        is_escaped = in_string && *c == '\\' && !is_escaped;
        stays
    };
    text.chars().filter(stays).collect()
}

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn white_space_in_strings_stays() {
        let check = |text: &str, expected: &str| assert_eq!(compact(text), expected, "{text}");
        check("{ \"a b\" : [ 1 ,\n 2 ] }\n", r#"{"a b":[1,2]}"#);
        check(r#"{"a \" b" : "\\" , "c" : 1}"#, r#"{"a \" b":"\\","c":1}"#);
    }
}
