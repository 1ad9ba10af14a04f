//! What a described route makes of an event.

use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::fmt;
use std::slice;
use std::sync::Arc;

use jiff::Timestamp;

use super::Revision;
use super::condition::Unmet;
use super::described::{Origin, Route};
use super::event::Event;
use super::mapping::bytes;
use super::native::ALLOWED_FLOWS;
use super::place::Scene;
use super::push::pushed;
use super::refusal::Refusal;
use super::schema::VALUES_BYTES_MAX;
use super::template::{Template, check_node};
use crate::change::{FlowId, Mode, NewChange, Values};
use crate::flow::Patch;
use crate::json::{Pointer, Value};

/// The most changes that may follow from one delivery.
pub(super) const CHANGES_MAX: usize = 1_000;
/// The most elements that an array of events may have.
const ELEMENTS_MAX: usize = 10_000;

/// Whether a route wants an event.
#[derive(Debug)]
pub(super) enum Wanted<'r, 'e> {
    /// These changes follow from it, at least one.
    Yes(Vec<NewChange>),
    No(Unwanted<'r, 'e>),
}

/// Why a route does not want an event.
#[derive(Debug)]
pub(super) enum Unwanted<'r, 'e> {
    Unmet(Unmet<'r, 'e>),
    /// There is no array of events.
    NoArray(&'r Pointer),
    /// None of so many elements, and why not the first.
    NoElement(usize, Unmet<'r, 'e>),
    /// It holds no value that the route would carry into a flow.
    NoValues,
}

/// What an event has for its flows.
enum Carried<'r> {
    Known(Values),
    /// What is fetched from there.
    Thin(&'r Template),
}

/// What follows from an event so far.
#[derive(Default)]
struct Following {
    changes: Vec<NewChange>,
    /// How much their values hold.
    bytes: usize,
}

impl Route {
    /// Whether it wants an event, and what follows; `allowed` are the flows that any route may change.
    ///
    /// # Errors
    /// [`Refusal`] when it wants it and cannot carry it out.
    pub(super) fn judge<'r, 'e>(
        &'r self,
        body: &'e Value<'_>,
        event: &Event<'e>,
        allowed: Option<&BTreeSet<FlowId>>,
    ) -> Result<Wanted<'r, 'e>, Refusal> {
        let elements = match &self.each {
            None => slice::from_ref(body),
            Some(each) => match body.at(each)?.map_or(Ok(None), Value::elements)? {
                Some(elements) if elements.len() > ELEMENTS_MAX => {
                    return Err(Refusal::TooMany(ELEMENTS_MAX, "elements"));
                }
                Some(elements) => elements,
                None => return Ok(Wanted::No(Unwanted::NoArray(each))),
            },
        };
        let revision = LazyCell::new(|| pushed(body).map_or(Revision::HEAD, |push| push.revision));
        let (mut following, mut unwanted) = (Following::default(), None);
        for (at, element) in elements.iter().enumerate() {
            let scene = Scene { value: element, headers: event.headers };
            let here = |refusal| if self.each.is_some() { in_element(at, refusal) } else { refusal };
            match self.unmet(scene).map_err(here)? {
                Some(unmet) => _ = unwanted.get_or_insert(unmet),
                None => self
                    .carry(scene, event.at, allowed, || LazyCell::force(&revision), &mut following)
                    .map_err(here)?,
            }
        }
        Ok(match (following.changes, unwanted) {
            (changes, _) if !changes.is_empty() => Wanted::Yes(changes),
            (_, Some(unmet)) if self.each.is_some() => Wanted::No(Unwanted::NoElement(elements.len(), unmet)),
            (_, Some(unmet)) => Wanted::No(Unwanted::Unmet(unmet)),
            (_, None) => Wanted::No(Unwanted::NoValues),
        })
    }

