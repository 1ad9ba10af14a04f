//! What a verification says of its steps: the same ones, and no more, that decide.

use flowhook::source::{Check, Scheme, Secret, Source, Step, VerifyError};
use hyper::HeaderMap;
use jiff::Timestamp;

use crate::vectors::vectors;

const SECRETS: [&str; 2] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];
const NOW_S: i64 = 1_780_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time of our age")
}

fn source(scheme: &str, secrets: &[&str]) -> Source {
    let scheme = Scheme::parse(scheme).expect("it is a preset");
    let secrets = secrets.iter().map(|text| Secret::parse(&scheme, text).expect("a good secret")).collect();
    Source::new("config", scheme, secrets).expect("a good source")
}

/// The checks, one a line.
fn told(source: &Source, headers: &HeaderMap, body: &str, now_s: i64) -> Vec<String> {
    let line = |Check { step, outcome }: Check| match outcome {
        Ok(found) => format!("{step}: {found}"),
        Err(why) => format!("{step}! {why}"),
    };
    source.explain(headers, body.as_bytes(), at(now_s)).into_iter().map(line).collect()
}

#[test]
fn a_delivery_that_verifies_says_what_was_found() {
    let headers = source("standard-webhooks", &SECRETS[1..]).sign("msg_1", at(NOW_S), b"{}").expect("signed");
    let checks = told(&source("standard-webhooks", &SECRETS), &headers, "{}", NOW_S + 7);
    let expected = [
        "the delivery's id: it is `msg_1`",
        "the time of signing: it is 1780000000",
        "the signatures: 1 could be ours",
        "the secret: number 2 of 2 made one of them",
        "freshness: it was signed 7 s ago, and 300 s either way are allowed",
    ];
    assert_eq!(checks, expected);

    let headers = source("launchdarkly", &SECRETS[..1]).sign("unused", at(NOW_S), b"{}").expect("signed");
    let checks = told(&source("launchdarkly", &SECRETS), &headers, "{}", NOW_S);
    let expected = [
        "the signatures: 1 could be ours",
        "the secret: number 1 of 2 made one of them",
        "the delivery's id: there is none, so it gets one of ours",
    ];
    assert_eq!(checks, expected);
}

#[test]
fn the_last_check_is_the_one_that_failed() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut HeaderMap), body: &str, now_s: i64, step: Step, why: &str) {
        let mut headers =
            source("standard-webhooks", &SECRETS[..1]).sign("msg_1", at(NOW_S), b"{}").expect("signed");
        change(&mut headers);
        let checks = source("standard-webhooks", &SECRETS[..1]).explain(&headers, body.as_bytes(), at(now_s));
        let (last, before) = checks.split_last().expect("a check");
        assert!(before.iter().all(|check| check.outcome.is_ok()), "{checks:?}");
        let error = last.outcome.as_ref().expect_err("it failed");
        assert!(last.step == step && error.to_string().contains(why), "{checks:?}");
    }
    check(|_| {}, "{}", NOW_S + 301, Step::Freshness, "it was signed 301 s ago");
    check(|_| {}, "{} ", NOW_S, Step::Secret, "no signature matches: another secret, or other bytes");
    check(|headers| _ = headers.remove("webhook-id"), "{}", NOW_S, Step::Id, "`webhook-id` is missing");
    check(
        |headers| _ = headers.remove("webhook-timestamp"),
        "{}",
        NOW_S,
        Step::Timestamp,
        "`webhook-timestamp` is missing",
    );
    check(
        |headers| _ = headers.remove("webhook-signature"),
        "{}",
        NOW_S,
        Step::Signatures,
        "`webhook-signature` is missing",
    );
    let other = source("standard-webhooks", &SECRETS[1..]).sign("msg_1", at(NOW_S), b"{}").expect("signed");
    check(|headers| headers.extend(other), "{}", NOW_S, Step::Secret, "another secret");
}

#[test]
fn what_is_explained_is_what_is_decided() {
    for (scheme, vector) in vectors() {
        let (source, headers) = (vector.source(&scheme), vector.headers());
        let checks = source.explain(&headers, &vector.body(), at(vector.now));
        let outcome = source.verify(headers, vector.body().into(), at(vector.now));
        let failed = checks.last().and_then(|check| check.outcome.clone().err());
        assert_eq!(failed, outcome.err(), "{scheme:?} {}: {checks:?}", vector.id);
        for secret in &vector.secrets {
            assert!(!format!("{checks:?}").contains(secret.as_str()), "{scheme:?} {}: {checks:?}", vector.id);
        }
    }
}

#[test]
fn no_step_is_taken_before_the_one_that_failed_has_held() {
    let source = source("infisical", &SECRETS[..1]);
    let checks = source.explain(&HeaderMap::new(), b"{}", at(NOW_S));
    let [Check { step: Step::Signatures, outcome: Err(VerifyError::MissingHeader(_)) }] = &checks[..] else {
        panic!("{checks:?}");
    };
}
