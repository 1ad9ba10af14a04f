//! What orders the events of a source, by its own word.

use jiff::{SignedDuration, Timestamp};

use super::definition::{OrderDefinition, OrderKind};
use super::place::{Place, Scene};
use super::problem::Problems;
use super::refusal::Refusal;
use crate::change::{OrderKey, shorten};

/// How far in the future an event's time may be: a sender's clock may be fast, not wrong. Without a bound
/// one event from the year 3000 would win against every later one.
const AHEAD_AT_MOST: SignedDuration = SignedDuration::from_secs(300);
/// How many digits of a second's fraction count.
const FRACTION_DIGITS: usize = 9;

impl OrderKind {
    /// What it must be, in words.
    fn as_str(self) -> &'static str {
        match self {
            Self::Time => "an RFC 3339 time",
            Self::Seconds => "a time in seconds since 1970",
            Self::Milliseconds => "a time in milliseconds since 1970",
            Self::Revision => "a whole number from 0 to 18446744073709551615",
        }
    }
}

/// Where a route's order keys are, and what they are.
#[derive(Clone, Debug)]
pub(super) struct OrderBy {
    place: Place,
    kind: OrderKind,
}

impl OrderBy {
    pub(super) fn new(definition: &OrderDefinition, problems: &mut Problems) -> Option<Self> {
        let OrderDefinition { at, header, kind } = definition;
        let place = Place::new(at.as_deref(), header.as_deref(), "order_by", problems)?;
        Some(Self { place, kind: *kind })
    }

    /// Whether it is of the body, which signatures cover.
    pub(super) fn is_in_body(&self) -> bool {
        matches!(self.place, Place::At(_))
    }

    /// The order key of an event. One that has none is refused: whoever leaves it out would win.
    pub(super) fn key(&self, scene: Scene<'_, '_>, now: Timestamp) -> Result<OrderKey, Refusal> {
        let place = || self.place.to_string();
        let found = self.place.find(scene)?.ok_or_else(|| Refusal::NoOrderKey(place()))?;
        let is_text = found.starts_with('"');
        let text: String =
            if is_text { serde_json::from_str(&found).unwrap_or_default() } else { found.to_string() };
        let wrong =
            || Refusal::BadOrderKey { place: place(), expected: self.kind.as_str(), found: shorten(&found) };
        let time = match self.kind {
            OrderKind::Time => rfc3339(&text).filter(|_| is_text),
            OrderKind::Seconds => since_1970(&text, 1),
            OrderKind::Milliseconds => since_1970(&text, 1_000),
            OrderKind::Revision => return whole(&text).map(OrderKey::Revision).ok_or_else(wrong),
        };
        not_ahead(&place(), time.ok_or_else(wrong)?, now)
    }
}

/// A time by RFC 3339. jiff also reads times with a zone in brackets, which that does not have.
pub(super) fn rfc3339(text: &str) -> Option<Timestamp> {
    text.parse().ok().filter(|_| !text.contains('['))
}

/// The order key that a time is, unless it is too far in the future. `what` names it.
pub(super) fn not_ahead(what: &str, time: Timestamp, now: Timestamp) -> Result<OrderKey, Refusal> {
    if time.duration_since(now) > AHEAD_AT_MOST {
        Err(Refusal::AheadOfTime(what.to_owned(), time))
    } else {
        Ok(OrderKey::Time(time))
    }
}

/// A time as so many units since 1970, of which a second has `units`: digits, and perhaps a fraction, of which
/// nanoseconds count.
fn since_1970(text: &str, units: i128) -> Option<Timestamp> {
    let (whole_units, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let counted = &fraction[..fraction.len().min(FRACTION_DIGITS)];
    let fraction: i128 = format!("{counted:0<FRACTION_DIGITS$}").parse().ok()?;
    let billionths = i128::from(whole(whole_units)?) * 1_000_000_000 + fraction;
    Timestamp::from_nanosecond(billionths / units).ok()
}

/// A whole number, digits only.
fn whole(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}
