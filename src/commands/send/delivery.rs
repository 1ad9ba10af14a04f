//! A file on its way: what was answered, what became of it, and what is wrong with that.

use std::path::Path;

use serde_json::value::RawValue;

use super::change::Change;
use super::problem::Problem;
use crate::exit::Exit;

/// A file, and what became of it.
pub(super) struct Delivery {
    /// Its name as it was given.
    pub(super) file: String,
    /// Its id; none if it was not signed.
    pub(super) id: Option<String>,
    /// The status of the answer, if there was one.
    pub(super) status: Option<u16>,
    /// The answer's body; as a JSON string if it was no JSON.
    pub(super) answer: Option<Box<RawValue>>,
    pub(super) ending: Ending,
}

/// What became of a file.
pub(super) enum Ending {
    /// It is on disk there, and that is all that is known.
    Accepted,
    /// It was accepted, and its changes stand like this. Some may be pending still.
    Followed(Vec<Change>),
    /// It was accepted, and nobody tells what became of it.
    Lost(Problem),
    /// It had been accepted before.
    Duplicate,
    /// No route wants it.
    Ignored,
    Refused(Problem),
    /// Nothing came back.
    Unanswered(Problem),
    Unsent(Problem),
}

impl Delivery {
    /// A file that was not sent, since an earlier one went unanswered.
    pub(super) fn unsent(path: &Path) -> Self {
        let problem = Problem {
            exit: Exit::Unreachable,
            what: "an earlier file went unanswered".to_owned(),
            fix: "send it after that one".to_owned(),
        };
        let file = path.to_string_lossy().into_owned();
        Self { file, id: None, status: None, answer: None, ending: Ending::Unsent(problem) }
    }

    /// What is wrong with its ending, if anything.
    pub(super) fn problem(&self) -> Option<Problem> {
        match &self.ending {
            Ending::Accepted | Ending::Duplicate | Ending::Ignored => None,
            Ending::Followed(changes) => changes.iter().find_map(Change::problem),
            Ending::Lost(problem)
            | Ending::Refused(problem)
            | Ending::Unanswered(problem)
            | Ending::Unsent(problem) => Some(problem.clone()),
        }
    }

    /// What became of it, in a line.
    pub(super) fn line(&self) -> String {
        let status = self.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        format!("{}  {status}  {}", self.file, self.ending.line())
    }
}

impl Ending {
    fn line(&self) -> String {
        match self {
            Self::Accepted => "accepted, not followed".to_owned(),
            Self::Followed(changes) => changes.iter().map(Change::line).collect::<Vec<_>>().join("; "),
            Self::Lost(problem) => format!("accepted, and cannot be followed: {}", problem.what),
            Self::Duplicate => "duplicate: it was accepted before".to_owned(),
            Self::Ignored => "ignored: no route wants it".to_owned(),
            Self::Refused(problem) => format!("refused: {}", problem.what),
            Self::Unanswered(problem) => problem.what.clone(),
            Self::Unsent(problem) => format!("not sent: {}", problem.what),
        }
    }
}
