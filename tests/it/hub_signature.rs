//! What passes for a delivery of the scheme `github`, and what does not.

use bytes::Bytes;
use flowhook::source::{CannotSign, Scheme, Secret, Source, Verified, VerifyError};
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use jiff::Timestamp;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::Index;

const OLD: &str = "It's a Secret to Everybody";
const NEW: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY: &[u8] = br#"{"ref":"refs/heads/main"}"#;

const ID: &str = "x-github-delivery";
const SIGNATURE: &str = "x-hub-signature-256";

fn source(secrets: &[&str]) -> Source {
    let secret = |text: &&str| Secret::parse(Scheme::GITHUB, text).expect("a good secret");
    Source::new("config", Scheme::GITHUB, secrets.iter().map(secret).collect()).expect("a good source")
}

/// The headers of a delivery of [`BODY`] that verifies.
fn signed(secret: &str) -> HeaderMap {
    source(&[secret]).sign("delivery-1", Timestamp::UNIX_EPOCH, BODY).expect("it can be signed")
}

fn with(name: &'static str, value: &[u8]) -> HeaderMap {
    let mut headers = signed(OLD);
    headers.insert(name, HeaderValue::from_bytes(value).expect("a header value"));
    headers
}

fn verify(headers: &HeaderMap, body: &[u8]) -> Result<Verified, VerifyError> {
    source(&[OLD]).verify(headers, Bytes::copy_from_slice(body), Timestamp::UNIX_EPOCH)
}

fn refusal(headers: &HeaderMap) -> Option<VerifyError> {
    verify(headers, BODY).err()
}

fn digest() -> String {
    let signature = signed(OLD)[SIGNATURE].to_str().expect("ASCII").to_owned();
    signature.strip_prefix("sha256=").expect("its prefix").to_owned()
}

#[test]
fn what_we_sign_has_githubs_two_headers_and_no_other() {
    let headers = signed(OLD);
    assert_eq!((headers.len(), &headers[ID]), (2, &HeaderValue::from_static("delivery-1")));
    assert_eq!(verify(&headers, BODY).expect("it verifies").id(), "delivery-1");
}

#[test]
fn whatever_the_clock_says_a_delivery_verifies() {
    for now in [Timestamp::MIN, Timestamp::MAX] {
        assert!(source(&[OLD]).verify(&signed(OLD), BODY.into(), now).is_ok(), "{now}");
        assert!(source(&[OLD]).sign("delivery-1", now, BODY).is_ok(), "{now}");
    }
}

#[test]
fn no_bit_of_the_digest_can_be_flipped_but_the_case_of_its_letters() {
    let value = format!("sha256={}", digest()).into_bytes();
    for place in 0..value.len() {
        for bit in 0..8 {
            let mut flipped = value.clone();
            flipped[place] ^= 1 << bit;
            let is_case = place >= "sha256=".len() && flipped[place].eq_ignore_ascii_case(&value[place]);
            if HeaderValue::from_bytes(&flipped).is_ok() {
                let shown = String::from_utf8_lossy(&flipped).into_owned();
                assert_eq!(refusal(&with(SIGNATURE, &flipped)).is_none(), is_case, "{shown}");
            }
        }
    }
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
        id in "[!-~]{1,200}",
        body in proptest::collection::vec(any::<u8>(), 0..256),
        place in any::<Index>(),
    ) {
        let now = Timestamp::UNIX_EPOCH;
        let headers = source(&[OLD]).sign(&id, now, &body).expect("it can be signed");
        let verify = |secrets: &[&str], body: Vec<u8>| source(secrets).verify(&headers, body.into(), now);
        let verified = verify(&[NEW, OLD], body.clone()).expect("it verifies");
        prop_assert_eq!(verified.id(), id);
        prop_assert_eq!(verified.body(), &body);
        prop_assert!(verify(&[NEW], body.clone()).is_err());
        let mut longer = body;
        longer.insert(place.index(longer.len() + 1), b' ');
        prop_assert!(verify(&[OLD], longer).is_err());
    }
}

