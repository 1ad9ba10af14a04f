//! What the senders' own pages say of a delivery, written down without the knobs of a table.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>,
//! <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flowhook::source::{DELIVERY_ID_MAX_BYTES, Scheme};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::signatures::Request;

/// More signatures of the scheme's kind than this are refused.
const SIGNATURES_MAX: usize = 8;
const TOLERANCE_S: i64 = 300;

/// Whether the request is a delivery, signed by one of `keys`; nothing for a scheme that is not written down here.
pub fn verifies(scheme: Scheme, keys: &[&str], request: &Request, now_s: i64) -> Option<bool> {
    match scheme {
        Scheme::STANDARD_WEBHOOKS => Some(standard_webhooks(keys, request, now_s).is_some()),
        Scheme::GITHUB => Some(github(keys, request).is_some()),
        _ => None,
    }
}

/// The key that a secret's text stands for, empty where it stands for none; nothing for a scheme that is not
/// written down here.
pub fn key(scheme: Scheme, text: &str) -> Option<Vec<u8>> {
    match scheme {
        Scheme::STANDARD_WEBHOOKS => {
            let text = text.trim();
            let encoded = text.strip_prefix("whsec_").unwrap_or(text);
            Some(BASE64_STANDARD.decode(encoded).unwrap_or_default())
        }
        Scheme::GITHUB => Some(if text.trim() == text { text.into() } else { Vec::new() }),
        _ => None,
    }
}

/// Whether the id may name a delivery.
pub fn is_id(scheme: Scheme, id: &str) -> bool {
    let is_graphic = id.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    let is_split = scheme == Scheme::STANDARD_WEBHOOKS && id.contains('.');
    is_graphic && !is_split && (1..=DELIVERY_ID_MAX_BYTES).contains(&id.len())
}

fn standard_webhooks(keys: &[&str], request: &Request, now_s: i64) -> Option<()> {
    let [id, time, list] =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| line(request, name));
    let (id, time, list) = (id?, time?, list?);
    let digits = time.bytes().all(|byte| byte.is_ascii_digit()) && (1..=16).contains(&time.len());
    let signed_s: i64 = time.parse().ok().filter(|_| digits && !time.starts_with('0'))?;

    let signatures = list.split(' ').filter_map(|item| item.strip_prefix("v1,"));
    let content = [id.as_bytes(), b".", time.as_bytes(), b".", &request.body].concat();
    let key = |text: &str| key(Scheme::STANDARD_WEBHOOKS, text).expect("it is written down");
    let expected: Vec<_> =
        keys.iter().map(|text| BASE64_STANDARD.encode(mac(&key(text), &content))).collect();
    let matches = signatures.clone().any(|signature| expected.iter().any(|expected| expected == signature));
    let is_good = is_id(Scheme::STANDARD_WEBHOOKS, id) && signatures.count() <= SIGNATURES_MAX;
    (is_good && matches && (now_s - signed_s).abs() <= TOLERANCE_S).then_some(())
}

fn github(keys: &[&str], request: &Request) -> Option<()> {
    let signature = line(request, "x-hub-signature-256")?.strip_prefix("sha256=")?.to_ascii_lowercase();
    let has_id = request.headers.iter().any(|(name, _)| name == "x-github-delivery");
    if has_id && !is_id(Scheme::GITHUB, line(request, "x-github-delivery")?) {
        return None;
    }
    let expected = |key: &&str| hex::encode(mac(key.as_bytes(), &request.body));
    keys.iter().any(|key| expected(key) == signature).then_some(())
}

/// The header's value, if there is one of that name, and only one, and it is ASCII text.
fn line<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let mut lines = request.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value);
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let is_text = line.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    str::from_utf8(line).ok().filter(|_| is_text)
}

fn mac(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.chain_update(content).finalize().into_bytes().to_vec()
}
