//! Signed deliveries, made before the clock runs: signing is the sender's cost, not the service's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

use crate::event::{USUAL_BYTES, event};

/// The secret of the source `config`, as `FLOWHOOK_WEBHOOK_SECRET` has it.
pub(crate) const SECRET: &str = "whsec_YmVuY2htYXJrLXNlY3JldC1iZW5jaG1hcmstc2VjcmV0";
/// The node that all changes are for.
pub(crate) const NODE: &str = flowhook::sandbox::SAMPLE_NODE;
/// When the first event says that it happened, Unix seconds: 2026-01-05T06:00:00Z. Each value is a second newer.
const FIRST_EVENT: i64 = 1_767_592_800;
/// Over how many flows deliveries are spread whose flows are not what is measured.
pub(crate) const FLOWS: usize = 100;

/// The id of a flow.
pub(crate) fn flow_id(number: usize) -> String {
    format!("b0000000-0000-4000-8000-{number:012}")
}

/// One request, ready to be sent.
pub(crate) type Request = Box<[u8]>;

/// A delivery, as a client's library takes it.
pub(crate) struct Signed {
    /// `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    pub(crate) headers: [String; 3],
    pub(crate) body: String,
}

/// Signs deliveries with ids that nobody has sent before.
pub(crate) struct Signer {
    mac: Hmac<Sha256>,
    /// When they claim to have been signed, Unix seconds.
    now: String,
}

impl Signer {
    /// A signer whose deliveries are fresh for five minutes from now.
    pub(crate) fn new() -> Self {
        let key = SECRET.strip_prefix("whsec_").and_then(|key| BASE64.decode(key).ok());
        let mac = Hmac::new_from_slice(&key.expect("it is base64")).expect("any length will do");
        Self { mac, now: Timestamp::now().as_second().to_string() }
    }

    /// A delivery with a random id, which sets `max_wait_time_seconds` of a flow to this.
    pub(crate) fn sign(&self, flow: usize, value: usize) -> Request {
        let Signed { headers: [id, timestamp, signature], body } = self.signed(flow, value);
        format!(
            "POST /hooks/config HTTP/1.1\r\nHost: flowhook\r\nContent-Type: application/json\r\n\
             webhook-id: {id}\r\nwebhook-timestamp: {timestamp}\r\nwebhook-signature: {signature}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len(),
        )
        .into_bytes()
        .into()
    }

    /// The same in parts.
    pub(crate) fn signed(&self, flow: usize, value: usize) -> Signed {
        let id = format!("msg_{:032x}", fastrand::u128(..));
        let body = body(&flow_id(flow), value);
        let mut mac = self.mac.clone();
        mac.update(format!("{id}.{}.{body}", self.now).as_bytes());
        let signature = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
        Signed { headers: [id, self.now.clone(), signature], body }
    }

    /// The same event signed as GitHub signs, over the body alone.
    pub(crate) fn sign_as_hub(&self, flow: usize, value: usize) -> Request {
        let body = body(&flow_id(flow), value);
        let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length will do");
        let signature = hex::encode(mac.chain_update(&body).finalize().into_bytes());
        format!(
            "POST /hooks/config HTTP/1.1\r\nHost: webhook\r\nContent-Type: application/json\r\n\
             X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len(),
        )
        .into_bytes()
        .into()
    }

    /// So many deliveries, in turns over so many flows, each with a value of its own.
    pub(crate) fn many(&self, deliveries: usize, flows: usize) -> Vec<Request> {
        (0..deliveries).map(|number| self.sign(number % flows, number)).collect()
    }
}

fn body(flow: &str, value: usize) -> String {
    let at = Timestamp::from_second(FIRST_EVENT + i64::try_from(value).expect("values are few"))
        .expect("it is a time");
    event(at, flow, NODE, value, USUAL_BYTES)
}
