//! How a route gets values that its events do not carry.

use serde_json::value::RawValue;

use super::schema::{Mismatch, SCHEMA};
use crate::change::Variable;
use crate::http::Manner;

/// How the values of a route's thin changes are fetched, and what it reads out of the answer.
#[derive(Clone, Debug, Default)]
pub struct Fetching {
    /// How the request is made.
    pub manner: Manner,
}

impl Fetching {
    /// The values that the route takes from an answer.
    ///
    /// # Errors
    /// [`Mismatch`] when they are not there or of another type.
    pub fn read(&self, answer: &RawValue) -> Result<Vec<Variable>, Mismatch> {
        SCHEMA.variables("the answer", answer)
    }
}
