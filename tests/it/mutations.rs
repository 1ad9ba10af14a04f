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

/// What divides the header that has the signatures, and that header.
fn divided(scheme: &Scheme) -> Option<(&'static str, char)> {
    match scheme.name() {
        "standard-webhooks" | "gitlab" | "growthbook-sdk" => Some(("webhook-signature", ' ')),
        "svix" => Some(("svix-signature", ' ')),
        "stripe" => Some(("stripe-signature", ',')),
        "sanity" => Some(("sanity-webhook-signature", ',')),
        "configcat" => Some(("x-configcat-webhook-signature-v1", ',')),
        "infisical" => Some(("x-infisical-signature", ';')),
        _ => None,
    }
}

/// A piece of a header's value.
struct Piece {
    range: Range<usize>,
    /// With anything else in its place, the delivery does not verify.
    matters: bool,
}

fn verifies(source: &Source, vector: &Vector, headers: &HeaderMap, body: &[u8]) -> bool {
    let now = Timestamp::from_second(vector.now).expect("a time of our age");
    source.verify(headers.clone(), body.to_vec().into(), now).is_ok()
}

fn pieces(scheme: &Scheme, vector: &Vector, name: &str, value: &str) -> Vec<Piece> {
    let header: HeaderName = name.parse().expect("a name");
    let separator = divided(scheme).filter(|(divided, _)| *divided == name).map(|(_, separator)| separator);
    let source = vector.source(scheme);
    let mut from = 0;
    let mut pieces = Vec::new();
    for text in value.split(|c| Some(c) == separator) {
        let range = from..from + text.len();
        from = range.end + 1;
        let mut headers = vector.headers();
        let other = [&value[..range.start], &"z".repeat(text.len()), &value[range.end..]].concat();
        headers.insert(&header, other.parse().expect("a value"));
        let matters = !verifies(&source, vector, &headers, &vector.body());
        pieces.push(Piece { range, matters });
    }
    pieces
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
            Mutation { what, headers, body, holds: scheme.is_token() }
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
            let verifies = verifies(&source, &vector, &headers, &body);
            assert_eq!(verifies, holds, "{scheme:?} {}, {what}", vector.id);
            if holds { held += 1 } else { refused += 1 }
        }
        assert!(refused > 64, "{scheme:?} {}: {refused} refused, {held} held", vector.id);
    }
}
