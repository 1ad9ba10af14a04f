//! Where the ways in which systems sign differ unexpectedly, one test each.

use ed25519_dalek::{Signer as _, SigningKey};
use flowhook::source::{Scheme, Secret, Source, Verified, VerifyError};
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::vectors::{Vector, vectors};
use crate::verdicts::Site;

const NOW_S: i64 = 1_780_000_000;
const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// An id in every scheme.
const ID: &str = "0123456789abcdef0123456789abcdef";
/// What no route wants, with the time where some schemes look for it.
const UNWANTED: &[u8] = br#"{"type":"nobody.asked","timestamp":1780000000000}"#;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time of our age")
}

fn source(scheme: &str, secret: &str) -> Source {
    let scheme = Scheme::parse(scheme).expect("it is a preset");
    let secret = Secret::parse(&scheme, secret).expect("a good secret");
    Source::new("config", scheme, vec![secret]).expect("a good source")
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(value).expect("a value"))
    };
    lines.iter().map(line).collect()
}

fn verify(source: &Source, lines: &[(&str, &str)], body: &[u8]) -> Result<Verified, VerifyError> {
    source.verify(headers(lines), body.to_vec().into(), at(NOW_S))
}

fn vector(scheme: &str, id: &str) -> Vector {
    let found = vectors().into_iter().find(|(of, vector)| of.name() == scheme && vector.id == id);
    found.expect("it is kept").1
}

fn judged(scheme: &str, id: &str) -> Result<Verified, VerifyError> {
    let vector = vector(scheme, id);
    let source = vector.source(&Scheme::parse(scheme).expect("it is a preset"));
    source.verify(vector.headers(), vector.body().into(), at(vector.now))
}

#[test]
fn a_secret_that_begins_with_whsec_is_decoded_for_some_senders_and_is_the_text_itself_for_others() {
    let signed =
        |scheme: &str, secret: &str| source(scheme, secret).sign(ID, at(NOW_S), UNWANTED).expect("signed");
    let without = WHSEC.strip_prefix("whsec_").expect("its prefix");
    for scheme in ["standard-webhooks", "svix", "gitlab"] {
        assert_eq!(signed(scheme, WHSEC), signed(scheme, without), "{scheme}");
    }
    for scheme in ["stripe", "github", "growthbook-sdk"] {
        assert_ne!(signed(scheme, WHSEC), signed(scheme, without), "{scheme}");
    }
    assert!(judged("stripe", "ok").is_ok());
    assert_eq!(judged("stripe", "key-decoded").err(), Some(VerifyError::WrongSignature));
}

#[test]
fn the_wire_format_of_standard_webhooks_does_not_say_that_the_key_is_base64() {
    assert!(judged("growthbook-sdk", "ok").is_ok());
    let standard = Scheme::standard_webhooks();
    assert!(Secret::parse(&standard, "wk_123A5341464B3A13").is_err());
}

#[test]
fn a_time_in_milliseconds_is_not_one_in_seconds() {
    for scheme in ["statsig", "sanity"] {
        let source = source(scheme, WHSEC);
        let good = source.sign(ID, at(NOW_S), UNWANTED).expect("signed");
        assert!(source.verify(good.clone(), UNWANTED.into(), at(NOW_S)).is_ok(), "{scheme}");
        // Signed in the second that the milliseconds of now would be if they were seconds.
        let seconds =
            source.sign(ID, Timestamp::from_millisecond(NOW_S).expect("a time"), UNWANTED).expect("signed");
        let outcome = source.verify(seconds, UNWANTED.into(), at(NOW_S));
        assert!(matches!(outcome, Err(VerifyError::NotFresh { .. })), "{scheme}: {outcome:?}");
    }
    assert!(matches!(judged("sanity", "seconds"), Err(VerifyError::NotFresh { .. })));
    let infisical = source("infisical", WHSEC);
    let body = br#"{"timestamp":1780000000}"#;
    let signed = infisical.sign(ID, at(NOW_S), body).expect("signed");
    let outcome = infisical.verify(signed, body[..].into(), at(NOW_S));
    assert!(matches!(outcome, Err(VerifyError::NotFresh { .. })), "{outcome:?}");
}

