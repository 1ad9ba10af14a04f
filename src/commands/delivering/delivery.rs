//! A file on its way: what was answered, what became of it, and what is wrong with that.

use reqwest::StatusCode;
use serde_json::value::RawValue;

use super::change::Change;
use super::problem::Problem;
use crate::exit::Exit;

/// A file, and what became of it.
pub(crate) struct Delivery {
    /// Its name as it was given.
    pub(crate) file: String,
    /// Its id; none if it was not signed.
    pub(crate) id: Option<String>,
    /// The status of the answer, if there was one.
    pub(crate) status: Option<StatusCode>,
    /// The answer's body; as a JSON string if it was no JSON.
    pub(crate) answer: Option<Box<RawValue>>,
    pub(crate) ending: Ending,
}

/// What became of a file.
pub(crate) enum Ending {
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
    /// A file that was not sent.
    pub(crate) fn unsent(file: String, problem: Problem) -> Self {
        Self { file, id: None, status: None, answer: None, ending: Ending::Unsent(problem) }
    }

    /// What is wrong with its ending, if anything.
    pub(crate) fn problem(&self) -> Option<Problem> {
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
    pub(crate) fn line(&self) -> String {
        let status = self.status.as_ref().map_or("-", StatusCode::as_str);
        format!("{}  {status}  {}", self.file, self.ending.line())
    }
}

impl Ending {
    /// Whether the files after this one may be sent. After a fault that is not the file's own they would go
    /// the same way, or overtake it: sent again later, it would take back what they have brought.
    pub(crate) fn lets_others_pass(&self) -> bool {
        match self {
            Self::Accepted | Self::Followed(_) | Self::Lost(_) | Self::Duplicate | Self::Ignored => true,
            Self::Refused(problem) | Self::Unsent(problem) => problem.exit == Exit::Input,
            Self::Unanswered(_) => false,
        }
    }

    /// What is known of its changes.
    pub(crate) fn changes(&self) -> &[Change] {
        if let Self::Followed(changes) = self { changes } else { &[] }
    }

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
