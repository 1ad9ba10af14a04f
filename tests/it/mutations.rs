//! Deliveries that verify, changed in one place: what is signed and the signature that matched cannot be, and what
//! is not signed never matters.

use std::ops::Range;

use flowhook::source::{Scheme, Source};
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::vectors::{Vector, vectors};

/// The digits of the shortest digest in use, that of SHA-1.
const HEX_DIGITS_MIN: usize = 40;

/// A delivery that is no longer what its sender sent.
pub(crate) struct Mutation {
    /// Where it was changed.
    pub(crate) what: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Whether it is one all the same.
    pub(crate) holds: bool,
}

/// What a sender says that it signs.
struct Signed {
    /// The body; where not, a token is all that there is.
    body: bool,
    /// The headers that are signed, or sign.
    headers: &'static [&'static str],
}

const fn body_and(headers: &'static [&'static str]) -> Signed {
    Signed { body: true, headers }
}

const fn token(headers: &'static [&'static str]) -> Signed {
    Signed { body: false, headers }
}

/// By hand, from the senders' pages: what we take for signed is under test.
fn signed(scheme: &str) -> Signed {
    match scheme {
        "standard-webhooks" | "gitlab" | "growthbook-sdk" => {
            body_and(&["webhook-id", "webhook-timestamp", "webhook-signature"])
        }
        "svix" => body_and(&["svix-id", "svix-timestamp", "svix-signature"]),
        "growthbook-event" => body_and(&["x-growthbook-signature"]),
        "github" => body_and(&["x-hub-signature-256"]),
        "gitea" => body_and(&["x-gitea-signature"]),
        "forgejo" => body_and(&["x-forgejo-signature"]),
        "bitbucket" | "optimizely" => body_and(&["x-hub-signature"]),
        "stripe" => body_and(&["stripe-signature"]),
        "sanity" => body_and(&["sanity-webhook-signature"]),
        "slack" => body_and(&["x-slack-request-timestamp", "x-slack-signature"]),
        "statsig" => body_and(&["x-statsig-request-timestamp", "x-statsig-signature"]),
        "configcat" => body_and(&[
            "x-configcat-webhook-id",
            "x-configcat-webhook-timestamp",
            "x-configcat-webhook-signature-v1",
        ]),
        "launchdarkly" => body_and(&["x-ld-signature"]),
        "flagsmith" => body_and(&["x-flagsmith-signature"]),
        "doppler" => body_and(&["x-doppler-signature"]),
        "terraform-cloud" => body_and(&["x-tfe-notification-signature"]),
        "terraform-run-task" => body_and(&["x-tfc-task-signature"]),
        "vercel" => body_and(&["x-vercel-signature"]),
        "infisical" => body_and(&["x-infisical-signature"]),
        "shopify" => body_and(&["x-shopify-hmac-sha256"]),
        "gitlab-token" => token(&["x-gitlab-token"]),
        "unleash" | "strapi" | "posthog" | "directus" | "cloudevents" | "event-grid" => {
            token(&["authorization"])
        }
        other => panic!("say what `{other}` signs"),
    }
}

/// Of the deliveries whose signatures' header has several items: what divides it, and by their places those that are
/// signed or the one signature that was made with the secret. Of any other header the whole value is one item.
fn items(scheme: &str, vector: &str) -> Option<(char, &'static [usize])> {
    match (scheme, vector) {
        ("standard-webhooks", "multi-rotation-ok") => Some((' ', &[2])),
        ("standard-webhooks", "v1-and-v1a-ok") => Some((' ', &[1])),
        ("configcat", "two-signatures-ok") => Some((',', &[1])),
        ("stripe", "ok") | ("sanity", "published") => Some((',', &[0, 1])),
        ("stripe", "id-in-body-ok") => Some((',', &[0, 3])),
        ("infisical", "ok") => Some((';', &[1])), // its time in the header is not signed
        _ => None,
    }
}

/// A piece of a header's value.
struct Piece {
    range: Range<usize>,
    /// With anything else in its place, the delivery does not verify.
    matters: bool,
}

