//! Errors as `application/problem+json` (RFC 9457).

use std::borrow::Cow;

use axum::response::{IntoResponse as _, Response};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

/// The longest detail, in bytes of JSON: the rest of the answer takes less than 100, and some
/// senders keep only 500.
const DETAIL_BYTES: usize = 380;

#[derive(Serialize)]
struct Problem<'a> {
    /// `about:blank`: the status says it all (RFC 9457, section 4.2.1).
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
}

/// An answer that says what is wrong, in under 500 bytes.
pub fn problem(status: StatusCode, detail: &str) -> Response {
    let problem = Problem {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail: &fit(detail),
    };
    let body = serde_json::to_vec(&problem).expect("texts and a number are JSON");
    let content_type = [(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))];
    (status, content_type, body).into_response()
}

/// As much of `text` as takes [`DETAIL_BYTES`] in JSON.
fn fit(text: &str) -> Cow<'_, str> {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, c)| {
        taken += escaped_len(*c);
        taken > DETAIL_BYTES
    });
    end.map_or(text.into(), |(end, _)| format!("{}…", &text[..end]).into())
}

/// At least as many bytes as JSON takes for `c`.
fn escaped_len(c: char) -> usize {
    match c {
        '"' | '\\' => 2,
        c if c.is_ascii_control() => 6,
        c => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn what_fits_is_left_alone() {
        assert_eq!(fit(&"x".repeat(380)), "x".repeat(380));
        assert_eq!(fit(&"x".repeat(381)), format!("{}…", "x".repeat(380)));
    }
}
