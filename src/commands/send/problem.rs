//! Why a file has come to no good end, and the next step.

use crate::exit::Exit;

/// Why something is no good end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) exit: Exit,
    pub(super) what: String,
    /// The next step.
    pub(super) fix: String,
}
