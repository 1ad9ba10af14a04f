//! Why a request is turned away before anybody looks at its signature.

use std::fmt;

use reqwest::StatusCode;

/// What is wrong with a request from outside.
pub(super) enum TurnedAway {
    /// Its body went through a coding.
    Encoded,
    /// Its body is longer than its source may send.
    TooLarge { bytes: usize, limit: usize },
}

impl TurnedAway {
    /// What its sender is answered.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}

impl fmt::Display for TurnedAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoded => f.write_str(
                "the body has a `Content-Encoding`, and signatures cover the bytes before it: have it sent without",
            ),
            Self::TooLarge { bytes, limit } => write!(
                f,
                "the body has {bytes} bytes, and its source may send {limit}: set its `body_bytes` if that is meant"
            ),
        }
    }
}