    /// The first condition that does not hold.
    fn unmet<'r, 's>(&'r self, scene: Scene<'s, '_>) -> Result<Option<Unmet<'r, 's>>, Refusal> {
        for condition in &self.when {
            if let Some(unmet) = condition.unmet(scene)? {
                return Ok(Some(unmet));
            }
        }
        Ok(None)
    }

    /// Adds what follows from an event that it wants.
    fn carry<'v>(
        &self,
        scene: Scene<'_, '_>,
        now: Timestamp,
        allowed: Option<&BTreeSet<FlowId>>,
        revision: impl Fn() -> &'v Revision,
        following: &mut Following,
    ) -> Result<(), Refusal> {
        let carried = match &self.values {
            Origin::Event(mapping) => {
                let values = mapping.read("the event", scene.value)?;
                if !mapping.is_whole(&values) || self.is_idle(&values) {
                    return Ok(());
                }
                Carried::Known(values)
            }
            Origin::Fetched(url, _) => Carried::Thin(url),
        };
        let order_key = self.order_by.as_ref().map(|order_by| order_by.key(scene, now)).transpose()?;
        let node = self.node.of(scene)?;
        if let Carried::Thin(url) = &carried {
            check_node(url.as_str(), &node)?;
        }
        for flow in self.flows_of(scene, allowed)? {
            let values = match &carried {
                Carried::Known(values) => values.clone(),
                Carried::Thin(url) => Values::Fetch(url.fill(&flow, &node, revision())),
            };
            following.bytes += bytes(&values);
            if following.changes.len() == CHANGES_MAX {
                return Err(Refusal::TooMany(CHANGES_MAX, "changes"));
            }
            if following.bytes > VALUES_BYTES_MAX {
                return Err(Refusal::TooMany(VALUES_BYTES_MAX, "bytes of values"));
            }
            let (route, node, mode) = (Arc::clone(&self.name), node.clone(), self.mode);
            following.changes.push(NewChange { route, flow, node, mode, values, order_key });
        }
        Ok(())
    }

    /// Whether these values change nothing. No variables at all mean something where they replace a list.
    fn is_idle(&self, values: &Values) -> bool {
        match values {
            Values::Known(variables) => variables.is_empty() && self.mode != Mode::Replace,
            Values::Patch(patch) => {
                Patch::read(patch.get()).is_ok_and(|patch| patch.names().next().is_none())
            }
            Values::Fetch(_) | Values::Undo(_) | Values::Taken { .. } => false,
        }
    }

    /// The flows that an event is for, each once.
    fn flows_of(
        &self,
        scene: Scene<'_, '_>,
        allowed: Option<&BTreeSet<FlowId>>,
    ) -> Result<Vec<FlowId>, Refusal> {
        let mut flows = Vec::with_capacity(self.flows.len());
        for named in &self.flows {
            let flow = named.of(scene)?;
            for (allowed, list) in
                [(self.allowed_flows.as_ref(), "route's `allowed_flows`"), (allowed, ALLOWED_FLOWS)]
            {
                if allowed.is_some_and(|allowed| !allowed.contains(&flow)) {
                    return Err(Refusal::NotAllowed(flow, list));
                }
            }
            if !flows.contains(&flow) {
                flows.push(flow);
            }
        }
        Ok(flows)
    }
}

/// What is wrong with one element of an event; that there is too much of something is wrong with the event.
fn in_element(at: usize, refusal: Refusal) -> Refusal {
    if matches!(refusal, Refusal::TooMany(..)) { refusal } else { Refusal::Element(at + 1, refusal.into()) }
}

impl fmt::Display for Unwanted<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmet(unmet) => unmet.fmt(f),
            Self::NoArray(pointer) => write!(f, "{pointer} is no array of events"),
            Self::NoElement(1, unmet) => write!(f, "in its only element {unmet}"),
            Self::NoElement(count, unmet) => write!(f, "in the first of {count} elements {unmet}"),
            Self::NoValues => f.write_str("it holds none of the values that the route carries"),
        }
    }
}

#[cfg(test)]
mod tests;
