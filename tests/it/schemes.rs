//! What holds for every scheme, and the deliveries of `fixtures/signatures`, one file a scheme.

use bytes::Bytes;
use flowhook::source::{Scheme, Secret, Source, Verified, VerifyError};
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::Index;

use crate::vectors::vectors;

/// Secrets in every scheme: base64 with its prefix where that is asked for, any text elsewhere.
const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
/// An id in every scheme, whatever it allows.
const ID: &str = "0123456789abcdef0123456789abcdef";
const NOW_S: i64 = 1_780_000_000;
/// One with what some schemes look for in it.
const BODY: &[u8] = br#"{"type":"config.updated","timestamp":1780000000000}"#;
/// The digits of the shortest digest in use, that of SHA-1.
const HEX_DIGITS_MIN: usize = 40;

fn source(scheme: &Scheme, secrets: &[&str]) -> Source {
    let secrets = secrets.iter().map(|text| Secret::parse(scheme, text).expect("a good secret")).collect();
    Source::new("config", scheme.clone(), secrets).expect("a good source")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time of our age")
}

/// The headers of a delivery of [`BODY`] that verifies.
fn signed(scheme: &Scheme) -> HeaderMap {
    source(scheme, &[OLD]).sign(ID, at(NOW_S), BODY).expect("it can be signed")
}

fn verify(scheme: &Scheme, headers: &HeaderMap, body: &[u8]) -> Result<Verified, VerifyError> {
    source(scheme, &[OLD]).verify(headers.clone(), Bytes::copy_from_slice(body), at(NOW_S))
}

/// Whether an id is one of ours, a UUIDv7.
fn is_ours(id: &str) -> bool {
    id.len() == 36 && id.as_bytes()[14] == b'7'
}

/// The vectors' word for what happened.
fn word(outcome: &Result<Verified, VerifyError>) -> &'static str {
    match outcome {
        Ok(_) => "ok",
        Err(VerifyError::MissingHeader(_) | VerifyError::MissingItem(_)) => "reject:missing-header",
        Err(
            VerifyError::RepeatedHeader(_)
            | VerifyError::RepeatedItem(_)
            | VerifyError::MissingMember { .. }
            | VerifyError::UnreadableHeader(_)
            | VerifyError::BadId(_)
            | VerifyError::BadTimestamp
            | VerifyError::TooManySignatures { .. },
        ) => "reject:malformed",
        Err(VerifyError::NoSignature | VerifyError::WrongSignature | VerifyError::WrongSignatureOfForm) => {
            "reject:signature"
        }
        Err(VerifyError::NotFresh { .. }) => "reject:timestamp",
    }
}

#[test]
fn the_vectors_of_every_scheme_come_out_as_they_say() {
    for (scheme, vector) in vectors() {
        let what = format!("{}: {}", scheme.name(), vector.id);
        let outcome = vector.source(&scheme).verify(vector.headers(), vector.body().into(), at(vector.now));
        assert_eq!(word(&outcome), vector.expect, "{what}: {outcome:?}");
        if let Ok(verified) = outcome {
            match &vector.delivery_id {
                Some(id) => assert_eq!(verified.id(), id, "{what}"),
                None => assert!(is_ours(verified.id()), "{what}: {verified:?}"),
            }
            assert_eq!(verified.body()[..], vector.body()[..], "{what}");
        }
    }
}

#[test]
fn every_scheme_has_vectors_of_what_passes_and_of_what_does_not() {
    let vectors = vectors();
    for scheme in Scheme::all() {
        for expect in ["ok", "reject:signature", "reject:missing-header"] {
            let mut of_scheme = vectors.iter().filter(|(other, _)| *other == scheme);
            assert!(of_scheme.any(|(_, vector)| vector.expect == expect), "{scheme:?} has no `{expect}`");
        }
    }
}

#[test]
fn no_bit_of_the_body_can_be_flipped() {
    for scheme in &Scheme::all().filter(|scheme| !scheme.is_token()).collect::<Vec<_>>() {
        let headers = signed(scheme);
        for place in 0..BODY.len() {
            for bit in 0..8 {
                let mut flipped = BODY.to_vec();
                flipped[place] ^= 1 << bit;
                let outcome = verify(scheme, &headers, &flipped);
                assert_eq!(outcome.err(), Some(VerifyError::WrongSignature), "{scheme:?}, byte {place}");
            }
        }
    }
}

/// How many hex digits a value ends with, if they can be a digest.
fn hex_digits(value: &[u8]) -> usize {
    let digits = value.iter().rev().take_while(|b| b.is_ascii_hexdigit()).count();
    if digits < HEX_DIGITS_MIN { 0 } else { digits }
}

#[test]
fn no_bit_of_a_header_can_be_flipped_but_in_an_unsigned_id_and_the_case_of_hex() {
    for scheme in &Scheme::all().collect::<Vec<_>>() {
        for (name, value) in &signed(scheme) {
            let mut without = signed(scheme);
            without.remove(name);
            let is_unsigned = verify(scheme, &without, BODY).is_ok();
            let digits = hex_digits(value.as_bytes());
            for (place, bit) in (0..value.len()).flat_map(|place| (0..8).map(move |bit| (place, bit))) {
                let mut flipped = value.as_bytes().to_vec();
                flipped[place] ^= 1 << bit;
                // A flip that makes no header value is not a request.
                let Ok(header) = HeaderValue::from_bytes(&flipped) else { continue };
                let mut headers = signed(scheme);
                headers.insert(name, header);
                let is_digit = place >= value.len() - digits;
                let is_case = is_digit && flipped.eq_ignore_ascii_case(value.as_bytes());
                let outcome = verify(scheme, &headers, BODY);
                let shown = String::from_utf8_lossy(&flipped);
                if is_case {
                    assert!(outcome.is_ok(), "{scheme:?} refuses {name}: {shown}: {outcome:?}");
                } else if let Ok(verified) = outcome {
                    assert!(is_unsigned, "{scheme:?} takes {name}: {shown}");
                    let is_it = verified.id().as_bytes() == flipped || is_ours(verified.id());
                    assert!(is_it, "{scheme:?} makes {verified:?} of {name}: {shown}");
                }
            }
        }
    }
}

