//! What passes for a delivery of the scheme `github`, and what does not, beside what holds for every scheme.

use bytes::Bytes;
use flowhook::source::{CannotSign, Scheme, Secret, Source, Verified, VerifyError};
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use jiff::Timestamp;

const OLD: &str = "It's a Secret to Everybody";
const STANDARD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY: &[u8] = br#"{"ref":"refs/heads/main"}"#;

const ID: &str = "x-github-delivery";
const SIGNATURE: &str = "x-hub-signature-256";

fn github() -> Scheme {
    Scheme::parse("github").expect("it is a preset")
}

fn source(secrets: &[&str]) -> Source {
    let secret = |text: &&str| Secret::parse(&github(), text).expect("a good secret");
    Source::new("config", github(), secrets.iter().map(secret).collect()).expect("a good source")
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
    source(&[OLD]).verify(headers.clone(), Bytes::copy_from_slice(body), Timestamp::UNIX_EPOCH)
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
fn an_id_that_is_there_is_visible_ascii() {
    let check = |id: &str, fits: bool| {
        // What is none does no harm to a genuine delivery, which gets one of ours.
        assert_eq!(refusal(&with(ID, id.as_bytes())), None, "`{id}`");
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
    check(&('!'..='~').collect::<String>(), true);
}

#[test]
fn a_bad_id_is_told_what_its_scheme_allows() {
    let told = |scheme: Scheme, secret: &str| {
        let secret = Secret::parse(&scheme, secret).expect("a good secret");
        let refused = scheme.sign(&secret, "", Timestamp::UNIX_EPOCH, BODY).expect_err("it has no id");
        assert!(matches!(refused, CannotSign::Id(_)), "{refused:?}");
        refused.to_string()
    };
    let rule = "a delivery's id must be 1 to 200 visible ASCII characters";
    assert_eq!(told(github(), OLD), rule);
    assert_eq!(told(Scheme::standard_webhooks(), STANDARD), format!("{rule} without `.`"));
}
