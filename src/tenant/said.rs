//! What the tenant says of a call that it refuses, for people: its words, the fields it names, and the id
//! by which its support finds the call.

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::change::shorten;

/// How many of the fields that an answer names are shown.
const FIELDS_SHOWN: usize = 3;
/// The headers in which tenants of this family hand out the id of a call.
const CALL_IDS: [&str; 5] =
    ["x-correlation-id", "correlation-id", "inin-correlation-id", "x-request-id", "request-id"];
/// Where an answer's own words stand: of the flow API, RFC 9457, RFC 6749.
const WORDS: [&str; 6] = ["message", "detail", "error_description", "title", "error", "reason"];
/// Where the fields are listed that it does not take.
const FIELDS: [&str; 5] = ["errors", "details", "fieldErrors", "violations", "invalid-params"];
/// What a field is called in such a list.
const NAMES: [&str; 6] = ["field", "name", "pointer", "path", "property", "parameter"];

/// The words of an answer, `: ` before them; empty where it has none that are fit to be shown. A page of
/// HTML has none.
pub(super) fn said(headers: &HeaderMap, body: &str) -> String {
    let mut parts = words(body);
    let id = CALL_IDS.iter().find_map(|name| headers.get(*name)?.to_str().ok());
    parts.extend(id.map(|id| format!("its correlation id is {}", shorten(id))));
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) }
}

fn words(body: &str) -> Vec<String> {
    match serde_json::from_str(body) {
        Ok(Value::Object(body)) => {
            let own = WORDS.iter().find_map(|name| text(body.get(*name)?));
            let fields = FIELDS.iter().find_map(|name| Some(listed(body.get(*name)?)));
            own.into_iter().chain(fields.unwrap_or_default()).collect()
        }
        Ok(Value::String(said)) => vec![shorten(&said)],
        Ok(_) => Vec::new(),
        Err(_) if body.trim().is_empty() || body.trim_start().starts_with(['<', '{', '[']) => Vec::new(),
        Err(_) => vec![shorten(body.trim())],
    }
}

/// A text, or the words of an error in an envelope.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(said) if !said.is_empty() => Some(shorten(said)),
        Value::Object(inner) => WORDS.iter().find_map(|name| Some(shorten(inner.get(*name)?.as_str()?))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    }
}

/// The first fields of a list, or of an object of lists, each with what is wrong with it.
fn listed(fields: &Value) -> Vec<String> {
    let mut all: Vec<String> = match fields {
        Value::Array(fields) => fields.iter().filter_map(field).collect(),
        Value::Object(fields) => fields.iter().filter_map(|(name, why)| named(name, why)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let more = all.len().saturating_sub(FIELDS_SHOWN);
    all.truncate(FIELDS_SHOWN);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all
}

fn field(field: &Value) -> Option<String> {
    let name = NAMES.iter().find_map(|name| field.get(*name)?.as_str());
    match name {
        Some(name) => named(name, field),
        None => text(field),
    }
}

fn named(name: &str, why: &Value) -> Option<String> {
    let why = if let Value::Array(all) = why { all.first()? } else { why };
    Some(format!("`{}`: {}", shorten(name), text(why)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_and_the_fields_of_a_refusal_are_shown() {
        let check = |body: &str, wanted: &str| assert_eq!(said(&HeaderMap::new(), body), wanted, "{body}");
        check(r#"{"message":"no","code":"x","status":400}"#, ": no");
        check(r#"{"type":"about:blank","title":"Bad","detail":"too long","status":422}"#, ": too long");
        check(r#"{"title":"Bad Request","status":400}"#, ": Bad Request");
        check(r#"{"error":{"code":7,"message":"in an envelope"}}"#, ": in an envelope");
        check(
            r#"{"message":"invalid","errors":[{"field":"nodes[3].skill","message":"must exist"},{"pointer":"/a","detail":"b"}]}"#,
            ": invalid; `nodes[3].skill`: must exist; `/a`: b",
        );
        check(
            r#"{"errors":{"queue":["unknown","odd"],"wait":["< 600"]}}"#,
            ": `queue`: unknown; `wait`: < 600",
        );
        check(r#"{"details":["a","b","c","d","e"]}"#, ": a; b; c; and 2 more");
        check("the skill vip is unknown\n", ": the skill vip is unknown");
        check(r#""quoted""#, ": quoted");
        for nothing in
            ["", " ", "<html>no", r#"{"torn":"#, "[1]", "7", r#"{"message":""}"#, r#"{"errors":7}"#]
        {
            check(nothing, "");
        }
        check(&"x".repeat(500), &format!(": {}…", "x".repeat(80)));
    }

    #[test]
    fn the_id_of_the_call_is_shown_whatever_else_is_said() {
        let check = |name: &'static str, body: &str, wanted: &str| {
            let headers =
                HeaderMap::from_iter([(name.parse().expect("a name"), "c-17".parse().expect("a value"))]);
            assert_eq!(said(&headers, body), wanted, "{name}");
        };
        check("x-correlation-id", "", ": its correlation id is c-17");
        check("ININ-Correlation-Id", r#"{"message":"no"}"#, ": no; its correlation id is c-17");
        check("etag", "", "");
    }
}
