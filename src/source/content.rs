//! What a signature covers: parts of a delivery, one after the other.

/// A part of the signed content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The delivery's id.
    Id,
    /// The text of the timestamp: never the number that was read from it.
    Timestamp,
    /// The body's raw bytes.
    Body,
    /// A text that is the same in every delivery; never empty.
    Literal(String),
}

/// What one delivery has for the parts that its scheme signs.
pub(super) struct Content<'a> {
    pub(super) parts: &'a [Part],
    /// Empty where the scheme does not sign it; so is the timestamp.
    pub(super) id: &'a str,
    pub(super) timestamp: &'a str,
    pub(super) body: &'a [u8],
}

impl Content<'_> {
    /// The signed bytes, part by part.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().map(|part| match part {
            Part::Id => self.id.as_bytes(),
            Part::Timestamp => self.timestamp.as_bytes(),
            Part::Body => self.body,
            Part::Literal(text) => text.as_bytes(),
        })
    }

    /// The signed bytes in one piece.
    pub(super) fn whole(&self) -> Vec<u8> {
        self.pieces().collect::<Vec<_>>().concat()
    }
}
