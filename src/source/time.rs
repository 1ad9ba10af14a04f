//! The time of signing: where it is, how it is written, and how far it may be from ours.

use std::borrow::Cow;

use jiff::Timestamp;

use super::refusal::VerifyError;
use super::request::{Incoming, Names, Outgoing};
use crate::json::{Pointer, find};

/// The most digits of a timestamp: more than any unit of time needs, fewer than overflow.
const TIMESTAMP_MAX_DIGITS: usize = 16;
const MILLISECONDS_PER_SECOND: i64 = 1_000;

/// How a scheme tells the time of signing, as a whole number since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) source: TimeSource,
    /// How many of its units make a second: 1, or 1,000 where it counts milliseconds.
    pub(super) per_second: i64,
}

/// Where a time is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TimeSource {
    /// In a header of its own.
    Header(Names),
    /// In the signature's header: the item that is marked with this text.
    Item(String),
    /// In the body. It is read when the signature has held.
    Body(Pointer),
}

impl TimeSource {
    /// The time as it came.
    fn read<'a>(&self, request: &Incoming<'a>) -> Result<Cow<'a, str>, VerifyError> {
        match self {
            Self::Header(names) => request.line(names).map(Cow::Borrowed),
            Self::Item(mark) => request.item(mark).map(Cow::Borrowed),
            Self::Body(pointer) => {
                let value = find(request.body, pointer);
                value
                    .map(|value| Cow::Borrowed(value.get()))
                    .ok_or_else(|| VerifyError::MissingMember { pointer: pointer.to_string() })
            }
        }
    }

    /// Puts the time where it belongs. What is in the body is the body's business.
    pub(super) fn write(&self, time: &str, request: &mut Outgoing) {
        match self {
            Self::Header(names) => request.add_line(names, time),
            Self::Item(mark) => request.items.push(format!("{mark}{time}")),
            Self::Body(_) => {}
        }
    }
}

/// When a delivery says that it was signed.
pub(super) struct SignedAt<'a> {
    /// As it was signed.
    pub(super) text: Cow<'a, str>,
    /// In the units of the scheme.
    units: i64,
    time: &'a Time,
}

impl Time {
    /// When the request says that it was signed.
    pub(super) fn read<'a>(&'a self, request: &Incoming<'a>) -> Result<SignedAt<'a>, VerifyError> {
        let text = self.source.read(request)?;
        let units = whole_number(&text)?;
        Ok(SignedAt { text, units, time: self })
    }

    /// The text for a time, unless it is before 1970.
    pub(super) fn text(&self, at: Timestamp) -> Option<String> {
        let units = self.units(at);
        (units > 0).then(|| units.to_string())
    }

    fn units(&self, at: Timestamp) -> i64 {
        at.as_millisecond() / (MILLISECONDS_PER_SECOND / self.per_second)
    }
}

impl SignedAt<'_> {
    /// How long ago it was signed, in seconds, if that is not too long ago nor too far ahead: in whole units, as
    /// the sender has nothing finer and as the reference libraries do.
    pub(super) fn check_fresh(&self, now: Timestamp, tolerance_s: i64) -> Result<i64, VerifyError> {
        let per_second = self.time.per_second;
        let age = self.time.units(now) - self.units;
        let age_s = age / per_second;
        if age.abs() > tolerance_s * per_second { Err(VerifyError::NotFresh { age_s }) } else { Ok(age_s) }
    }
}

/// Reads `[1-9][0-9]{0,15}`. One spelling per time: a laxer reader would let the text that was
/// signed and the time that is compared part ways.
fn whole_number(timestamp: &str) -> Result<i64, VerifyError> {
    let digits = timestamp.bytes().all(|b| b.is_ascii_digit());
    if digits && timestamp.len() <= TIMESTAMP_MAX_DIGITS && !timestamp.starts_with('0') {
        timestamp.parse().map_err(|_empty| VerifyError::BadTimestamp)
    } else {
        Err(VerifyError::BadTimestamp)
    }
}
