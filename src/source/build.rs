//! From a definition to a row, or to all that is wrong with it.
//!
//! An id and a time are worth nothing if the content does not hold them where it should, and what is signed must not
//! be that of another delivery when it is split elsewhere. So a definition is held to more than its shape.

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};

use super::algorithm::Algorithm;
use super::content::Part;
use super::encoding::Encoding;
use super::fault::Fault;
use super::id::{Id, IdSource};
use super::key::KeyEncoding;
use super::kind::Kind;
use super::refusal::DELIVERY_ID_MAX_BYTES;
use super::request::{Names, SignatureHeader};
use super::row::Row;
use super::scheme_definition::{
    AlgorithmName, HeaderNames, IdDefinition, SchemeDefinition, Success, TimestampDefinition, Unit,
};
use super::template;
use super::time::{Time, TimeSource};
use crate::json::{BadPointer, Pointer};

/// The row of a definition.
pub(super) fn row(name: &str, definition: &SchemeDefinition) -> Result<Row, Vec<Fault>> {
    let mut faults = Vec::new();
    let names = noted(names("header", &definition.header), &mut faults);
    let kinds = noted(kinds(definition), &mut faults);
    let template = definition.content.as_deref().unwrap_or("{body}");
    let content = noted(template::parse(template), &mut faults);
    let time = noted(definition.timestamp.as_ref().map(time).transpose(), &mut faults);
    let id = noted(definition.id.as_ref().map(id).transpose(), &mut faults);
    faults.extend(faults_of_items(definition));
    let (Some(names), Some(kinds), Some(content), Some(time), Some(id)) = (names, kinds, content, time, id)
    else {
        return Err(faults);
    };
    let row = Row {
        name: name.to_owned(),
        signature: SignatureHeader { names, separator: definition.separator },
        kinds,
        content,
        time,
        id,
        handshake: definition.handshake,
        form: definition.form.clone(),
        accepted: accepted(definition),
    };
    faults.extend(faults_of_content(&row));
    if faults.is_empty() { Ok(row) } else { Err(faults) }
}

/// The value, unless it is a fault, of which note is taken.
fn noted<T>(built: Result<T, Fault>, faults: &mut Vec<Fault>) -> Option<T> {
    built.map_err(|fault| faults.push(fault)).ok()
}

/// A sender of tokens is some system of no particular kind, and 200 is what all of them know.
fn accepted(definition: &SchemeDefinition) -> StatusCode {
    match (definition.accepted, definition.algorithm) {
        (Some(Success::Ok), _) | (None, AlgorithmName::Token) => StatusCode::OK,
        (Some(Success::Accepted) | None, _) => StatusCode::ACCEPTED,
    }
}

fn names(key: &'static str, names: &HeaderNames) -> Result<Names, Fault> {
    let name = |name: &String| {
        let bad = |_not_a_name| Fault::BadHeader { key, name: crate::change::shorten(name) };
        HeaderName::from_bytes(name.as_bytes()).map_err(bad)
    };
    let (first, others) = names.0.split_first().ok_or(Fault::NoHeader { key })?;
    Ok(Names { first: name(first)?, others: others.iter().map(name).collect::<Result<_, _>>()? })
}

fn kinds(definition: &SchemeDefinition) -> Result<Vec<Kind>, Fault> {
    let key = definition.key.unwrap_or(KeyEncoding::Utf8);
    let prefix = definition.prefix.clone().unwrap_or_default();
    let one = |algorithm, encoding| Ok(vec![Kind { key, algorithm, prefix: prefix.clone(), encoding }]);
    let encoded = |algorithm| one(algorithm, definition.encoding.ok_or(Fault::NoEncoding)?);
    match definition.algorithm {
        AlgorithmName::HmacSha1 => encoded(Algorithm::HmacSha1),
        AlgorithmName::HmacSha256 => encoded(Algorithm::HmacSha256),
        AlgorithmName::HmacSha512 => encoded(Algorithm::HmacSha512),
        AlgorithmName::Ed25519 if key == KeyEncoding::Utf8 => Err(Fault::TextKey),
        AlgorithmName::Ed25519 => encoded(Algorithm::Ed25519),
        AlgorithmName::Token => {
            let set = [
                ("key", definition.key.is_some()),
                ("encoding", definition.encoding.is_some()),
                ("separator", definition.separator.is_some()),
                ("content", definition.content.is_some()),
                ("timestamp", definition.timestamp.is_some()),
            ];
            match set.into_iter().find(|(_, is_set)| *is_set) {
                Some((key, _)) => Err(Fault::Token { key }),
                None => one(Algorithm::Token, Encoding::Text),
            }
        }
        AlgorithmName::ByKey => {
            let set = [
                ("key", definition.key.is_some()),
                ("encoding", definition.encoding.is_some()),
                ("prefix", definition.prefix.is_some()),
            ];
            match set.into_iter().find(|(_, is_set)| *is_set) {
                Some((key, _)) => Err(Fault::ByKey { key }),
                None => Ok([("v1,", Algorithm::HmacSha256), ("v1a,", Algorithm::Ed25519)]
                    .map(|(prefix, algorithm)| Kind {
                        key: KeyEncoding::Standard,
                        algorithm,
                        prefix: prefix.to_owned(),
                        encoding: Encoding::Base64,
                    })
                    .into()),
            }
        }
    }
}

