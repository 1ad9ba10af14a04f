//! How a call is made, where settings say it.

use std::time::Duration;

use reqwest::header::HeaderMap;

use super::CALL_TIMEOUT;

/// How long an answer may be, in bytes, unless settings say otherwise: 1 MiB.
pub const ANSWER_BYTES: usize = 1_024 * 1_024;

/// How a call is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manner {
    /// Sent with the request. Values that are secret are marked as sensitive, so that `Debug` does not show them.
    pub headers: HeaderMap,
    /// How long it may take, the answer's body included; 30 s unless settings say otherwise.
    pub timeout: Duration,
    /// How long the answer may be, in bytes; [`ANSWER_BYTES`] unless settings say otherwise.
    pub max_bytes: usize,
}

impl Default for Manner {
    fn default() -> Self {
        Self { headers: HeaderMap::new(), timeout: CALL_TIMEOUT, max_bytes: ANSWER_BYTES }
    }
}
