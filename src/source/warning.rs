//! What is to be said at start-up about a source that can be used.

use std::fmt;

use super::scheme::Scheme;
use super::secret::ShortSecret;

/// What is not as it should be with a source that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A secret is easy to guess.
    Short(ShortSecret),
    /// It signs with SHA-1.
    Dated(Scheme),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(short) => short.fmt(f),
            Self::Dated(scheme) => write!(
                f,
                "`{}` signs with HMAC-SHA1, which holds and is dated: where the sender has another way, use that",
                scheme.name()
            ),
        }
    }
}
