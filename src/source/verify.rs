//! Verification: from a request's headers and raw bytes to a [`Verified`] delivery.
//!
//! The order is fixed: shape of the headers, signature, freshness. Nothing here looks into the body,
//! which need not even be UTF-8.

use std::fmt;

use bytes::Bytes;
use hmac::Mac as _;
use hyper::HeaderMap;
use jiff::Timestamp;
use subtle::{Choice, ConstantTimeEq as _};
use uuid::Uuid;

use super::content::Content;
use super::digest::Digest;
use super::row::{Row, SignatureHeader, TimestampHeader};
use super::{Secret, Source};
use crate::change::SourceName;

/// The longest id of a delivery, in bytes. Even if all of it has to be escaped, an answer that
/// repeats it stays under the 500 bytes that some senders read.
pub const DELIVERY_ID_MAX_BYTES: usize = 200;

/// The most signatures that one request may carry: a sender that rotates sends two or three.
const CANDIDATES_MAX: usize = 8;
/// The most digits of a timestamp: more than any unit of time needs, fewer than overflow.
const TIMESTAMP_MAX_DIGITS: usize = 16;

/// A delivery whose source and body, and whose id if its scheme signs one, are what the source signed. Only
/// [`Source::verify`] makes one.
pub struct Verified {
    source: SourceName,
    id: String,
    body: Bytes,
    received_at: Timestamp,
}

impl Verified {
    /// The source that signed it.
    pub fn source(&self) -> &SourceName {
        &self.source
    }

    /// The source's id for it: visible ASCII, at most [`DELIVERY_ID_MAX_BYTES`]. Where the source gave none
    /// it is one of ours, and new: what comes twice without an id cannot be told from two deliveries.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The bytes as they came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// When it arrived, by our clock.
    pub fn received_at(&self) -> Timestamp {
        self.received_at
    }
}

/// Without the body, which may hold what is nobody's business in a log.
impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, id, body, received_at } = self;
        write!(f, "Verified({source}/{id}, {} bytes, at {received_at})", body.len())
    }
}

impl Source {
    /// Checks that this source signed `body` as the delivery that `headers` name, and, where its scheme
    /// signs the time, not long before or after `now`.
    ///
    /// # Errors
    /// [`VerifyError`], for the log only: a sender is never told which it was.
    pub fn verify(&self, headers: &HeaderMap, body: Bytes, now: Timestamp) -> Result<Verified, VerifyError> {
        let row = self.scheme.row();
        let id = delivery_id(headers, row)?;
        let signed_at = row.timestamp.as_ref().map(|header| SignedAt::of(headers, header)).transpose()?;
        let candidates = candidates(only_line(headers, row.signature.name)?, &row.signature)?;

        let timestamp = signed_at.as_ref().map(|time| time.text).unwrap_or_default();
        let content = Content { id: id.unwrap_or_default(), timestamp, body: &body };
        if !any_matches(&self.secrets, &candidates, row, &content) {
            return Err(VerifyError::WrongSignature);
        }
        // Only now, so that an outsider cannot sound out our clock.
        if let Some(signed_at) = signed_at {
            signed_at.check_fresh(now)?;
        }
        let id = id.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
        Ok(Verified { source: self.name.clone(), id, body, received_at: now })
    }
}

/// The id of the delivery; nothing if there is none and the scheme does not sign it.
fn delivery_id<'a>(headers: &'a HeaderMap, row: &Row) -> Result<Option<&'a str>, VerifyError> {
    if !row.signs_id() && !headers.contains_key(row.id_header) {
        return Ok(None);
    }
    let id = only_line(headers, row.id_header)?;
    check_id(id, row)?;
    Ok(Some(id))
}

/// The value of a header that must be there in exactly one line: with two, we might check one and
/// something before us might have looked at the other.
fn only_line<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, VerifyError> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Err(VerifyError::MissingHeader(name)),
        (Some(_), Some(_)) => Err(VerifyError::RepeatedHeader(name)),
        (Some(line), None) => line.to_str().map_err(|_not_ascii| VerifyError::UnreadableHeader(name)),
    }
}

/// An id must be visible ASCII, and must end where the signed content says that it ends.
pub(super) fn check_id(id: &str, row: &Row) -> Result<(), BadDeliveryId> {
    let without = row.ends_id();
    let fits = !id.is_empty() && id.len() <= DELIVERY_ID_MAX_BYTES;
    let clean = id.bytes().all(|b| b.is_ascii_graphic()) && !without.is_some_and(|end| id.contains(end));
    if fits && clean { Ok(()) } else { Err(BadDeliveryId { without }) }
}

