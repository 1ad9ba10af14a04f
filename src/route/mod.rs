//! Routes: what a verified delivery means.

use crate::change::NewChange;
use jiff::Timestamp;

/// What the routes say of a verified body.
#[derive(Debug)]
pub enum Judgement {
    /// These changes follow from it.
    Changes(Vec<NewChange>),
    /// No route wants it.
    Ignored,
    /// It is not JSON.
    NotJson(String),
    /// A route wants it and cannot carry it out.
    Refused(String),
}

/// The routes of the service.
#[derive(Clone, Debug)]
pub struct Routes;

impl Routes {
    /// Judges a verified body that arrived at `now`.
    pub fn judge(&self, body: &[u8], now: Timestamp) -> Judgement {
        let _ = (body, now);
        Judgement::Ignored
    }
}