fn time(definition: &TimestampDefinition) -> Result<Time, Fault> {
    let TimestampDefinition { header, item, body, unit } = definition;
    let source = match (header, item, body) {
        (Some(header), None, None) => TimeSource::Header(names("timestamp.header", header)?),
        (None, Some(item), None) => TimeSource::Item(item.clone()),
        (None, None, Some(body)) => TimeSource::Body(pointer("timestamp.body", body)?),
        _ => return Err(Fault::Places { key: "timestamp", places: "`header`, `item` and `body`" }),
    };
    let per_second = match unit {
        Unit::Seconds => 1,
        Unit::Milliseconds => 1_000,
    };
    Ok(Time { source, per_second })
}

fn id(definition: &IdDefinition) -> Result<Id, Fault> {
    let IdDefinition { header, body, length } = definition;
    let source = match (header, body) {
        (Some(header), None) => IdSource::Header(names("id.header", header)?),
        (None, Some(body)) => IdSource::Body(pointer("id.body", body)?),
        _ => return Err(Fault::Places { key: "id", places: "`header` and `body`" }),
    };
    if length.is_some_and(|length| !(1..=DELIVERY_ID_MAX_BYTES).contains(&length)) {
        return Err(Fault::Length { most: DELIVERY_ID_MAX_BYTES });
    }
    Ok(Id { source, length: *length })
}

fn pointer(key: &'static str, text: &str) -> Result<Pointer, Fault> {
    // The body itself is neither an id nor a time.
    let pointer =
        if text.is_empty() { Err(BadPointer::Rootless(String::new())) } else { Pointer::parse(text) };
    pointer.map_err(|bad| Fault::Pointer { key, bad })
}

/// What is wrong with how the signature's header is divided.
fn faults_of_items(definition: &SchemeDefinition) -> Vec<Fault> {
    let separator = definition.separator;
    let item = definition.timestamp.as_ref().and_then(|time| time.item.as_deref());
    let prefix = definition.prefix.as_deref().unwrap_or_default();
    // Spaces before an item are not its own.
    let fits = |text: &str| {
        let is_value = HeaderValue::from_str(text).is_ok_and(|value| value.to_str().is_ok());
        is_value && !text.starts_with([' ', '\t']) && !separator.is_some_and(|c| text.contains(c))
    };
    let mark = |key, text: &str| Fault::Mark { key, text: crate::change::shorten(text) };
    let is_divider = |c: char| matches!(c, ' '..='~') && !c.is_ascii_alphanumeric() && !"+/=-_".contains(c);
    let faults = [
        separator.filter(|c| !is_divider(*c)).map(Fault::Separator),
        (!fits(prefix)).then(|| mark("prefix", prefix)),
        item.filter(|item| item.is_empty() || !fits(item)).map(|item| mark("timestamp.item", item)),
        (item.is_some() && separator.is_none()).then_some(Fault::NotDivided),
        item.filter(|item| prefix.starts_with(item)).map(|_| Fault::SameMark),
    ];
    faults.into_iter().flatten().collect()
}

/// What is wrong with what is signed.
fn faults_of_content(row: &Row) -> Vec<Fault> {
    let has_length = row.id.as_ref().is_some_and(|id| id.length.is_some());
    // A time that is close to ours has as many digits as ours, so it has an end of its own.
    let is_open =
        |pair: &[Part]| matches!(pair, [Part::Id, next] if !matches!(next, Part::Literal(_)) && !has_length);
    let times = |part: &Part| row.content.iter().filter(|other| *other == part).count();
    let (signs_id, signs_time) = (row.signs(&Part::Id), row.signs(&Part::Timestamp));
    let time_in_body = row.time.as_ref().map(|time| matches!(time.source, TimeSource::Body(_)));
    let id_in_body = row.id.as_ref().map(|id| matches!(id.source, IdSource::Body(_)));
    let id_header = row.id.as_ref().and_then(|id| match &id.source {
        IdSource::Header(names) => Some(names),
        IdSource::Body(_) => None,
    });
    let time_header = row.time.as_ref().and_then(|time| match &time.source {
        TimeSource::Header(names) => Some(names),
        TimeSource::Item(_) | TimeSource::Body(_) => None,
    });
    // An id is told in answers and logs, where a token must not be.
    let is_shared = |names: &Names| names.all().any(|name| row.signature.names.all().any(|of| of == name));
    let body_ends = row.content.last() == Some(&Part::Body) && times(&Part::Body) == 1;
    let checks = [
        (!body_ends, Fault::BodyNotLast),
        (row.content.windows(2).any(is_open), Fault::OpenId),
        (times(&Part::Id) > 1, Fault::Twice { part: "id" }),
        (times(&Part::Timestamp) > 1, Fault::Twice { part: "timestamp" }),
        (signs_id && id_in_body.is_none(), Fault::NoSource { part: "id" }),
        (signs_time && time_in_body.is_none(), Fault::NoSource { part: "timestamp" }),
        (signs_id && id_in_body == Some(true), Fault::InBody { part: "id" }),
        (signs_time && time_in_body == Some(true), Fault::InBody { part: "timestamp" }),
        (!signs_time && time_in_body == Some(false), Fault::UnsignedTime),
        (id_header.is_some_and(is_shared), Fault::SharedHeader { key: "id.header" }),
        (time_header.is_some_and(is_shared), Fault::SharedHeader { key: "timestamp.header" }),
    ];
    checks.into_iter().filter_map(|(is_so, fault)| is_so.then_some(fault)).collect()
}
