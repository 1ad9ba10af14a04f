//! What passes for a delivery, and what does not.

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use flowhook::source::{Scheme, Secret, Source, Verified, VerifyError};
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::Index;
use serde::Deserialize;

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const NOW_S: i64 = 1_780_000_000;
const BODY: &[u8] = br#"{"type":"config.updated"}"#;

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

fn source(secrets: &[&str]) -> Source {
    source_of(Scheme::STANDARD_WEBHOOKS, secrets)
}

fn source_of(scheme: Scheme, secrets: &[&str]) -> Source {
    let secrets = secrets.iter().map(|text| Secret::parse(scheme, text).expect("a good secret")).collect();
    Source::new("config", scheme, secrets).expect("a good source")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time of our age")
}

/// The headers of a delivery of [`BODY`] that verifies.
fn signed(secret: &str) -> HeaderMap {
    source(&[secret]).sign("msg_1", at(NOW_S), BODY).expect("it can be signed")
}

fn with(name: &'static str, value: &[u8]) -> HeaderMap {
    let mut headers = signed(OLD);
    headers.insert(name, HeaderValue::from_bytes(value).expect("a header value"));
    headers
}

fn verify(headers: &HeaderMap, body: &[u8]) -> Result<Verified, VerifyError> {
    source(&[OLD]).verify(headers, Bytes::copy_from_slice(body), at(NOW_S))
}

fn refusal(headers: &HeaderMap) -> Option<VerifyError> {
    verify(headers, BODY).err()
}

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    secrets: Vec<String>,
    headers: HashMap<String, String>,
    body: String,
    now: i64,
    expect: String,
}

/// The vectors' word for what happened.
fn word(outcome: &Result<Verified, VerifyError>) -> &'static str {
    match outcome {
        Ok(_) => "ok",
        Err(VerifyError::MissingHeader(_)) => "reject:missing-header",
        Err(
            VerifyError::RepeatedHeader(_)
            | VerifyError::UnreadableHeader(_)
            | VerifyError::BadId(_)
            | VerifyError::BadTimestamp
            | VerifyError::TooManySignatures,
        ) => "reject:malformed",
        Err(VerifyError::NoSignature | VerifyError::WrongSignature) => "reject:signature",
        Err(VerifyError::NotFresh { .. }) => "reject:timestamp",
    }
}

#[test]
fn the_vectors_come_out_as_they_say() {
    fn check(scheme: Scheme, id_header: &str, vector: &Vector) {
        let secrets: Vec<&str> = vector.secrets.iter().map(String::as_str).collect();
        let header = |(name, value): (&String, &String)| {
            (name.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(value).expect("a value"))
        };
        let headers: HeaderMap = vector.headers.iter().map(header).collect();
        let source = source_of(scheme, &secrets);
        let outcome = source.verify(&headers, vector.body.clone().into(), at(vector.now));
        assert_eq!(word(&outcome), vector.expect, "{}", vector.id);
        if let Ok(verified) = outcome {
            let id = vector.headers.get(id_header).map_or(verified.id(), String::as_str);
            assert_eq!(verified.id(), id, "{}", vector.id);
            assert_eq!(verified.body(), vector.body.as_bytes(), "{}", vector.id);
        }
    }
    let standard = include_str!("../../fixtures/signatures/standard-webhooks.json");
    let github = include_str!("../../fixtures/signatures/github.json");
    for (scheme, id_header, file) in
        [(Scheme::STANDARD_WEBHOOKS, ID, standard), (Scheme::GITHUB, "x-github-delivery", github)]
    {
        let table: Vectors = serde_json::from_str(file).expect("the fixture is well-formed");
        assert!(!table.vectors.is_empty());
        table.vectors.iter().for_each(|vector| check(scheme, id_header, vector));
    }
}

#[test]
fn a_signed_delivery_keeps_its_source_id_body_and_time() {
    let verified = verify(&signed(OLD), BODY).expect("it verifies");
    assert_eq!(&**verified.source(), "config");
    assert_eq!((verified.id(), &verified.body()[..]), ("msg_1", BODY));
    assert_eq!(verified.received_at(), at(NOW_S));
    assert_eq!(format!("{verified:?}"), "Verified(config/msg_1, 25 bytes, at 2026-05-28T20:26:40Z)");
}

