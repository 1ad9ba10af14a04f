//! A change as the admin API tells it.

use flowhook::change::{Seq, State};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::problem::Problem;
use crate::commands::listener::one_line;
use crate::exit::Exit;

/// What `/api/deliveries/{source}/{id}` says of one change.
pub(crate) struct Change {
    told: Told,
    /// All that was said, spelt as it was: versions may be larger than any number type.
    pub(crate) raw: Box<RawValue>,
}

#[derive(Deserialize)]
struct Told {
    seq: Seq,
    flow: String,
    state: State,
    reason: Option<String>,
    version: Option<Box<RawValue>>,
    received_at: Timestamp,
    settled_at: Option<Timestamp>,
}

impl Change {
    /// The changes of a delivery.
    pub(crate) fn all_of(delivery: &str) -> Result<Vec<Self>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Delivery {
            changes: Vec<Box<RawValue>>,
        }
        let Delivery { changes } = serde_json::from_str(delivery)?;
        let change = |raw: Box<RawValue>| Ok(Self { told: serde_json::from_str(raw.get())?, raw });
        changes.into_iter().map(change).collect()
    }

    pub(crate) fn state(&self) -> State {
        self.told.state
    }

    pub(crate) fn seq(&self) -> Seq {
        self.told.seq
    }

    /// The flow's version that has it, spelt as it was.
    pub(crate) fn version(&self) -> Option<&str> {
        self.told.version.as_deref().map(RawValue::get)
    }

    /// Why it has come to no good end, if it has not.
    pub(crate) fn problem(&self) -> Option<Problem> {
        let Told { seq, flow, .. } = &self.told;
        let because = self.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
        match self.told.state {
            State::Published | State::Unchanged | State::Superseded | State::Discarded => None,
            State::Failed => Some(Problem {
                exit: Exit::Other,
                what: format!("change {seq} of flow `{flow}` failed{because}"),
                fix: "mend that, and send the file again".to_owned(),
            }),
            State::Pending => Some(Problem {
                exit: Exit::TryLater,
                what: format!("change {seq} of flow `{flow}` is still pending{because}"),
                fix: format!(
                    "it is on disk and goes on by itself: ask /api/changes/{seq} later, or give a longer --wait"
                ),
            }),
        }
    }

    /// Where it stands, for a line.
    pub(crate) fn line(&self) -> String {
        let mut line = self.told.state.as_str().to_owned();
        if let Some(version) = self.version() {
            let joint = if self.told.state == State::Published { "as" } else { "in" };
            line.push_str(&format!(" {joint} version {version}"));
        }
        if let Some(settled_at) = self.told.settled_at {
            let took = settled_at.duration_since(self.told.received_at);
            line.push_str(&format!(", {} ms", took.as_millis()));
        }
        if let Some(reason) = self.reason() {
            line.push_str(&format!(": {reason}"));
        }
        line
    }

    fn reason(&self) -> Option<String> {
        self.told.reason.as_deref().map(one_line)
    }
}

#[cfg(test)]
mod tests {
    use super::Change;
    use crate::exit::Exit;

    fn change(members: &str) -> Change {
        let delivery = format!(
            r#"{{"source":"config","id":"msg_1","state":"accepted","changes":[{{"seq":7,"flow":"f","node":"n","received_at":"2026-01-05T06:00:00Z",{members}}}]}}"#
        );
        let mut changes = Change::all_of(&delivery).expect("it is an answer of the admin API");
        changes.pop().expect("one change")
    }

    #[test]
    fn a_change_tells_its_state_its_version_its_time_and_its_reason() {
        let check = |members: &str, expected: &str| assert_eq!(change(members).line(), expected);
        let settled = r#""settled_at":"2026-01-05T06:00:01.056Z""#;
        check(
            &format!(r#""state":"published","version":12345678901234567890123,{settled}"#),
            "published as version 12345678901234567890123, 1056 ms",
        );
        check(&format!(r#""state":"unchanged","version":15,{settled}"#), "unchanged in version 15, 1056 ms");
        check(&format!(r#""state":"superseded",{settled}"#), "superseded, 1056 ms");
        check(
            &format!(r#""state":"failed","reason":"no node\n`x`",{settled}"#),
            "failed, 1056 ms: no node `x`",
        );
        check(r#""state":"pending","reason":"429""#, "pending: 429");
        check(r#""state":"pending""#, "pending");
    }

    #[test]
    fn only_a_failed_and_a_pending_change_are_a_problem() {
        let check = |state: &str, exit: Option<Exit>| {
            let problem = change(&format!(r#""state":"{state}","reason":"so""#)).problem();
            assert_eq!(problem.as_ref().map(|problem| problem.exit), exit, "{state}");
            assert!(problem.is_none_or(|problem| problem.what.ends_with(": so")), "{state}");
        };
        check("published", None);
        check("unchanged", None);
        check("superseded", None);
        check("discarded", None);
        check("failed", Some(Exit::Other));
        check("pending", Some(Exit::TryLater));
    }
}
