//! What passes for a delivery of the scheme `standard-webhooks`, and what does not, beside what holds for every
//! scheme.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use flowhook::source::{Scheme, Secret, Source, Verified, VerifyError};
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use jiff::Timestamp;

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const NOW_S: i64 = 1_780_000_000;
const BODY: &[u8] = br#"{"type":"config.updated"}"#;

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

fn source(secrets: &[&str]) -> Source {
    let scheme = Scheme::standard_webhooks();
    let secrets = secrets.iter().map(|text| Secret::parse(&scheme, text).expect("a good secret")).collect();
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
    source(&[OLD]).verify(headers.clone(), Bytes::copy_from_slice(body), at(NOW_S))
}

fn refusal(headers: &HeaderMap) -> Option<VerifyError> {
    verify(headers, BODY).err()
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
    let check = |now_s: i64, expected: Option<VerifyError>| {
        let outcome = source(&[OLD]).verify(signed(OLD), BODY.into(), at(now_s));
        assert_eq!(outcome.err(), expected, "{now_s}");
    };
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
    let graphic: String = ('!'..='~').filter(|c| *c != '.').collect();
    for id in ["m".repeat(200), graphic] {
        let headers = source(&[OLD]).sign(&id, at(NOW_S), BODY).expect("it can be signed");
        assert_eq!(verify(&headers, BODY).expect("it verifies").id(), id);
    }
}

#[test]
fn any_secret_may_have_made_any_signature_of_the_list() {
    let check = |secrets: &[&str], list: &str, expected: Option<VerifyError>| {
        let outcome = source(secrets).verify(with(SIGNATURE, list.as_bytes()), BODY.into(), at(NOW_S));
        assert_eq!(outcome.err(), expected, "{} secrets, `{list}`", secrets.len());
    };
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
    check(
        &[OLD],
        &format!("{}{old}", format!("{zero} ").repeat(8)),
        Some(VerifyError::TooManySignatures { most: 8 }),
    );
    check(&[OLD], &format!("{}{old}", format!("{v9} ").repeat(20)), None);
}

#[test]
fn no_more_than_two_ed25519_signatures_are_looked_at_as_each_is_checked_over_the_whole_body() {
    let public = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
    let item = format!("v1a,{}", BASE64_STANDARD.encode([0; 64]));
    let check = |items: usize, expected: VerifyError| {
        let list = vec![item.as_str(); items].join(" ");
        let outcome = source(&[public]).verify(with(SIGNATURE, list.as_bytes()), BODY.into(), at(NOW_S));
        assert_eq!(outcome.err(), Some(expected), "{items}");
    };
    check(2, VerifyError::WrongSignature);
    check(3, VerifyError::TooManySignatures { most: 2 });
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

#[test]
fn the_signed_bytes_cannot_be_split_in_another_way() {
    // Made to be mistaken: a body that begins as a timestamp does, and has the separator in it.
    let (id, body) = ("1780000000", "1780000000.1780000000.{}");
    let mut headers = source(&[OLD]).sign(id, at(NOW_S), body.as_bytes()).expect("it can be signed");
    let content = format!("{id}.{NOW_S}.{body}");
    let mut taken = Vec::new();
    for (first, second) in (0..=content.len()).flat_map(|at| (at..=content.len()).map(move |to| (at, to))) {
        // With what stands at the cuts, and without.
        for (skip_first, skip_second) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let parts = content.get(..first).zip(content.get(first + skip_first..second));
            let Some(((id, timestamp), body)) = parts.zip(content.get(second + skip_second..)) else {
                continue;
            };
            for (name, value) in [(ID, id), (TIMESTAMP, timestamp)] {
                headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
            }
            if verify(&headers, body.as_bytes()).is_ok() {
                taken.push((id, timestamp, body));
            }
        }
    }
    taken.dedup();
    assert_eq!(taken, [(id, "1780000000", body)]);
}