#[test]
fn a_signature_is_its_prefix_and_64_digits() {
    let good = digest();
    let check = |value: &str| {
        assert_eq!(refusal(&with(SIGNATURE, value.as_bytes())), Some(VerifyError::NoSignature), "`{value}`");
    };
    check("");
    check("sha256");
    check("sha256=");
    check(&good);
    check(&format!("SHA256={good}"));
    check(&format!("sha1={good}"));
    check(&format!("sha256= {good}"));
    check(&format!("sha256=0x{good}"));
    check(&format!("sha256={}", &good[..63]));
    check(&format!("sha256={}", &good[..62]));
    check(&format!("sha256={good}0"));
    check(&format!("sha256={good}00"));
    check(&format!("sha256={good} "));
    check(&format!("sha256={good},sha256={good}"));
    check(&format!("sha256={good} sha256={good}"));
    check(&format!("sha256={}g", &good[..63]));
    assert_eq!(refusal(&with(SIGNATURE, format!("sha256={}", good.to_uppercase()).as_bytes())), None);
}

#[test]
fn the_signature_is_there_exactly_once() {
    let mut missing = signed(OLD);
    let signature = missing.remove(SIGNATURE).expect("it was signed");
    assert_eq!(refusal(&missing), Some(VerifyError::MissingHeader(SIGNATURE)));
    missing.insert("x-hub-signature", signature);
    assert_eq!(refusal(&missing), Some(VerifyError::MissingHeader(SIGNATURE)));

    let mut repeated = signed(OLD);
    repeated.append(SIGNATURE, repeated[SIGNATURE].clone());
    assert_eq!(refusal(&repeated), Some(VerifyError::RepeatedHeader(SIGNATURE)));
    assert_eq!(refusal(&with(SIGNATURE, b"\xff")), Some(VerifyError::UnreadableHeader(SIGNATURE)));
}

#[test]
fn a_delivery_without_an_id_gets_a_new_one_each_time() {
    let mut headers = signed(OLD);
    headers.remove(ID);
    let [one, other] = [(); 2].map(|()| verify(&headers, BODY).expect("it verifies").id().to_owned());
    assert_ne!(one, other);
    for id in [one, other] {
        assert!(id.len() == 36 && id.as_bytes()[14] == b'7', "{id} is a UUIDv7");
    }
}

#[test]
fn an_id_that_is_there_is_visible_ascii_in_one_line() {
    let check = |id: &str, fits: bool| {
        let outcome = refusal(&with(ID, id.as_bytes()));
        assert_eq!(outcome.is_none(), fits, "`{id}`: {outcome:?}");
        let signed = source(&[OLD]).sign(id, Timestamp::UNIX_EPOCH, BODY);
        assert_eq!(signed.is_ok(), fits, "`{id}`");
    };
    check("72d3162e-cc78-11e3-81ab-4c9367dc0958", true);
    check("delivery.1", true);
    check(&"d".repeat(200), true);
    check(&"d".repeat(201), false);
    check("", false);
    check("delivery 1", false);
    check("delivery\t1", false);

    let mut repeated = signed(OLD);
    repeated.append(ID, repeated[ID].clone());
    assert_eq!(refusal(&repeated), Some(VerifyError::RepeatedHeader(ID)));
    assert_eq!(refusal(&with(ID, b"\xff")), Some(VerifyError::UnreadableHeader(ID)));
}

#[test]
fn a_bad_id_is_told_what_its_scheme_allows() {
    let told = |scheme: Scheme, secret: &str| {
        let secret = Secret::parse(scheme, secret).expect("a good secret");
        let refused = scheme.sign(&secret, "", Timestamp::UNIX_EPOCH, BODY).expect_err("it has no id");
        assert!(matches!(refused, CannotSign::Id(_)), "{refused:?}");
        refused.to_string()
    };
    let rule = "a delivery's id must be 1 to 200 visible ASCII characters";
    assert_eq!(told(Scheme::GITHUB, OLD), rule);
    assert_eq!(told(Scheme::STANDARD_WEBHOOKS, NEW), format!("{rule} without `.`"));
}
