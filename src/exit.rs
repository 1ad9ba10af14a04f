//! How the program ends: its exit codes, and the errors that lead to them.

use std::fmt;
use std::process::ExitCode;

use flowhook::service::{Broken, StartError};
use flowhook::settings::Problems;
use flowhook::tenant::{Failure, Kind};

/// The exit codes: those of `sysexits.h` that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Other = 1,
    Usage = 64,
    Input = 65,
    Unreachable = 69,
    TryLater = 75,
    Permission = 77,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl serde::Serialize for Exit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

/// An error as a JSON document, for a command that was to print JSON and failed before it had a document of its
/// own.
pub(crate) fn document(error: &str, exit: Exit) -> String {
    serde_json::json!({"error": error, "exit_code": exit}).to_string()
}

/// Why a command failed: an error with its causes, and the exit code it gives.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) exit: Exit,
    error: anyhow::Error,
    /// Whether standard output has the command's own JSON document, which tells it.
    pub(crate) has_document: bool,
}

impl Failed {
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into(), has_document: false }
    }

    /// With or without a JSON document of the command's own on standard output, which tells it.
    pub(crate) fn with_document(self, has_document: bool) -> Self {
        Self { has_document, ..self }
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, anyhow::anyhow!("{message}"))
    }

    pub(crate) fn input(message: impl fmt::Display) -> Self {
        Self::new(Exit::Input, anyhow::anyhow!("{message}"))
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut causes = self.error.chain();
        if let Some(error) = causes.next() {
            write!(f, "{error}")?;
        }
        causes.try_for_each(|cause| write!(f, "\n  because: {cause}"))
    }
}

impl From<Problems> for Failed {
    fn from(problems: Problems) -> Self {
        Self::new(Exit::Usage, problems)
    }
}

impl From<StartError> for Failed {
    fn from(error: StartError) -> Self {
        Self::new(Exit::Other, error)
    }
}

impl From<Broken> for Failed {
    fn from(error: Broken) -> Self {
        Self::new(Exit::Other, error)
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        let exit = match failure.kind {
            Kind::Conflict | Kind::Throttled | Kind::GateClosed => Exit::TryLater,
            Kind::Refused | Kind::NoSuchFlow => Exit::Input,
            Kind::Forbidden | Kind::Credentials => Exit::Permission,
            Kind::Odd | Kind::Broken => Exit::Unreachable,
        };
        Self::new(exit, failure)
    }
}
