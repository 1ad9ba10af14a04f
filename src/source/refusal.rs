//! Why a request is not a delivery.

use hyper::header::HeaderName;

/// The longest id of a delivery, in bytes. Even if all of it has to be escaped, an answer that
/// repeats it stays under the 500 bytes that some senders read.
pub const DELIVERY_ID_MAX_BYTES: usize = 200;

/// The most signatures that one request may carry: a sender that rotates sends two or three.
pub(super) const CANDIDATES_MAX: usize = 8;
/// The most Ed25519 signatures among them: each is checked under each key over the whole body.
pub(super) const ED25519_CANDIDATES_MAX: usize = 2;

/// An id that cannot name a delivery.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a delivery's id must be {} visible ASCII characters{}",
    length.map_or_else(|| format!("1 to {DELIVERY_ID_MAX_BYTES}"), |length| length.to_string()),
    without.as_ref().map(|text| format!(" without `{text}`")).unwrap_or_default()
)]
pub struct BadDeliveryId {
    /// How long it must be, in this scheme.
    pub(super) length: Option<usize>,
    /// What it must not hold, in this scheme.
    pub(super) without: Option<String>,
}

/// Why a request is not a delivery. For the log; it holds nothing that the request brought along.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A header of the scheme is not there.
    #[error("the header `{0}` is missing")]
    MissingHeader(HeaderName),
    /// A header of the scheme has several lines.
    #[error("the header `{0}` is repeated")]
    RepeatedHeader(HeaderName),
    /// A header of the scheme is not text.
    #[error("the header `{0}` is not ASCII text")]
    UnreadableHeader(HeaderName),
    /// The time is not among the items of the signature's header.
    #[error("the signature's header has no item `{0}`")]
    MissingItem(String),
    /// There are two times in the signature's header.
    #[error("the signature's header has several items `{0}`")]
    RepeatedItem(String),
    /// The time is not in the body, or is there twice.
    #[error("the signed body has no one `{pointer}`")]
    MissingMember {
        /// Where it should be.
        pointer: String,
    },
    /// The id is refused.
    #[error(transparent)]
    BadId(#[from] BadDeliveryId),
    /// The timestamp is not a plain whole number.
    #[error("the timestamp is not a plain whole number")]
    BadTimestamp,
    /// No signature of the scheme's version is in the list, or none that could be one.
    #[error("there is no well-formed signature of this scheme")]
    NoSignature,
    /// More signatures than a rotation needs.
    #[error("there are more than {most} signatures of one kind")]
    TooManySignatures {
        /// How many there may be.
        most: usize,
    },
    /// The signatures are well-formed and none was made with our secrets over these bytes.
    #[error("no signature matches: another secret, or other bytes than were signed")]
    WrongSignature,
    /// As before, and what came is a form, of which some senders sign only the JSON in it.
    #[error(
        "no signature matches, and the body is a form, of which some senders sign only the JSON in it: \
         choose the content type application/json in the webhook's settings"
    )]
    WrongSignatureOfForm,
    /// It is genuine and too old, or from the future.
    #[error("it was signed {age_s} s ago, which is not fresh: a replay, or a clock that is off")]
    NotFresh {
        /// Seconds since it was signed; negative when it is yet to be.
        age_s: i64,
    },
}
