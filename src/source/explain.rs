//! A verification that says what it does, for people.

use std::fmt;

use hyper::HeaderMap;
use jiff::Timestamp;

use super::verify::{Failed, Step};
use super::{Source, VerifyError};

/// A step of a verification and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub step: Step,
    /// What was found, in words, or why the request goes no further.
    pub outcome: Result<String, VerifyError>,
}

impl Source {
    /// What [`verify`](Self::verify) would do with a request: every step that it would take, in order. Only the last
    /// one can have failed; if it has not, the request is a delivery.
    pub fn explain(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Vec<Check> {
        let mut checks = Vec::new();
        let mut witness =
            |step, found: fmt::Arguments<'_>| checks.push(Check { step, outcome: Ok(found.to_string()) });
        let checked = self.check(headers, body, now, &mut witness);
        if let Err(Failed { step, why }) = checked {
            checks.push(Check { step, outcome: Err(why) });
        }
        checks
    }
}

/// As people call it.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id => "the delivery's id",
            Self::Timestamp => "the time of signing",
            Self::Signatures => "the signatures",
            Self::Secret => "the secret",
            Self::Freshness => "freshness",
        })
    }
}
