//! The verification of deliveries, against the schemes' own pages.
//!
//! A delivery is signed and then changed, as the choices have it. It must verify exactly when what it says is
//! still what was signed, in the one spelling that the scheme has for it.

use bytes::Bytes;
use flowhook::source::{Scheme, Secret, Source};
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;

use super::choices::Choices;
use super::schemes;

/// Secrets that fit every scheme: base64, without white space at their edges.
const SECRETS: [&str; 4] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_AA==", "QUJD"];
/// Ids: of any sender, and of one whose ids are all of one length.
const IDS: [&str; 2] = ["msg_1", "0123456789abcdef0123456789abcdef"];
/// Bodies with what some senders put there.
const BODIES: [&str; 6] = [
    r#"{"id":"a","_id":"b","event_id":"c","task_result_id":"d","timestamp":1780000000000}"#,
    r#"{"id":1,"_id":-2,"event_id":1e3,"task_result_id":null,"timestamp":1780000300000}"#,
    r#"{"id":true,"_id":[],"event_id":{},"task_result_id":"a b","timestamp":1780000300001}"#,
    r#"{"id":"a","id":"b","_id":"","event_id":"\u00fc","task_result_id":"\ud800","timestamp":"1780000000000"}"#,
    r#"{"id":"a","_id":"b","timestamp":1780000000000,"timestamp":1780000000000}"#,
    r#"[{"id":"a b"}]"#,
];
const NOW_S: i64 = 1_780_000_000;
const CHANGES_MAX: usize = 6;
const ID_MAX_BYTES: usize = 210;
const BODY_MAX_BYTES: usize = 255;

/// A delivery as it is sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// In any order, repeated ones too.
    pub headers: Vec<(HeaderName, Vec<u8>)>,
    /// The raw bytes.
    pub body: Vec<u8>,
}

/// Whatever is changed in a signed delivery: it verifies exactly when the book says so, and then as what was
/// signed.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let schemes: Vec<Scheme> = Scheme::all().collect();
    let scheme = &schemes[choices.below(schemes.len())];
    secret(scheme, &String::from_utf8_lossy(choices.some(40)));

    let keys: Vec<&str> = (0..=choices.below(SECRETS.len())).map(|_| choices.one(&SECRETS)).collect();
    let signer = choices.one(&SECRETS);
    let id = if choices.once_in(2) {
        choices.one(&IDS).into()
    } else {
        String::from_utf8_lossy(choices.some(ID_MAX_BYTES))
    };
    let age_s = [0, 300, 301, -300, -301, 1, 86_400, NOW_S][choices.below(8)];
    let body =
        if choices.once_in(2) { choices.one(&BODIES).into() } else { choices.some(BODY_MAX_BYTES).to_vec() };

    let signing = Secret::parse(scheme, signer).expect("a good secret");
    let Ok(headers) = scheme.sign(&signing, &id, at(NOW_S - age_s), &body) else {
        return assert!(!schemes::is_id(scheme, &id) || age_s == NOW_S, "`{id}` cannot be signed");
    };
    let header = |(name, value): (&HeaderName, &HeaderValue)| (name.clone(), value.as_bytes().to_vec());
    let signed = Request { headers: headers.iter().map(header).collect(), body };
    let mut sent = signed.clone();
    for _ in 0..choices.below(CHANGES_MAX) {
        change(&mut sent, &mut choices);
    }
    judged(scheme, &keys, &signed, &sent, &id);
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time of our age")
}

/// Any text may be given as a secret; it is one where the scheme says so.
fn secret(scheme: &Scheme, text: &str) {
    let is_secret = Secret::parse(scheme, text).is_ok();
    if let Some(key) = schemes::key(scheme, text) {
        assert_eq!(is_secret, !key.is_empty(), "`{text}`");
    }
}

fn change(request: &mut Request, choices: &mut Choices<'_>) {
    let Request { headers, body } = request;
    let count = headers.len();
    match choices.below(10) {
        0 => edit(body, choices),
        _ if count == 0 => {}
        1..=4 => edit(&mut headers[choices.below(count)].1, choices),
        5 => _ = headers.remove(choices.below(count)),
        6 => headers.push(headers[choices.below(count)].clone()),
        7 => headers[choices.below(count)].1 = choices.some(BODY_MAX_BYTES).to_vec(),
        8 => append(&mut headers[choices.below(count)].1, choices),
        _ => move_edge(request, choices),
    }
}

/// One byte is replaced, put in or taken out.
fn edit(bytes: &mut Vec<u8>, choices: &mut Choices<'_>) {
    let (place, byte) = (choices.below(bytes.len() + 1), choices.byte());
    match choices.below(5) {
        0 => bytes.insert(place, byte),
        _ if place == bytes.len() => {}
        1 => _ = bytes.remove(place),
        2 => bytes[place] ^= 1 << (byte & 7),
        3 => bytes[place] ^= b' ',
        _ => bytes[place] = byte,
    }
}

/// More signatures, good and bad ones.
fn append(value: &mut Vec<u8>, choices: &mut Choices<'_>) {
    let good = value.clone();
    for _ in 0..choices.below(11) {
        value.extend(choices.one(&[" ", "  ", "", ",", ";"]).bytes());
        match choices.below(4) {
            0 => value.extend(&good),
            1 => value.extend(b"v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            2 => value.extend(b"v2,"),
            _ => value.extend(choices.some(20)),
        }
    }
}

/// What ends one part of the signed content begins the next: the same bytes, split elsewhere.
fn move_edge(request: &mut Request, choices: &mut Choices<'_>) {
    let Request { headers, body } = request;
    let header = choices.below(headers.len());
    let other = choices.below(headers.len());
    match choices.below(4) {
        0 => headers[header].1.extend(body.drain(..body.len().min(1))),
        1 => body.splice(..0, headers[header].1.pop()).for_each(drop),
        2 => {
            let last = headers[header].1.pop();
            headers[other].1.splice(..0, last).for_each(drop);
        }
        _ => {
            let value = &mut headers[header].1;
            let first: Vec<u8> = value.drain(..value.len().min(1)).collect();
            headers[other].1.extend(first);
        }
    }
}

/// Verifies what was sent, and compares the outcome with the book's.
fn judged(scheme: &Scheme, keys: &[&str], signed: &Request, sent: &Request, id: &str) {
    let mut headers = HeaderMap::new();
    for (name, value) in &sent.headers {
        // What cannot stand in a header cannot be sent.
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        headers.append(name, value);
    }
    let secrets = keys.iter().map(|key| Secret::parse(scheme, key).expect("a good secret")).collect();
    let source = Source::new("config", scheme.clone(), secrets).expect("a good source");
    let outcome = source.verify(headers, Bytes::copy_from_slice(&sent.body), at(NOW_S));
    if let Some(expected) = schemes::verifies(scheme, keys, sent, NOW_S) {
        assert_eq!(outcome.is_ok(), expected, "{outcome:?}: {keys:?} {sent:?}");
    }
    match outcome {
        Ok(verified) => {
            assert!(scheme.is_token() || verified.body() == &signed.body, "nobody signed this body");
            assert!(
                !schemes::signs_id(scheme) || verified.id() == id,
                "`{}` was signed as `{id}`",
                verified.id()
            );
            assert!(schemes::is_id(scheme, verified.id()), "`{}` is no id", verified.id());
        }
        Err(error) => assert!(!error.to_string().contains("whsec_"), "{error}"),
    }
}