#[test]
fn a_time_that_nobody_signed_says_nothing() {
    assert!(judged("infisical", "ok").is_ok());
    assert_eq!(judged("infisical", "forged-header-t").err(), Some(VerifyError::NotFresh { age_s: 86_400 }));
    assert!(matches!(judged("infisical", "without-time"), Err(VerifyError::MissingMember { .. })));
    let source = source("infisical", WHSEC);
    for body in [
        r#"{"timestamp":"1780000000000"}"#,
        r#"{"timestamp":1780000000000.0}"#,
        r#"{"timestamp":1.78e12}"#,
        r#"{"timestamp":-1780000000000}"#,
        r#"{"timestamp":null}"#,
        r#"{"timestamp":1780000000000,"timestamp":1780000000000}"#,
        r#"[1780000000000]"#,
        "1780000000000",
    ] {
        let signed = source.sign(ID, at(NOW_S), body.as_bytes()).expect("signed");
        let outcome = source.verify(signed, body.into(), at(NOW_S));
        let is_told = matches!(outcome, Err(VerifyError::BadTimestamp | VerifyError::MissingMember { .. }));
        assert!(is_told, "{body}: {outcome:?}");
    }
}

#[test]
fn the_algorithm_is_that_of_the_scheme_whatever_the_header_says() {
    let signed = |scheme: &str| {
        let headers = source(scheme, WHSEC).sign(ID, at(NOW_S), UNWANTED).expect("signed");
        headers["x-hub-signature"].to_str().expect("ASCII").to_owned()
    };
    let (sha256, sha1) = (signed("bitbucket"), signed("optimizely"));
    let check = |scheme: &str, value: &str, expected: Option<VerifyError>| {
        let outcome = verify(&source(scheme, WHSEC), &[("x-hub-signature", value)], UNWANTED);
        assert_eq!(outcome.err(), expected, "{scheme}: {value}");
    };
    check("bitbucket", &sha256, None);
    check("optimizely", &sha1, None);
    check("bitbucket", &sha1, Some(VerifyError::NoSignature));
    check("optimizely", &sha256, Some(VerifyError::NoSignature));
    check("bitbucket", &sha1.replace("sha1=", "sha256="), Some(VerifyError::NoSignature));
    check("optimizely", &sha256.replace("sha256=", "sha1="), Some(VerifyError::NoSignature));
}

#[test]
fn where_nothing_ends_an_id_its_length_does_and_where_a_dot_does_it_has_none() {
    assert!(judged("configcat", "published").is_ok());
    assert!(matches!(judged("configcat", "delimiterless-shift-id"), Err(VerifyError::BadId(_))));
    assert!(matches!(judged("configcat", "resplit-timestamp"), Err(VerifyError::NotFresh { .. })));
    assert!(matches!(judged("standard-webhooks", "id-dot-resplit"), Err(VerifyError::BadId(_))));
}

/// Every way to split the signed bytes of a delivery anew is tried: of all of them only the true one verifies.
#[test]
fn nobody_can_split_what_an_id_of_fixed_length_is_signed_with() {
    let source = source("configcat", WHSEC);
    let body = "1780000000 and 0123456789abcdef0123456789abcdef";
    let signed = source.sign(ID, at(NOW_S), body.as_bytes()).expect("signed");
    let signature = signed["x-configcat-webhook-signature-v1"].to_str().expect("ASCII");
    let content = format!("{ID}{NOW_S}{body}");
    let mut taken = Vec::new();
    for (first, second) in
        (0..=content.len()).flat_map(|first| (first..=content.len()).map(move |to| (first, to)))
    {
        let lines = [
            ("x-configcat-webhook-id", &content[..first]),
            ("x-configcat-webhook-timestamp", &content[first..second]),
            ("x-configcat-webhook-signature-v1", signature),
        ];
        if verify(&source, &lines, &content.as_bytes()[second..]).is_ok() {
            taken.push((first, second));
        }
    }
    assert_eq!(taken, [(32, 42)]);
}