#[test]
fn a_header_is_there_once_and_readable_and_only_an_unsigned_id_may_be_missing_or_odd() {
    for scheme in &Scheme::all().collect::<Vec<_>>() {
        for name in signed(scheme).keys() {
            let refusal = |change: fn(&mut HeaderMap, &HeaderName)| {
                let mut headers = signed(scheme);
                change(&mut headers, name);
                verify(scheme, &headers, BODY)
            };
            let missing = refusal(|headers, name| _ = headers.remove(name));
            let repeated = refusal(|headers, name| _ = headers.append(name, headers[name].clone()));
            let odd = refusal(|headers, name| {
                let value = HeaderValue::from_bytes(b"\xff").expect("a header value");
                headers.insert(name, value);
            });
            if missing.is_ok() {
                for verified in [missing, repeated, odd] {
                    let verified = verified.expect("an unsigned id decides nothing");
                    assert!(is_ours(verified.id()), "{scheme:?} with an odd {name}: {verified:?}");
                }
                continue;
            }
            assert!(matches!(&missing, Err(VerifyError::MissingHeader(told)) if told == name), "{missing:?}");
            assert!(
                matches!(&repeated, Err(VerifyError::RepeatedHeader(told)) if told == name),
                "{repeated:?}"
            );
            assert!(matches!(&odd, Err(VerifyError::UnreadableHeader(told)) if told == name), "{odd:?}");
        }
        assert!(verify(scheme, &HeaderMap::new(), BODY).is_err(), "{scheme:?}");
    }
}

#[test]
fn a_delivery_is_fresh_for_300_seconds_either_way_if_its_time_is_signed() {
    let check = |scheme: &Scheme, now: Timestamp, is_fresh: bool| {
        let outcome = source(scheme, &[OLD]).verify(signed(scheme), BODY.into(), now);
        assert_eq!(outcome.is_ok(), is_fresh || !scheme.signs_time(), "{scheme:?} at {now}: {outcome:?}");
    };
    for scheme in &Scheme::all().collect::<Vec<_>>() {
        for (now_s, is_fresh) in [(-301, false), (-300, true), (0, true), (300, true), (301, false)] {
            check(scheme, at(NOW_S + now_s), is_fresh);
        }
        check(scheme, Timestamp::MIN, false);
        check(scheme, Timestamp::MAX, false);
    }
}

#[test]
fn an_unsigned_id_that_cannot_be_one_counts_as_none() {
    let check = |scheme: &str, header: Option<(&'static str, &[u8])>, body: &[u8]| {
        let scheme = Scheme::parse(scheme).expect("it is a preset");
        let mut headers = source(&scheme, &[OLD]).sign(ID, at(NOW_S), body).expect("it can be signed");
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_bytes(value).expect("a header value"));
        }
        let verified = verify(&scheme, &headers, body).expect("it is genuine");
        assert!(is_ours(verified.id()), "{scheme:?} {header:?}: {verified:?}");
    };
    for odd in ["", "a b", "ü", &"a".repeat(201)] {
        check("github", Some(("x-github-delivery", odd.as_bytes())), BODY);
    }
    for odd in [r#""""#, r#""a b""#, r#""\ud800""#, "{}", "true"] {
        check("launchdarkly", None, format!(r#"{{"_id":{odd}}}"#).as_bytes());
    }
}

/// The body, with the time of signing in it where the scheme looks for it there.
fn with_time(scheme: &Scheme, second: i64, body: &[u8]) -> Vec<u8> {
    if scheme.name() == "infisical" {
        let text: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        format!(r#"{{"timestamp":{second}000,"text":"{text}"}}"#).into()
    } else {
        body.to_vec()
    }
}

proptest! {
    #[test]
    fn what_one_secret_signs_only_that_secret_verifies(
        id in "[0-9a-f]{32}",
        body in proptest::collection::vec(any::<u8>(), 0..256),
        second in 1..10_000_000_000_i64,
        place in any::<Index>(),
    ) {
        for scheme in &Scheme::all().collect::<Vec<_>>() {
            let body = with_time(scheme, second, &body);
            let headers = source(scheme, &[OLD]).sign(&id, at(second), &body).expect("it can be signed");
            let verify = |secrets: &[&str], body: Vec<u8>| {
                source(scheme, secrets).verify(headers.clone(), body.into(), at(second))
            };
            let verified = verify(&[NEW, OLD], body.clone()).expect("it verifies");
            prop_assert_eq!(verified.body(), &body);
            prop_assert!(verified.id() == id || is_ours(verified.id()));
            prop_assert!(verify(&[NEW], body.clone()).is_err());
            let mut longer = body.clone();
            longer.insert(place.index(longer.len() + 1), b' ');
            prop_assert!(verify(&[OLD], longer).is_err() || scheme.is_token());
        }
    }
}