fn verifies(source: &Source, vector: &Vector, headers: HeaderMap, body: Vec<u8>) -> bool {
    let now = Timestamp::from_second(vector.now).expect("a time of our age");
    source.verify(headers, body.into(), now).is_ok()
}

fn pieces(scheme: &Scheme, vector: &Vector, name: &str, value: &str) -> Vec<Piece> {
    let is_signed = signed(scheme.name()).headers.contains(&name);
    let divided = items(scheme.name(), &vector.id);
    let Some((separator, matter)) = divided.filter(|(separator, _)| is_signed && value.contains(*separator))
    else {
        return vec![Piece { range: 0..value.len(), matters: is_signed }];
    };
    let mut from = 0;
    let piece = |(place, text): (usize, &str)| {
        let range = from..from + text.len();
        from = range.end + 1;
        Piece { range, matters: matter.contains(&place) }
    };
    value.split(separator).enumerate().map(piece).collect()
}

/// Whether the byte at that place of the piece is a digit of a digest in hex.
fn is_digit(piece: &[u8], place: usize) -> bool {
    let digits = piece.iter().rev().take_while(|byte| byte.is_ascii_hexdigit()).count();
    digits >= HEX_DIGITS_MIN && place >= piece.len() - digits
}

/// The delivery with one bit flipped, each in turn, where that makes a request; of what takes long to verify, one
/// bit of each byte.
pub(crate) fn mutations(scheme: &Scheme, vector: &Vector) -> impl Iterator<Item = Mutation> {
    let is_slow = vector.secrets.iter().any(|secret| secret.starts_with("whpk_"));
    let bits = if is_slow { 0..1 } else { 0..8 };
    let flips = |bytes: Vec<u8>, range: Range<usize>| {
        let places = range.flat_map(|place| bits.clone().map(move |bit| (place, bit))).collect::<Vec<_>>();
        places.into_iter().map(move |(place, bit)| {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << bit;
            (place, flipped)
        })
    };
    let body = vector.body();
    let mut all: Vec<Mutation> = flips(body.clone(), 0..body.len())
        .map(|(place, body)| {
            let (what, headers) = (format!("byte {place} of the body"), vector.headers());
            Mutation { what, headers, body, holds: !signed(scheme.name()).body }
        })
        .collect();
    for (name, value) in &vector.headers {
        for Piece { range, matters } in pieces(scheme, vector, name, value) {
            for (place, flipped) in flips(value.clone().into_bytes(), range.clone()) {
                let Ok(header) = HeaderValue::from_bytes(&flipped) else { continue };
                let is_case = flipped.eq_ignore_ascii_case(value.as_bytes())
                    && is_digit(&value.as_bytes()[range.clone()], place - range.start);
                // Elsewhere, what is no text or divides the header anew is not the same request with another piece.
                if !matters && !flipped[place].is_ascii_alphanumeric() {
                    continue;
                }
                let mut headers = vector.headers();
                headers.insert(name.parse::<HeaderName>().expect("a name"), header);
                let what = format!("{name}: {}", String::from_utf8_lossy(&flipped));
                all.push(Mutation { what, headers, body: body.clone(), holds: !matters || is_case });
            }
        }
    }
    all.into_iter()
}

#[test]
fn no_bit_of_what_is_signed_or_of_the_signature_that_matched_can_be_flipped_and_any_other_can() {
    for (scheme, vector) in vectors().into_iter().filter(|(_, vector)| vector.is_good()) {
        let source = vector.source(&scheme);
        let (mut refused, mut held) = (0, 0);
        for Mutation { what, headers, body, holds } in mutations(&scheme, &vector) {
            let verifies = verifies(&source, &vector, headers, body);
            assert_eq!(verifies, holds, "{scheme:?} {}, {what}", vector.id);
            if holds { held += 1 } else { refused += 1 }
        }
        assert!(refused > 64, "{scheme:?} {}: {refused} refused, {held} held", vector.id);
    }
}
