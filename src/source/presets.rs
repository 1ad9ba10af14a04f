//! The table of schemes, one row each. A new sender is a new row here, and a file of deliveries as it signs
//! them, `fixtures/signatures/NAME.json`.

use hyper::StatusCode;

use super::algorithm::Algorithm::HmacSha256;
use super::content::Part::{Body, Id as SignedId, Literal, Timestamp};
use super::encoding::Encoding;
use super::id::{Id, IdSource};
use super::key::KeyEncoding;
use super::kind::Kind;
use super::request::SignatureHeader;
use super::row::Row;
use super::time::{Time, TimeSource};

/// Every scheme.
pub(super) static ROWS: &[&Row] = &[&STANDARD_WEBHOOKS, &GITHUB];

/// The tolerance is that of the reference libraries; the specification only asks for some.
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
pub(super) static STANDARD_WEBHOOKS: Row = Row {
    name: "standard-webhooks",
    signature: SignatureHeader { names: &["webhook-signature"], separator: Some(' ') },
    kinds: &[Kind {
        key: KeyEncoding::Standard,
        algorithm: HmacSha256,
        prefix: "v1,",
        encoding: Encoding::Base64,
    }],
    content: &[SignedId, Literal("."), Timestamp, Literal("."), Body],
    time: Some(Time { source: TimeSource::Header(&["webhook-timestamp"]), per_second: 1, tolerance_s: 300 }),
    id: Some(Id { source: IdSource::Header(&["webhook-id"]), length: None }),
    accepted: StatusCode::ACCEPTED,
    form: None,
};

/// The id is the same when a person has GitHub send the delivery again. The `X-Hub-Signature` beside it is
/// SHA-1 for receivers of long ago.
/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>
pub(super) static GITHUB: Row = Row {
    name: "github",
    signature: SignatureHeader { names: &["x-hub-signature-256"], separator: None },
    kinds: &[Kind {
        key: KeyEncoding::Utf8,
        algorithm: HmacSha256,
        prefix: "sha256=",
        encoding: Encoding::Hex,
    }],
    content: &[Body],
    time: None,
    id: Some(Id { source: IdSource::Header(&["x-github-delivery"]), length: None }),
    accepted: StatusCode::ACCEPTED,
    form: Some("payload="),
};