#[test]
fn an_empty_signature_never_passes_and_a_form_of_which_only_the_json_is_signed_is_told() {
    for scheme in Scheme::all() {
        let source = source(scheme.name(), WHSEC);
        let good = source.sign(ID, at(NOW_S), UNWANTED).expect("signed");
        for (name, value) in &good {
            let text = value.to_str().expect("ASCII");
            let marks = [
                "",
                "sha256=",
                "sha1=",
                "v0=",
                "v1,",
                "v1a,",
                "v1=",
                "t=1780000000000,v1=",
                "t=1780000000,v1=",
                "Bearer ",
                ",",
                ";",
                " ",
            ];
            for mark in marks.into_iter().filter(|mark| *mark != text) {
                let mut headers = good.clone();
                headers.insert(name, HeaderValue::from_static(mark));
                let outcome = source.verify(headers, UNWANTED.into(), at(NOW_S));
                // What can be no id counts as none, and gets one of ours.
                let is_new = |id: &str| id == mark || id.len() == 36;
                let is_unsigned_id =
                    text == ID && outcome.as_ref().is_ok_and(|verified| is_new(verified.id()));
                assert!(outcome.is_err() || is_unsigned_id, "{scheme:?}: `{mark}` in {name}: {outcome:?}");
            }
        }
    }
    let told = judged("gitea", "form").expect_err("it is not signed").to_string();
    assert!(told.contains("choose the content type application/json"), "{told}");
}

#[tokio::test]
async fn what_is_genuine_and_unwanted_is_success_to_every_sender() {
    let sources: Vec<Source> = Scheme::all()
        .map(|scheme| {
            let secret = Secret::parse(&scheme, WHSEC).expect("a good secret");
            Source::new(scheme.name(), scheme.clone(), vec![secret]).expect("a good source")
        })
        .collect();
    let site = Site::of(sources).await;
    for scheme in Scheme::all() {
        let signed = source(scheme.name(), WHSEC).sign(ID, at(NOW_S), UNWANTED).expect("signed");
        let answer = site.send(scheme.name(), hyper::Method::POST, signed, UNWANTED.to_vec()).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"ignored"}"#), "{scheme:?}");
    }
}

#[test]
fn an_id_that_is_not_signed_can_be_changed_and_then_names_another_delivery() {
    for scheme in ["github", "shopify", "sanity", "gitlab-token", "gitea", "forgejo", "bitbucket"] {
        let source = source(scheme, WHSEC);
        let mut headers = source.sign(ID, at(NOW_S), UNWANTED).expect("signed");
        let name = headers.iter().find(|(_, value)| *value == ID).expect("its id").0.clone();
        headers.insert(name, HeaderValue::from_static("another"));
        let verified = source.verify(headers, UNWANTED.into(), at(NOW_S)).expect("it is signed all the same");
        assert_eq!(verified.id(), "another", "{scheme}");
    }
}

