//! The flows that the practice tenant holds, as text, each under its version.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::human::{EditError, Human};
use super::layout::{NotAFlow, next_version, version_span};
use super::text::{member, members, span, splice};

/// The member that [`Save::Rewritten`] adds to a flow.
pub const SAVED_BY: &str = "savedBy";

/// A document as a client sent it, checked for what the tenant itself needs of it.
#[derive(Clone, Debug)]
pub(super) struct Given {
    text: Arc<str>,
    version: Range<usize>,
    /// It has no envelope `flow`.
    is_bare: bool,
}

impl Given {
    /// Checks that `text` is JSON with a `flow.version`.
    pub(super) fn read(text: &str) -> Result<Self, NotAFlow> {
        let (version, is_bare) = version_span(text)?;
        Ok(Self { version, is_bare, text: text.into() })
    }

    /// The same for bytes from the wire.
    pub(super) fn read_bytes(bytes: &[u8]) -> Result<Self, NotAFlow> {
        Self::read(std::str::from_utf8(bytes)?)
    }

    fn version(&self) -> &str {
        &self.text[self.version.clone()]
    }
}

/// How a PUT that is in order is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Save {
    /// As it was given, with the next version.
    AsGiven,
    /// With the members of the flow in reverse order and one more.
    Rewritten,
    /// Parsed and written anew.
    Parsed,
    /// As it was given, with a version that is higher by so many.
    Jumping(u32),
    /// Not at all, though the version moves.
    Dropped,
}

/// Why a PUT is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No flow of that id.
    NoSuchFlow,
    /// The flow is held with the envelope `flow` and given without it, or the other way round.
    OtherEnvelope,
    /// Another version is current.
    Conflict {
        /// The current version, as it is spelt.
        current: String,
    },
}

/// What a commit did to a flow.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    /// The flow's new version, as it is spelt.
    pub(super) version: String,
    /// What the flow held.
    pub(super) before: Arc<str>,
    /// What the client sent, or the person saved.
    pub(super) given: Arc<str>,
    /// What the flow holds now.
    pub(super) stored: Arc<str>,
}

/// A flow: its text, and the one before, which a rollback brings back and a stale read shows.
#[derive(Debug)]
struct Held {
    text: Arc<str>,
    version: String,
    previous: Option<Arc<str>>,
    is_bare: bool,
}

/// All flows by id.
#[derive(Debug, Default)]
pub(super) struct Flows(HashMap<String, Held>);

impl Flows {
    /// Takes a flow in, or replaces it. It has its envelope, unless it is to be bare.
    pub(super) fn add(&mut self, id: &str, text: &str, bare: bool) -> Result<(), NotAFlow> {
        let (version, is_bare) = version_span(text)?;
        if is_bare && !bare {
            return Err(NotAFlow::Missing("flow"));
        }
        let held = Held { version: text[version].to_owned(), text: text.into(), previous: None, is_bare };
        self.0.insert(id.to_owned(), held);
        Ok(())
    }

    /// Takes a flow away.
    pub(super) fn remove(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// The ids of all flows, sorted.
    pub(super) fn ids(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.0.keys().cloned().collect();
        ids.sort();
        ids
    }

    /// A flow's text.
    pub(super) fn text(&self, id: &str) -> Option<Arc<str>> {
        self.0.get(id).map(|held| Arc::clone(&held.text))
    }

    /// A flow's text before the last commit; the present one if there was none.
    pub(super) fn stale_text(&self, id: &str) -> Option<Arc<str>> {
        self.0.get(id).map(|held| Arc::clone(held.previous.as_ref().unwrap_or(&held.text)))
    }

    /// A flow's version, as it is spelt.
    pub(super) fn version(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(|held| held.version.as_str())
    }

    /// Whether a PUT of `given` would be refused now.
    pub(super) fn check(&self, id: &str, given: &Given) -> Result<(), Refusal> {
        let held = self.0.get(id).ok_or(Refusal::NoSuchFlow)?;
        if held.is_bare != given.is_bare {
            return Err(Refusal::OtherEnvelope);
        }
        if held.version == given.version() {
            Ok(())
        } else {
            Err(Refusal::Conflict { current: held.version.clone() })
        }
    }

    /// Saves `given` under the next version, if its version is the current one.
    pub(super) fn put(&mut self, id: &str, given: &Given, how: Save) -> Result<Saved, Refusal> {
        self.check(id, given)?;
        let held = self.0.get_mut(id).ok_or(Refusal::NoSuchFlow)?;
        let made = match how {
            Save::AsGiven | Save::Jumping(_) => None,
            Save::Rewritten => rewritten(&given.text),
            Save::Parsed => parsed(&given.text),
            Save::Dropped => Some(held.text.to_string()),
        };
        let steps = if let Save::Jumping(by) = how { by.max(1) } else { 1 };
        let text = Arc::clone(&given.text);
        Ok(match made {
            // As it came: where its version stands is known.
            None => held.commit(text, &given.text, &given.version, steps),
            Some(made) => held.commit(text, &made, &version_in(&made), steps),
        })
    }

    /// Saves a person's edit under the next version.
    pub(super) fn edit(&mut self, id: &str, edit: &Human) -> Result<Saved, EditError> {
        let held = self.0.get_mut(id).ok_or_else(|| EditError::NoSuchFlow(id.to_owned()))?;
        let edited = edit.apply(&held.text, held.previous.as_deref())?;
        Ok(held.commit(edited.as_str().into(), &edited, &version_in(&edited), 1))
    }
}

impl Held {
    /// Makes `content` the flow's text, with a version spliced in at `at` that is so many steps on.
    fn commit(&mut self, given: Arc<str>, content: &str, at: &Range<usize>, steps: u32) -> Saved {
        let mut version = self.version.clone();
        for _ in 0..steps {
            version = next_version(&version).expect("a held version was checked when it was taken in");
        }
        let stored: Arc<str> = splice(content, at, &version).into();
        let before = std::mem::replace(&mut self.text, Arc::clone(&stored));
        self.previous = Some(Arc::clone(&before));
        self.version.clone_from(&version);
        Saved { version, before, given, stored }
    }
}

/// Where the version stands in what is to be saved.
fn version_in(content: &str) -> Range<usize> {
    version_span(content).expect("content to be saved was checked when it was taken in").0
}

/// The document with the members of its flow in reverse order and [`SAVED_BY`] before them.
fn rewritten(text: &str) -> Option<String> {
    let document = members(text).ok()?;
    let flow = member(&document, "flow")?;
    let inner = members(flow.value).ok()?;
    let others = inner.iter().rev().filter(|member| member.name != SAVED_BY);
    let others: String = others.map(|member| format!(", {}: {}", member.key, member.value)).collect();
    let made = format!("{{ \"{SAVED_BY}\": \"practice tenant\"{others} }}");
    Some(splice(text, &span(text, flow.value), &made))
}

/// The document as a server writes it that keeps values, not texts.
fn parsed(text: &str) -> Option<String> {
    let document: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Flows, Given, Human, Refusal, Save};

