//! A scheme, ready to be used: what its definition says, checked and taken apart.

use hyper::StatusCode;

use super::content::Part;
use super::handshake::Handshake;
use super::id::Id;
use super::kind::Kind;
use super::refusal::{BadDeliveryId, DELIVERY_ID_MAX_BYTES};
use super::request::SignatureHeader;
use super::time::Time;

/// What there is to know about a scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its name in settings.
    pub(super) name: String,
    /// Where the signatures are.
    pub(super) signature: SignatureHeader,
    /// The kinds of signatures that we can check: one, but for schemes that have one for each kind of key.
    pub(super) kinds: Vec<Kind>,
    /// What they cover.
    pub(super) content: Vec<Part>,
    /// The time of signing, if the scheme signs one.
    pub(super) time: Option<Time>,
    /// The id of a delivery, if the scheme has any. It must be there where it is signed.
    pub(super) id: Option<Id>,
    /// What the sender asks before it delivers anything.
    pub(super) handshake: Handshake,
    /// What the body begins with when the sender is set to put its JSON into a form. Some sign the form, others only
    /// the JSON in it, so that their forms are not verified.
    pub(super) form: Option<String>,
    /// What the sender takes as success when its delivery was accepted.
    pub(super) accepted: StatusCode,
}

impl Row {
    /// Whether the signature covers that part.
    pub(super) fn signs(&self, part: &Part) -> bool {
        self.content.contains(part)
    }

    /// Whether a body is a form with JSON in it.
    pub(super) fn is_form(&self, body: &[u8]) -> bool {
        self.form.as_ref().is_some_and(|form| body.starts_with(form.as_bytes()))
    }

    /// An id must be visible ASCII, and must end where the signed content says that it ends.
    pub(super) fn check_id(&self, id: &str) -> Result<(), BadDeliveryId> {
        let length = self.id.as_ref().and_then(|rule| rule.length);
        let end = self.ends_id();
        let fits = match length {
            Some(length) => id.len() == length,
            None => (1..=DELIVERY_ID_MAX_BYTES).contains(&id.len()),
        };
        let graphic = id.bytes().all(|b| b.is_ascii_graphic());
        if fits && graphic && end.is_none_or(|end| is_ended_by(id.as_bytes(), end.as_bytes())) {
            Ok(())
        } else {
            Err(BadDeliveryId { length, without: end.map(str::to_owned) })
        }
    }

    /// The text that ends the id in the signed content. An id must not hold it: with it in the id, the same
    /// signature would hold for another id, timestamp and body.
    fn ends_id(&self) -> Option<&str> {
        self.content.windows(2).find_map(|pair| match pair {
            [Part::Id, Part::Literal(text)] => Some(text.as_str()),
            _ => None,
        })
    }
}

/// Whether an end that follows an id is first found where it begins: not within the id, nor from within it.
fn is_ended_by(id: &[u8], end: &[u8]) -> bool {
    // What follows each place in the id is not the end.
    (0..id.len()).all(|from| id[from..].iter().chain(end).zip(end).any(|(there, of_end)| there != of_end))
}

#[cfg(test)]
mod tests {
    use super::is_ended_by;

    #[test]
    fn an_id_is_ended_by_what_is_first_found_behind_it() {
        let texts = ["", "a", "b", "ab", "aa", "aab", "aba", "abab", "abaab", "bab"];
        for id in texts {
            for end in &texts[1..] {
                let expected = format!("{id}{end}").find(end) == Some(id.len());
                assert_eq!(is_ended_by(id.as_bytes(), end.as_bytes()), expected, "{id:?}, {end:?}");
            }
        }
    }
}
