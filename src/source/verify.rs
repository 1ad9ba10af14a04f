//! Verification: from a request's headers and raw bytes to a [`Verified`] delivery.
//!
//! The order is fixed: what is signed, the signature, what is not signed, freshness. Nothing looks into the body
//! before the signature has held; it need not even be UTF-8.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use hyper::HeaderMap;
use jiff::Timestamp;
use uuid::Uuid;

use super::content::{Content, Part};
use super::kind::{Candidate, Kind};
use super::refusal::{CANDIDATES_MAX, VerifyError};
use super::request::Incoming;
use super::row::Row;
use super::time::SignedAt;
use super::verified::Verified;
use super::{Secret, Source};

/// A step of a verification, in the order in which they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The delivery's id.
    Id,
    /// The time of signing, as it is written.
    Timestamp,
    /// The signatures that could be ours.
    Signatures,
    /// The secret that made one of them.
    Secret,
    /// How long ago it was signed.
    Freshness,
}

/// Where a request failed, and why.
pub(super) struct Failed {
    pub(super) step: Step,
    pub(super) why: VerifyError,
}

/// Is told what each step has found.
pub(super) type Witness<'w> = dyn FnMut(Step, fmt::Arguments<'_>) + 'w;

impl Source {
    /// Checks that this source signed `body` as the delivery that `headers` name, and, where its scheme
    /// signs the time, not long before or after `now`.
    ///
    /// # Errors
    /// [`VerifyError`], for the log only: a sender is never told which it was.
    pub fn verify(&self, headers: HeaderMap, body: Bytes, now: Timestamp) -> Result<Verified, VerifyError> {
        let id = self.check(&headers, &body, now, &mut |_, _| {}).map_err(|failed| failed.why)?;
        Ok(Verified::new(self, id, headers, body, now))
    }

    /// Takes every step, and returns the delivery's id.
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
        witness: &mut Witness<'_>,
    ) -> Result<String, Failed> {
        let row = self.scheme.row();
        let request = Incoming { headers, signature: &row.signature, body };
        let mut checking = Checking { row, request, witness };
        let (signs_id, signs_time) = (row.signs(&Part::Id), row.signs(&Part::Timestamp));

        let signed_id = if signs_id { checking.id()? } else { None };
        let signed_at = if signs_time { checking.time()? } else { None };
        let candidates = checking.candidates()?;
        let content = Content {
            parts: &row.content,
            id: signed_id.as_deref().unwrap_or_default(),
            timestamp: signed_at.as_ref().map(|time| &*time.text).unwrap_or_default(),
            body,
        };
        checking.secret(&self.secrets, &candidates, &content)?;
        let id = if signs_id { signed_id } else { checking.id()? };
        let signed_at = if signs_time { signed_at } else { checking.time()? };
        // Only now, so that an outsider cannot sound out our clock.
        if let Some(signed_at) = signed_at {
            checking.freshness(&signed_at, now, self.terms.tolerance_s)?;
        }
        Ok(id.map_or_else(|| Uuid::now_v7().to_string(), Cow::into_owned))
    }
}

/// A request on its way through the steps.
struct Checking<'c, 'w> {
    row: &'c Row,
    request: Incoming<'c>,
    witness: &'c mut Witness<'w>,
}

impl<'c> Checking<'c, '_> {
    /// The id of the delivery; nothing if the scheme does not sign it and there is none, or none that can be one.
    fn id(&mut self) -> Result<Option<Cow<'c, str>>, Failed> {
        let Some(rule) = &self.row.id else { return Ok(None) };
        let is_signed = self.row.signs(&Part::Id);
        let read = rule.source.read(&self.request, is_signed).and_then(|id| {
            id.as_deref().map_or(Ok(()), |id| self.row.check_id(id))?;
            Ok(id)
        });
        let id = match read {
            // Anybody on the way could have made it so, and the delivery is genuine all the same.
            Err(why) if !is_signed => {
                (self.witness)(Step::Id, format_args!("it cannot be one, so it gets one of ours: {why}"));
                return Ok(None);
            }
            read => read.map_err(|why| Failed { step: Step::Id, why })?,
        };
        match &id {
            Some(id) => (self.witness)(Step::Id, format_args!("it is `{id}`")),
            None => (self.witness)(Step::Id, format_args!("there is none, so it gets one of ours")),
        }
        Ok(id)
    }

    /// The time of signing, which must be there if the scheme has one.
    fn time(&mut self) -> Result<Option<SignedAt<'c>>, Failed> {
        let Some(time) = &self.row.time else { return Ok(None) };
        let read = time.read(&self.request).map_err(|why| Failed { step: Step::Timestamp, why })?;
        (self.witness)(Step::Timestamp, format_args!("it is {}", read.text));
        Ok(Some(read))
    }

    /// The signatures that could be ours: those of other kinds and those that no key could make (empty, too
    /// short, an odd spelling) are skipped, as they match nothing.
    fn candidates(&mut self) -> Result<Vec<Candidate<'c>>, Failed> {
        let failed = |why| Failed { step: Step::Signatures, why };
        let items = self.request.items().map_err(failed)?;
        let row = self.row;
        let ours: Vec<_> = items.filter_map(|item| marked(row, item)).take(CANDIDATES_MAX + 1).collect();
        if ours.len() > CANDIDATES_MAX {
            return Err(failed(VerifyError::TooManySignatures { most: CANDIDATES_MAX }));
        }
        let candidates: Vec<_> = ours.into_iter().filter_map(|(kind, text)| kind.candidate(text)).collect();
        for kind in &row.kinds {
            let most = kind.algorithm.candidates_max();
            if candidates.iter().filter(|candidate| candidate.kind == kind).count() > most {
                return Err(failed(VerifyError::TooManySignatures { most }));
            }
        }
        if candidates.is_empty() {
            return Err(failed(VerifyError::NoSignature));
        }
        (self.witness)(Step::Signatures, format_args!("{} could be ours", candidates.len()));
        Ok(candidates)
    }

    /// Tries every secret with every signature, whichever matches first.
    fn secret(
        &mut self,
        secrets: &[Secret],
        candidates: &[Candidate<'_>],
        content: &Content<'_>,
    ) -> Result<(), Failed> {
        let tried: Vec<bool> =
            secrets.iter().map(|secret| secret.made_any(candidates, content).into()).collect();
        let Some(matched) = tried.iter().position(|matched| *matched) else {
            let is_form = self.row.is_form(content.body);
            let why = if is_form { VerifyError::WrongSignatureOfForm } else { VerifyError::WrongSignature };
            return Err(Failed { step: Step::Secret, why });
        };
        let number = matched + 1;
        (self.witness)(Step::Secret, format_args!("number {number} of {} made one of them", tried.len()));
        Ok(())
    }

    fn freshness(&mut self, at: &SignedAt<'_>, now: Timestamp, tolerance_s: i64) -> Result<(), Failed> {
        let fresh = at.check_fresh(now, tolerance_s);
        let age_s = fresh.map_err(|why| Failed { step: Step::Freshness, why })?;
        (self.witness)(
            Step::Freshness,
            format_args!("it was signed {age_s} s ago, and {tolerance_s} s either way are allowed"),
        );
        Ok(())
    }
}

/// The kind of which a signature is marked to be, and what stands after the mark.
fn marked<'r>(row: &'r Row, item: &'r str) -> Option<(&'r Kind, &'r str)> {
    row.kinds.iter().find_map(|kind| Some((kind, item.strip_prefix(kind.prefix.as_str())?)))
}