#[test]
fn a_body_need_not_be_utf8() {
    let body = [0xff, 0x00, 0xfe, b'\n'];
    let headers = source(&[OLD]).sign("msg_1", at(NOW_S), &body).expect("it can be signed");
    assert_eq!(verify(&headers, &body).expect("it verifies").body()[..], body);
}

#[test]
fn an_empty_body_is_a_body() {
    let headers = source(&[OLD]).sign("msg_1", at(NOW_S), b"").expect("it can be signed");
    assert!(verify(&headers, b"").is_ok());
}

/// Flips each bit of each byte of a header; a flip that makes no header value is not a request.
fn flip_header(name: &'static str) {
    let value = signed(OLD)[name].as_bytes().to_vec();
    for place in 0..value.len() {
        for bit in 0..8 {
            let mut flipped = value.clone();
            flipped[place] ^= 1 << bit;
            if HeaderValue::from_bytes(&flipped).is_ok() {
                let shown = String::from_utf8_lossy(&flipped).into_owned();
                assert!(refusal(&with(name, &flipped)).is_some(), "{name}: {shown}");
            }
        }
    }
}

#[test]
fn no_bit_of_the_id_can_be_flipped() {
    flip_header(ID);
}

#[test]
fn no_bit_of_the_timestamp_can_be_flipped() {
    flip_header(TIMESTAMP);
}

#[test]
fn no_bit_of_the_signature_can_be_flipped() {
    flip_header(SIGNATURE);
}

#[test]
fn no_bit_of_the_body_can_be_flipped() {
    let headers = signed(OLD);
    for place in 0..BODY.len() {
        for bit in 0..8 {
            let mut flipped = BODY.to_vec();
            flipped[place] ^= 1 << bit;
            assert_eq!(verify(&headers, &flipped).err(), Some(VerifyError::WrongSignature), "byte {place}");
        }
    }
}

proptest! {
    #[test]
    fn what_one_secret_signs_only_that_secret_verifies(
        id in "[!-\\-/-~]{1,200}",
        body in proptest::collection::vec(any::<u8>(), 0..256),
        second in 1..10_000_000_000_i64,
        place in any::<Index>(),
    ) {
        let headers = source(&[OLD]).sign(&id, at(second), &body).expect("it can be signed");
        let verify = |secret, body: Vec<u8>| source(&[secret]).verify(&headers, body.into(), at(second));
        let verified = verify(OLD, body.clone()).expect("it verifies");
        prop_assert_eq!(verified.id(), id);
        prop_assert_eq!(verified.body(), &body);
        prop_assert!(verify(NEW, body.clone()).is_err());
        let mut longer = body;
        longer.insert(place.index(longer.len() + 1), b' ');
        prop_assert!(verify(OLD, longer).is_err());
    }
}

#[test]
fn a_timestamp_has_one_spelling() {
    fn check(timestamp: &str) {
        let outcome = refusal(&with(TIMESTAMP, timestamp.as_bytes()));
        assert_eq!(outcome, Some(VerifyError::BadTimestamp), "`{timestamp}`");
    }
    check("+1780000000");
    check("-1780000000");
    check("1780000000.5");
    check("1780000000.");
    check(" 1780000000");
    check("1780000000 ");
    check("01780000000");
    check("0");
    check("");
    check("1e9");
    check("0x6a18a100");
    check("12345678901234567"); // one digit too many
}

#[test]
fn sixteen_digits_are_still_a_timestamp() {
    let outcome = refusal(&with(TIMESTAMP, b"9999999999999999"));
    assert_eq!(outcome, Some(VerifyError::WrongSignature));
}

#[test]
fn a_delivery_is_fresh_for_300_seconds_either_way() {
    fn check(now_s: i64, expected: Option<VerifyError>) {
        let outcome = source(&[OLD]).verify(&signed(OLD), BODY.into(), at(now_s));
        assert_eq!(outcome.err(), expected, "{now_s}");
    }
    check(NOW_S - 301, Some(VerifyError::NotFresh { age_s: -301 }));
    check(NOW_S - 300, None);
    check(NOW_S + 300, None);
    check(NOW_S + 301, Some(VerifyError::NotFresh { age_s: 301 }));
}