/// When a delivery says that it was signed.
struct SignedAt<'a> {
    /// As it was signed.
    text: &'a str,
    seconds: i64,
    tolerance_s: u64,
}

impl<'a> SignedAt<'a> {
    fn of(headers: &'a HeaderMap, header: &TimestampHeader) -> Result<Self, VerifyError> {
        let text = only_line(headers, header.name)?;
        Ok(Self { text, seconds: seconds(text)?, tolerance_s: header.tolerance_s })
    }

    /// In whole seconds, as the sender has nothing finer and as the reference libraries do.
    fn check_fresh(&self, now: Timestamp) -> Result<(), VerifyError> {
        let age_s = now.as_second() - self.seconds;
        if age_s.unsigned_abs() > self.tolerance_s { Err(VerifyError::NotFresh { age_s }) } else { Ok(()) }
    }
}

/// Reads `[1-9][0-9]{0,15}`. One spelling per time: a laxer reader would let the text that was
/// signed and the time that is compared part ways.
fn seconds(timestamp: &str) -> Result<i64, VerifyError> {
    let digits = timestamp.bytes().all(|b| b.is_ascii_digit());
    if digits && timestamp.len() <= TIMESTAMP_MAX_DIGITS && !timestamp.starts_with('0') {
        timestamp.parse().map_err(|_empty| VerifyError::BadTimestamp)
    } else {
        Err(VerifyError::BadTimestamp)
    }
}

/// The signatures of the list that could be ours: those of other versions and those that no MAC
/// could be (empty, too short, an odd spelling) are skipped, as they match nothing.
fn candidates(list: &str, header: &SignatureHeader) -> Result<Vec<Digest>, VerifyError> {
    let items = || list.split(|c| Some(c) == header.separator);
    let ours = || items().filter_map(|item| item.strip_prefix(header.prefix));
    if ours().nth(CANDIDATES_MAX).is_some() {
        return Err(VerifyError::TooManySignatures);
    }
    let candidates: Vec<Digest> = ours().filter_map(|text| header.encoding.decode(text)).collect();
    if candidates.is_empty() { Err(VerifyError::NoSignature) } else { Ok(candidates) }
}

/// Compares every candidate under every secret, so that the time it takes says nothing about how
/// close one came or which one it was.
fn any_matches(secrets: &[Secret], candidates: &[Digest], row: &Row, content: &Content<'_>) -> bool {
    let mut matched = Choice::from(0);
    for secret in secrets {
        let expected = content.signed(row.content, secret.mac()).finalize().into_bytes();
        for candidate in candidates {
            matched |= expected.as_slice().ct_eq(candidate);
        }
    }
    matched.into()
}

/// An id that cannot name a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a delivery's id must be 1 to {DELIVERY_ID_MAX_BYTES} visible ASCII characters{}",
    without.map(|text| format!(" without `{text}`")).unwrap_or_default()
)]
pub struct BadDeliveryId {
    /// What it must not hold, in this scheme.
    without: Option<&'static str>,
}

/// Why a request is not a delivery. For the log; it holds nothing that the request brought along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A header of the scheme is not there.
    #[error("the header `{0}` is missing")]
    MissingHeader(&'static str),
    /// A header of the scheme has several lines.
    #[error("the header `{0}` is repeated")]
    RepeatedHeader(&'static str),
    /// A header of the scheme is not text.
    #[error("the header `{0}` is not ASCII text")]
    UnreadableHeader(&'static str),
    /// The id is refused.
    #[error(transparent)]
    BadId(#[from] BadDeliveryId),
    /// The timestamp is not a plain number of seconds.
    #[error("the timestamp is not a plain number of seconds")]
    BadTimestamp,
    /// No signature of the scheme's version is in the list, or none that could be one.
    #[error("there is no well-formed signature of this scheme")]
    NoSignature,
    /// More signatures than a rotation needs.
    #[error("there are more than {CANDIDATES_MAX} signatures")]
    TooManySignatures,
    /// The signatures are well-formed and none was made with our secrets over these bytes.
    #[error("no signature matches: another secret, or other bytes than were signed")]
    WrongSignature,
    /// It is genuine and too old, or from the future.
    #[error("it was signed {age_s} s ago, which is not fresh: a replay, or a clock that is off")]
    NotFresh {
        /// Seconds since it was signed; negative when it is yet to be.
        age_s: i64,
    },
}
