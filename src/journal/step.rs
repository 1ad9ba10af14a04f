//! What the worker writes into the journal, and reads back from it.

use std::ops::Not;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Acted, Chosen, Drift, Mark, Reach, Tally, Verb};
use crate::change::{FlowId, NodeId, Seq, State, Values, Wanted, present};

/// What a change contends for: one variable, with `replace` the whole list, with `patch` the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The whole list of variables of a node.
    List,
    /// The variable of that name.
    Variable(String),
    /// The node's `configuration`, without its variables.
    Configuration,
    /// One member of that, as far as is written down what was changed: nobody contends for it alone.
    Member(String),
}

impl Target {
    /// The target's name in the journal: `*`, `=` and the variable's name, `{}`, or `.` and the member's name.
    pub fn encode(&self) -> String {
        match self {
            Self::List => "*".to_owned(),
            Self::Variable(name) => format!("={name}"),
            Self::Configuration => "{}".to_owned(),
            Self::Member(name) => format!(".{name}"),
        }
    }

    /// The target of that name in the journal.
    pub fn decode(text: &str) -> Option<Self> {
        match text {
            "*" => Some(Self::List),
            "{}" => Some(Self::Configuration),
            _ => {
                let variable = text.strip_prefix('=').map(|name| Self::Variable(name.to_owned()));
                variable.or_else(|| text.strip_prefix('.').map(|name| Self::Member(name.to_owned())))
            }
        }
    }
}

/// How a change ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// The change.
    pub seq: Seq,
    /// Its last state.
    pub state: State,
    /// Why it failed, or what is to be noted with it.
    pub reason: Option<String>,
}

/// One value that a PUT writes, and what stood there before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Edit {
    /// The change that wants it.
    pub seq: Seq,
    /// The node's id.
    pub node: String,
    /// Variable, whole list or member.
    pub target: Target,
    /// The JSON text before; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub previous: Option<Box<RawValue>>,
    /// Whether there was an entry of that name before, without a value.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub was_valueless: bool,
    /// The JSON text after; absent if it is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub value: Option<Box<RawValue>>,
}

/// What a PUT will mean if it lands. Committed before the PUT leaves, so that a lost answer can be
/// decided by reading the flow.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Plan {
    /// The endings of its changes; `published` ones get the version that lands.
    pub endings: Vec<Ending>,
    /// The marks that move.
    pub marks: Vec<Mark>,
    /// Every value it writes.
    pub edits: Vec<Edit>,
}

/// A PUT, from before it leaves until its outcome is known.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// A UUID of ours.
    pub id: String,
    /// The flow it is for.
    pub flow: FlowId,
    /// The version that it carries, as the tenant spelt it.
    pub base_version: String,
    /// What it means if it lands.
    pub plan: Plan,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It landed.
    Published,
    /// The tenant said that it did not take it.
    Refused,
    /// Its answer was lost, and reading showed that it is not there.
    Lost,
}

impl Outcome {
    /// The outcome's name in the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

/// The end of a turn: what became of the attempt, if there was one, and of its changes.
#[derive(Clone, Debug, Default)]
pub struct Settlement {
    /// The attempt and its outcome.
    pub attempt: Option<(String, Outcome)>,
    /// The changes that end now.
    pub endings: Vec<Ending>,
    /// The version that `published` changes are in.
    pub version: Option<String>,
    /// The marks that move.
    pub marks: Vec<Mark>,
}

/// Until when no call may be started at the tenant, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateEnd {
    /// The first moment at which a call may be started.
    pub until: Timestamp,
    /// What closed the gate.
    pub reason: String,
}

/// What came back for thin changes.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// Their values, stored with them.
    Values(Values),
    /// Values that do not fit: the changes fail.
    Unfit(String),
    /// Nothing: the changes wait, because of this.
    Nothing(String),
}

/// One entry of the worker, or of an operator, in a group commit.
#[derive(Clone, Debug)]
pub enum Step {
    /// A PUT is about to leave.
    Attempt(Box<Attempt>),
    /// A turn's endings, in one transaction.
    Settle {
        /// The flow that the turn was for, and whose changes end.
        flow: FlowId,
        /// What ends.
        settlement: Settlement,
    },
    /// Pending changes wait: why, and how much their lane's back-off adds.
    Hold {
        /// The changes.
        seqs: Vec<Seq>,
        /// What they wait for.
        reason: String,
        /// The back-off that begins now, in milliseconds.
        for_ms: i64,
    },
    /// The values of thin changes were asked for.
    Fetched {
        /// What they waited for.
        wanted: Wanted,
        /// The last change that was waiting when the fetch began.
        up_to: Seq,
        /// What came back.
        fetched: Fetched,
    },
    /// What of some nodes does not hold what was last applied to it: all that does not, and with nothing nothing.
    Drift {
        /// The flow.
        flow: FlowId,
        /// The nodes that were looked at.
        nodes: Vec<NodeId>,
        /// What differs.
        found: Vec<Drift>,
    },
    /// The tenant's gate was closed. That it opened is not written: an end that is past says so.
    Gate(GateEnd),
    /// Drop what ended before a time, at most so many rows of each table, and no longer than senders can wait.
    Prune {
        /// What ended before this goes.
        before: Timestamp,
        /// The bound on one commit's work.
        at_most: u32,
    },
    /// An operator's verb.
    Act {
        /// What is to be done.
        verb: Verb,
        /// To which changes.
        chosen: Chosen,
    },
    /// An operator's word: these changes are to be rolled back.
    Rollback {
        /// The changes.
        seqs: Vec<Seq>,
    },
    /// An operator says to publish nothing for now.
    Pause {
        /// Of what.
        reach: Reach,
        /// Why, if it is said.
        reason: Option<String>,
    },
    /// An operator says to go on.
    Resume {
        /// With what.
        reach: Reach,
    },
    /// Writes, and changes nothing: tells whether the journal takes commits again.
    Probe,
}

/// What became of a step in a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is written.
    Written {
        /// The changes that stopped being pending by it.
        ended: Tally,
    },
    /// Nothing of it is written: it rests on a change that a person has discarded since it was read, or on a flow
    /// that a person has paused since.
    Stale,
    /// An operator's verb was carried out.
    Acted(Acted),
    /// What is old was dropped, as much as one commit may take.
    Pruned {
        /// Whether there may be more.
        more: bool,
    },
}