#[test]
fn an_outsider_learns_nothing_about_our_clock() {
    let stale_and_forged = source(&[NEW]).sign("msg_1", at(NOW_S - 9_000), BODY).expect("it can be signed");
    assert_eq!(refusal(&stale_and_forged), Some(VerifyError::WrongSignature));
}

#[test]
fn each_header_is_there_exactly_once() {
    for name in [ID, TIMESTAMP, SIGNATURE] {
        let mut missing = signed(OLD);
        missing.remove(name);
        assert_eq!(refusal(&missing), Some(VerifyError::MissingHeader(name)));

        let mut repeated = signed(OLD);
        repeated.append(name, repeated[name].clone());
        assert_eq!(refusal(&repeated), Some(VerifyError::RepeatedHeader(name)));

        assert_eq!(refusal(&with(name, b"\xff")), Some(VerifyError::UnreadableHeader(name)));
    }
}

#[test]
fn an_id_is_visible_ascii_without_a_dot() {
    fn check(id: &str) {
        let outcome = refusal(&with(ID, id.as_bytes()));
        assert!(matches!(outcome, Some(VerifyError::BadId(_))), "`{id}`: {outcome:?}");
        assert!(source(&[OLD]).sign(id, at(NOW_S), BODY).is_err(), "`{id}`");
    }
    check("");
    check(" ");
    check("msg 1");
    check("msg\t1");
    check("msg.1");
    check(&"m".repeat(201));
    assert!(source(&[OLD]).sign(&"m".repeat(200), at(NOW_S), BODY).is_ok());
}

#[test]
fn any_secret_may_have_made_any_signature_of_the_list() {
    fn check(secrets: &[&str], list: &str, expected: Option<VerifyError>) {
        let outcome = source(secrets).verify(&with(SIGNATURE, list.as_bytes()), BODY.into(), at(NOW_S));
        assert_eq!(outcome.err(), expected, "{} secrets, `{list}`", secrets.len());
    }
    let signature = |secret| signed(secret)[SIGNATURE].to_str().expect("ASCII").to_owned();
    let (old, new) = (signature(OLD), signature(NEW));
    let v9 = old.replace("v1,", "v9,");
    let zero = format!("v1,{}", BASE64_STANDARD.encode([0; 32]));

    check(&[OLD], &format!("{old} {new}"), None);
    check(&[OLD], &format!("{new} {old}"), None);
    check(&[NEW, OLD], &old, None);
    check(&[NEW, OLD], &new, None);
    check(&[NEW, OLD], &format!("{zero} v1,  v1,?? v9 {new}"), None);
    check(&[NEW], &old, Some(VerifyError::WrongSignature));
    check(&[NEW, OLD], &zero, Some(VerifyError::WrongSignature));
    check(&[OLD], &v9, Some(VerifyError::NoSignature));
    check(&[OLD], &format!("{}{old}", format!("{zero} ").repeat(7)), None);
    check(&[OLD], &format!("{}{old}", format!("{zero} ").repeat(8)), Some(VerifyError::TooManySignatures));
    check(&[OLD], &format!("{}{old}", format!("{v9} ").repeat(20)), None);
}

#[test]
fn a_signature_is_32_bytes_in_canonical_base64() {
    let good = signed(OLD)[SIGNATURE].to_str().expect("ASCII").to_owned();
    let mac = BASE64_STANDARD.decode(&good[3..]).expect("base64");
    // The last digit before the padding carries two bits that are not of the MAC.
    let last = good.as_bytes()[good.len() - 2];
    let odd = format!("{}{}=", &good[..good.len() - 2], char::from(last + 1));

    let check = |list: &str| {
        assert_eq!(refusal(&with(SIGNATURE, list.as_bytes())), Some(VerifyError::NoSignature), "`{list}`");
    };
    check("");
    check("v1,");
    check("v1");
    check("v1,=");
    check(&good[3..]);
    check(&odd);
    check(&good.replace("v1,", "V1,"));
    check(&good.replace("v1,", "v1, "));
    check(good.trim_end_matches('='));
    check(&format!("{good}="));
    check(&format!("v1,{}", BASE64_STANDARD.encode(&mac[..31])));
    check(&format!("v1,{}", BASE64_STANDARD.encode([&mac[..], b"\0"].concat())));
}