    const FLOW: &str = r#"{"flow":{"id":"f","version": 9,"nodes":[]}}"#;

    fn held() -> Flows {
        let mut flows = Flows::default();
        flows.add("f", FLOW, false).unwrap();
        flows
    }

    #[test]
    fn a_put_under_the_current_version_is_saved_under_the_next() {
        let check = |how: Save, given: &str, wanted: &str| {
            let mut flows = held();
            let saved = flows.put("f", &Given::read(given).unwrap(), how).unwrap();
            assert_eq!((&*saved.before, &*saved.given, &*saved.stored), (FLOW, given, wanted));
            assert_eq!((flows.version("f"), saved.version.as_str()), (Some("10"), "10"));
            assert_eq!(flows.text("f").as_deref(), Some(wanted));
            assert_eq!(flows.stale_text("f").as_deref(), Some(FLOW));
        };
        let given = r#"{"flow":{"version":9,"x":1.0}}"#;
        check(Save::AsGiven, given, r#"{"flow":{"version":10,"x":1.0}}"#);
        check(
            Save::Rewritten,
            given,
            r#"{"flow":{ "savedBy": "practice tenant", "x": 1.0, "version": 10 }}"#,
        );
        check(Save::Parsed, r#"{"flow":{"x":1e2, "version":9}}"#, r#"{"flow":{"version":10,"x":100.0}}"#);
        check(Save::Dropped, given, r#"{"flow":{"id":"f","version": 10,"nodes":[]}}"#);
    }

    #[test]
    fn a_put_under_another_version_is_refused_even_if_the_number_is_equal() {
        let mut flows = held();
        for version in ["8", "10", "\"9\""] {
            let given = Given::read(&format!(r#"{{"flow":{{"version":{version}}}}}"#)).unwrap();
            let refused = flows.put("f", &given, Save::AsGiven).unwrap_err();
            assert_eq!(refused, Refusal::Conflict { current: "9".to_owned() });
            assert_eq!(flows.put("g", &given, Save::AsGiven).unwrap_err(), Refusal::NoSuchFlow);
        }
        assert_eq!(flows.text("f").as_deref(), Some(FLOW));
    }

    #[test]
    fn a_flow_comes_back_in_the_envelope_that_it_is_held_in_or_is_refused() {
        const BARE: &str = r#"{"version": 9,"nodes":[]}"#;
        let mut flows = held();
        assert!(flows.add("b", BARE, false).is_err(), "nothing is bare unless it is to be");
        flows.add("b", BARE, true).unwrap();
        for (id, given, is_taken) in
            [("f", BARE, false), ("f", FLOW, true), ("b", FLOW, false), ("b", BARE, true)]
        {
            let refused = flows.put(id, &Given::read(given).unwrap(), Save::AsGiven).err();
            assert_eq!(refused, (!is_taken).then_some(Refusal::OtherEnvelope), "{id} {given}");
        }
    }

    #[test]
    fn a_version_may_jump() {
        let mut flows = held();
        let given = Given::read(FLOW).unwrap();
        assert_eq!(flows.put("f", &given, Save::Jumping(3)).unwrap().version, "12");
        assert_eq!(flows.text("f").as_deref(), Some(&*FLOW.replace('9', "12")));
    }

    #[test]
    fn a_rollback_brings_the_content_back_under_a_new_version() {
        let mut flows = held();
        flows.put("f", &Given::read(&FLOW.replace("[]", "[1]")).unwrap(), Save::AsGiven).unwrap();
        let saved = flows.edit("f", &Human::RollBack).unwrap();
        assert_eq!((saved.version.as_str(), &*saved.stored), ("11", &*FLOW.replace('9', "11")));
    }
}
