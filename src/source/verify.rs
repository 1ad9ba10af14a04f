//! Verification: from a request's headers and raw bytes to a [`Verified`] delivery.
//!
//! The order is fixed: what is signed, the signature, what is not signed, freshness. Nothing here looks into
//! the body, which need not even be UTF-8.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use hyper::HeaderMap;
use jiff::Timestamp;
use subtle::Choice;
use uuid::Uuid;

use super::content::{Content, Part};
use super::kind::{Candidate, Kind};
use super::refusal::{CANDIDATES_MAX, VerifyError};
use super::request::Incoming;
use super::row::Row;
use super::time::SignedAt;
use super::{Scheme, Secret, Source};
use crate::change::SourceName;

/// A delivery whose source and body, and whose id if its scheme signs one, are what the source signed. Only
/// [`Source::verify`] makes one.
pub struct Verified {
    source: SourceName,
    scheme: Scheme,
    id: String,
    headers: HeaderMap,
    body: Bytes,
    received_at: Timestamp,
}

impl Verified {
    /// The source that signed it.
    pub fn source(&self) -> &SourceName {
        &self.source
    }

    /// How it was signed.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The source's id for it: visible ASCII, at most [`DELIVERY_ID_MAX_BYTES`](super::DELIVERY_ID_MAX_BYTES). Where the source gave none
    /// it is one of ours, and new: what comes twice without an id cannot be told from two deliveries.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The headers of the request. What is not part of the signed content anybody can have written.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The bytes as they came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Whether the body is a form with JSON in it, as the source can be told to send it.
    pub fn is_form(&self) -> bool {
        self.scheme.row().form.is_some_and(|form| self.body.starts_with(form.as_bytes()))
    }

    /// When it arrived, by our clock.
    pub fn received_at(&self) -> Timestamp {
        self.received_at
    }
}

/// Without headers and body, which may hold what is nobody's business in a log.
impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, id, body, received_at, scheme: _, headers: _ } = self;
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
        let request = Incoming { headers, signature: &row.signature, body: &body };
        let id = |is_wanted: bool| if is_wanted { read_id(row, &request) } else { Ok(None) };
        let time = |is_wanted: bool| if is_wanted { read_time(row, &request) } else { Ok(None) };
        let (signs_id, signs_time) = (row.signs(Part::Id), row.signs(Part::Timestamp));

        let (signed_id, signed_at) = (id(signs_id)?, time(signs_time)?);
        let candidates = candidates(row, &request)?;
        let content = Content {
            parts: row.content,
            id: signed_id.as_deref().unwrap_or_default(),
            timestamp: signed_at.as_ref().map(|time| &*time.text).unwrap_or_default(),
            body: request.body,
        };
        if !any_matches(&self.secrets, &candidates, &content) {
            return Err(VerifyError::WrongSignature);
        }
        let (id, signed_at) = (signed_id.or(id(!signs_id)?), signed_at.or(time(!signs_time)?));
        // Only now, so that an outsider cannot sound out our clock.
        if let Some(signed_at) = signed_at {
            signed_at.check_fresh(now)?;
        }
        let id = id.map_or_else(|| Uuid::now_v7().to_string(), Cow::into_owned);
        let (source, headers) = (self.name.clone(), headers.clone());
        Ok(Verified { source, scheme: self.scheme, id, headers, body, received_at: now })
    }
}

/// The id of the delivery; nothing if there is none and the scheme does not sign it.
fn read_id<'a>(row: &Row, request: &Incoming<'a>) -> Result<Option<Cow<'a, str>>, VerifyError> {
    let Some(rule) = &row.id else { return Ok(None) };
    match rule.source.read(request) {
        Err(VerifyError::MissingHeader(_)) if !row.signs(Part::Id) => Ok(None),
        read => {
            let id = read?;
            row.check_id(&id)?;
            Ok(Some(id))
        }
    }
}

/// The time of signing, which must be there if the scheme has one.
fn read_time<'a>(row: &'static Row, request: &Incoming<'a>) -> Result<Option<SignedAt<'a>>, VerifyError> {
    row.time.as_ref().map(|time| time.read(request)).transpose()
}

/// The signatures that could be ours: those of other kinds and those that no key could make (empty, too
/// short, an odd spelling) are skipped, as they match nothing.
fn candidates(row: &'static Row, request: &Incoming<'_>) -> Result<Vec<Candidate>, VerifyError> {
    let ours: Vec<_> =
        request.items()?.filter_map(|item| marked(row, item)).take(CANDIDATES_MAX + 1).collect();
    if ours.len() > CANDIDATES_MAX {
        return Err(VerifyError::TooManySignatures);
    }
    let candidates: Vec<_> = ours.into_iter().filter_map(|(kind, text)| kind.candidate(text)).collect();
    if candidates.is_empty() { Err(VerifyError::NoSignature) } else { Ok(candidates) }
}

/// The kind of which a signature is marked to be, and what stands after the mark.
fn marked<'a>(row: &'static Row, item: &'a str) -> Option<(&'static Kind, &'a str)> {
    row.kinds.iter().find_map(|kind| Some((kind, item.strip_prefix(kind.prefix)?)))
}

/// Tries every secret with every signature, whichever matches first.
fn any_matches(secrets: &[Secret], candidates: &[Candidate], content: &Content<'_>) -> bool {
    let tried = secrets.iter().map(|secret| secret.made_any(candidates, content));
    tried.fold(Choice::from(0), |matched, one| matched | one).into()
}
