//! Which flow and which node a route changes.

use super::definition::{IdDefinition, TextOr};
use super::place::Scene;
use super::pointer::Pointer;
use super::problem::Problems;
use super::refusal::Refusal;
use crate::change::{BadId, FlowId, NodeId};

/// The most flows that one route names.
const FLOWS_MAX: usize = 100;

/// An id, or where events name it.
#[derive(Clone, Debug)]
pub(super) enum Named<I> {
    Literal(I),
    At { pointer: Pointer, default: Option<I> },
}

/// What is an id.
pub(super) trait Id: Clone + PartialEq + Sized {
    /// What it is the id of.
    const WHAT: &'static str;

    fn parse(text: &str) -> Result<Self, BadId>;
}

impl Id for FlowId {
    const WHAT: &'static str = "flow";

    fn parse(text: &str) -> Result<Self, BadId> {
        Self::parse(text)
    }
}

impl Id for NodeId {
    const WHAT: &'static str = "node";

    fn parse(text: &str) -> Result<Self, BadId> {
        Self::parse(text)
    }
}

impl<I: Id> Named<I> {
    pub(super) fn new(definition: &TextOr<IdDefinition>, key: &str, problems: &mut Problems) -> Option<Self> {
        match definition {
            TextOr::Text(text) => problems.take(key, I::parse(text)).map(Self::Literal),
            TextOr::Table(IdDefinition { at, default }) => {
                let default =
                    default.as_deref().map(|text| problems.take(&format!("{key}.default"), I::parse(text)));
                let pointer = problems.take(&format!("{key}.at"), Pointer::parse(at))?;
                match default {
                    Some(None) => None,
                    default => Some(Self::At { pointer, default: default.flatten() }),
                }
            }
        }
    }

    /// The id that is meant by an event.
    pub(super) fn of(&self, scene: Scene<'_, '_>) -> Result<I, Refusal> {
        match self {
            Self::Literal(id) => Ok(id.clone()),
            Self::At { pointer, default } => match (scene.value.at(pointer)?, default) {
                (Some(value), _) => {
                    let text = value.text().ok_or_else(|| Refusal::NoId(pointer.to_string(), I::WHAT))?;
                    Ok(I::parse(&text)?)
                }
                (None, Some(default)) => Ok(default.clone()),
                (None, None) => Err(Refusal::Unnamed { what: I::WHAT, place: pointer.to_string() }),
            },
        }
    }

    /// The ids that the settings name, the default among them.
    pub(super) fn in_settings(&self) -> Option<&I> {
        match self {
            Self::Literal(id) => Some(id),
            Self::At { default, .. } => default.as_ref(),
        }
    }

    /// Whether an event can mean that one.
    pub(super) fn may_be(&self, id: &I) -> bool {
        self.literal().is_none_or(|literal| literal == id)
    }

    /// The id, if it is the same for every event.
    pub(super) fn literal(&self) -> Option<&I> {
        match self {
            Self::Literal(id) => Some(id),
            Self::At { .. } => None,
        }
    }
}

/// The flows of a route: at least one, none of them twice.
pub(super) fn flows(definitions: &[TextOr<IdDefinition>], problems: &mut Problems) -> Vec<Named<FlowId>> {
    if !(1..=FLOWS_MAX).contains(&definitions.len()) {
        problems.add("flow", format!("must name 1 to {FLOWS_MAX} flows, not {}", definitions.len()));
        return Vec::new();
    }
    let key = |at: usize| if definitions.len() == 1 { "flow".to_owned() } else { format!("flow[{at}]") };
    let flow = |(at, definition)| Named::new(definition, &key(at), problems);
    definitions.iter().enumerate().filter_map(flow).collect()
}
