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

/// Why a command failed: an error with its causes, and the exit code it gives.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) exit: Exit,
    error: anyhow::Error,
}

impl Failed {
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
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