#[test]
fn an_id_in_the_body_is_read_only_if_it_can_be_one() {
    let source = source("stripe", WHSEC);
    let id = |body: &str| {
        let signed = source.sign(ID, at(NOW_S), body.as_bytes()).expect("signed");
        source.verify(signed, body.to_owned().into(), at(NOW_S)).map(|verified| verified.id().to_owned())
    };
    assert_eq!(id(r#"{"id":"evt_1"}"#).as_deref(), Ok("evt_1"));
    assert_eq!(id(r#"{"id":17}"#).as_deref(), Ok("17"));
    assert_eq!(id(r#"{"id":"\u0065vt"}"#).as_deref(), Ok("evt"));
    for without in [
        "",
        "not JSON",
        "{}",
        r#"{"id":null}"#,
        r#"{"id":"a","id":"b"}"#,
        r#"[{"id":"a"}]"#,
        r#"{"id":""}"#,
        r#"{"id":"a b"}"#,
        r#"{"id":"ü"}"#,
        r#"{"id":true}"#,
        r#"{"id":{}}"#,
        r#"{"id":"\ud800"}"#,
    ] {
        assert!(id(without).is_ok_and(|id| id.len() == 36), "`{without}` gets one of ours");
    }
    // Signed with another secret, it is not even looked at.
    let forged = self::source("stripe", "another").sign(ID, at(NOW_S), br#"{"id":""}"#).expect("signed");
    let outcome = source.verify(forged, br#"{"id":""}"#[..].into(), at(NOW_S));
    assert_eq!(outcome.err(), Some(VerifyError::WrongSignature));
}

/// A key pair and what it signs, as a sender of Standard Webhooks does.
struct Asymmetric(SigningKey);

impl Asymmetric {
    fn secret(&self) -> String {
        use base64::Engine as _;
        format!("whpk_{}", base64::prelude::BASE64_STANDARD.encode(self.0.verifying_key()))
    }

    fn signature(&self, content: &str) -> String {
        use base64::Engine as _;
        format!("v1a,{}", base64::prelude::BASE64_STANDARD.encode(self.0.sign(content.as_bytes()).to_bytes()))
    }
}

#[test]
fn the_kind_of_the_key_decides_which_signatures_count() {
    let (pair, other) =
        (Asymmetric(SigningKey::from_bytes(&[7; 32])), Asymmetric(SigningKey::from_bytes(&[8; 32])));
    let standard = Scheme::standard_webhooks();
    let source = |secrets: &[&str]| {
        let secrets =
            secrets.iter().map(|text| Secret::parse(&standard, text).expect("a good secret")).collect();
        Source::new("config", standard.clone(), secrets).expect("a good source")
    };
    let content = format!("msg_1.{NOW_S}.{{}}");
    let v1a = pair.signature(&content);
    let v1 = self::source("standard-webhooks", WHSEC).sign("msg_1", at(NOW_S), b"{}").expect("signed");
    let v1 = v1["webhook-signature"].to_str().expect("ASCII");
    let check = |secrets: &[&str], list: &str, expected: Option<VerifyError>| {
        let now = NOW_S.to_string();
        let lines =
            [("webhook-id", "msg_1"), ("webhook-timestamp", now.as_str()), ("webhook-signature", list)];
        assert_eq!(verify(&source(secrets), &lines, b"{}").err(), expected, "{list}");
    };
    let (public, wrong) = (pair.secret(), Some(VerifyError::WrongSignature));
    check(&[&public], &v1a, None);
    check(&[WHSEC, &public], &v1a, None);
    check(&[&public], &format!("{v1} {} {v1a}", other.signature(&content)), None);
    check(&[WHSEC], &format!("{v1a} {v1}"), None);
    check(&[&public], v1, wrong.clone());
    check(&[WHSEC], &v1a, wrong.clone());
    check(&[&other.secret()], &v1a, wrong.clone());
    check(&[&public], &pair.signature("msg_1.1780000000.{ }"), wrong);
    check(&[&public], &v1a.replace("v1a,", "v1,"), Some(VerifyError::NoSignature));
    // Whoever has only a public key signs nothing.
    let told = source(&[&public]).sign("msg_1", at(NOW_S), b"{}").expect_err("no key").to_string();
    assert!(told.contains("public key"), "{told}");
    assert!(source(&[&public, WHSEC]).sign("msg_1", at(NOW_S), b"{}").is_ok());
}

#[test]
fn a_token_is_compared_whole_and_goes_no_further() {
    let source = source("cloudevents", "a token, with spaces");
    let check = |value: &str, expected: Option<VerifyError>| {
        let outcome = verify(&source, &[("authorization", value), ("x-kept", "1")], b"{}");
        if let Ok(verified) = &outcome {
            assert!(!verified.headers().contains_key("authorization"), "{verified:?}");
            assert_eq!(verified.headers()["x-kept"], "1");
        }
        assert_eq!(outcome.err(), expected, "`{value}`");
    };
    check("Bearer a token, with spaces", None);
    check("Bearer a token, with space", Some(VerifyError::WrongSignature));
    check("Bearer a token, with spacess", Some(VerifyError::WrongSignature));
    check("Bearer A token, with spaces", Some(VerifyError::WrongSignature));
    check("a token, with spaces", Some(VerifyError::NoSignature));
    check("bearer a token, with spaces", Some(VerifyError::NoSignature));
    check("Bearer ", Some(VerifyError::NoSignature));
    let unleash = Scheme::parse("unleash").expect("it is a preset");
    assert!(Secret::parse(&unleash, "geheim, süß").is_err(), "no header can carry it");
}
