//! The knobs by which one scheme differs from another.

use hyper::StatusCode;

use super::content::Part;
use super::id::Id;
use super::kind::Kind;
use super::refusal::{BadDeliveryId, DELIVERY_ID_MAX_BYTES};
use super::request::SignatureHeader;
use super::time::Time;

/// What there is to know about a scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its name in settings.
    pub(super) name: &'static str,
    /// Where the signatures are.
    pub(super) signature: SignatureHeader,
    /// The kinds of signatures that we can check: one, but for schemes that have one for each kind of key.
    pub(super) kinds: &'static [Kind],
    /// What they cover.
    pub(super) content: &'static [Part],
    /// The time of signing, if the scheme signs one.
    pub(super) time: Option<Time>,
    /// The id of a delivery, if the scheme has any. It must be there where it is signed.
    pub(super) id: Option<Id>,
    /// What the sender takes as success when its delivery was accepted: 202, but for those that know 200 only.
    pub(super) accepted: StatusCode,
    /// What the body begins with when the sender is set to put its JSON into a form, and signs that. Others
    /// sign the JSON in it, so that their forms are not verified.
    pub(super) form: Option<&'static str>,
}

impl Row {
    /// Whether the signature covers that part.
    pub(super) fn signs(&self, part: Part) -> bool {
        self.content.contains(&part)
    }

    /// An id must be visible ASCII, and must end where the signed content says that it ends.
    pub(super) fn check_id(&self, id: &str) -> Result<(), BadDeliveryId> {
        let length = self.id.as_ref().and_then(|rule| rule.length);
        let without = self.ends_id();
        let fits = match length {
            Some(length) => id.len() == length,
            None => (1..=DELIVERY_ID_MAX_BYTES).contains(&id.len()),
        };
        let clean = id.bytes().all(|b| b.is_ascii_graphic()) && !without.is_some_and(|end| id.contains(end));
        if fits && clean { Ok(()) } else { Err(BadDeliveryId { length, without }) }
    }

    /// The text that ends the id in the signed content. An id must not hold it: with it in the id, the same
    /// signature would hold for another id, timestamp and body.
    fn ends_id(&self) -> Option<&'static str> {
        self.content.windows(2).find_map(|pair| match pair {
            [Part::Id, Part::Literal(text)] => Some(*text),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests;
