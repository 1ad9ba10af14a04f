//! What a route reads out of an event or out of an answer.

use serde_json::value::RawValue;

use super::definition::{Constant, Definition, TextOr, VariableDefinition};
use super::kind::Type;
use super::problem::Problems;
use super::schema::{Mismatch, SCHEMA, VALUES_BYTES_MAX, members};
use crate::change::{Mode, Values, Variable, shorten};
use crate::flow::Patch;
use crate::json::{Pointer, Value};

/// The most variables that a route names.
const VARIABLES_MAX: usize = 1_000;

/// What is read.
#[derive(Clone, Debug)]
pub(super) enum Mapping {
    /// The variables of the native event, all of them.
    Native,
    /// Variables: those that are named, and all members of an object.
    Variables { named: Vec<Named>, members_of: Option<Pointer> },
    /// A merge patch for the node's configuration.
    Patch(Pointer),
}

/// A variable with its name.
#[derive(Clone, Debug)]
pub(super) struct Named {
    name: String,
    origin: Origin,
}

/// Where a variable's value comes from.
#[derive(Clone, Debug)]
enum Origin {
    Constant(Box<RawValue>),
    At { pointer: Pointer, kind: Option<Type>, from_text: bool, absent: Absent },
}

/// What to do where there is no value.
#[derive(Clone, Debug)]
enum Absent {
    Refuse,
    LeaveAlone,
    Take(Box<RawValue>),
}

impl Mapping {
    pub(super) fn new(definition: &Definition, problems: &mut Problems) -> Option<Self> {
        let Definition { variables, variables_from, patch_from, .. } = definition;
        if definition.mode.as_deref() == Some(Mode::Patch.as_str()) {
            if !variables.is_empty() || variables_from.is_some() {
                problems.add(
                    "mode",
                    "is `patch`, which sets no variables: remove `variables` and `variables_from`",
                );
            }
            let Some(patch_from) = patch_from else {
                problems
                    .add("patch_from", "is missing, and the mode is `patch`: point it at the merge patch");
                return None;
            };
            return problems.take("patch_from", Pointer::parse(patch_from)).map(Self::Patch);
        }
        if patch_from.is_some() {
            problems
                .add("patch_from", "goes with the mode `patch` only: set `mode = \"patch\"`, or remove it");
        }
        if variables.is_empty() && variables_from.is_none() {
            problems.add("variables", "names none: add some, or point `variables_from` at an object of them");
        }
        if variables.len() > VARIABLES_MAX {
            problems.add("variables", format!("names more than {VARIABLES_MAX}: split the route"));
        }
        let named = |(name, variable): (&String, &TextOr<_>)| Named::new(name, variable, problems);
        let named = variables.iter().filter_map(named).collect();
        let members_of =
            variables_from.as_deref().map(|text| problems.take("variables_from", Pointer::parse(text)));
        Some(Self::Variables { named, members_of: members_of.flatten() })
    }

    /// What is read out of a value; `what` names that.
    pub(super) fn read(&self, what: &str, value: &Value<'_>) -> Result<Values, Mismatch> {
        match self {
            Self::Native => SCHEMA.variables(what, value.raw()).map(Values::Known),
            Self::Variables { named, members_of } => {
                let mut variables = Vec::new();
                if let Some(pointer) = members_of {
                    let object = there(pointer, what, value)?;
                    variables = members(&pointer.of(what), object)?;
                    variables.retain(|variable| !named.iter().any(|one| one.name == variable.name));
                }
                let mut bytes: usize = variables.iter().map(weight).sum();
                for one in named {
                    let variable = one.read(what, value)?;
                    bytes += variable.as_ref().map_or(0, weight);
                    if bytes > VALUES_BYTES_MAX {
                        return Err(Mismatch::Heavy);
                    }
                    variables.extend(variable);
                }
                Ok(Values::Known(variables))
            }
            Self::Patch(pointer) => patch(pointer, what, value),
        }
    }

    /// Whether these are all values that there are to be, though there be none: an object without members says so,
    /// and variables that may be missing do not.
    pub(super) fn is_whole(&self, values: &Values) -> bool {
        let takes_all = match self {
            Self::Native | Self::Patch(_) => true,
            Self::Variables { members_of, .. } => members_of.is_some(),
        };
        takes_all || bytes(values) > 0
    }

    /// Whether it is all constants, so that there is nothing to fetch.
    pub(super) fn is_constant(&self) -> bool {
        match self {
            Self::Native | Self::Patch(_) => false,
            Self::Variables { named, members_of } => {
                members_of.is_none() && named.iter().all(|one| matches!(one.origin, Origin::Constant(_)))
            }
        }
    }
}

/// The merge patch that a value is.
fn patch(pointer: &Pointer, what: &str, value: &Value<'_>) -> Result<Values, Mismatch> {
    let raw = there(pointer, what, value)?.raw();
    let place = || pointer.of(what);
    Patch::read(raw.get()).map_err(|why| Mismatch::BadPatch { place: place(), why })?;
    Ok(Values::Patch(raw.to_owned()))
}

/// Roughly how many bytes values hold.
pub(super) fn bytes(values: &Values) -> usize {
    match values {
        Values::Known(variables) => variables.iter().map(weight).sum(),
        Values::Patch(patch) => patch.get().len(),
        Values::Fetch(_) | Values::Undo(_) | Values::Taken { .. } => 0,
    }
}

/// Roughly how many bytes a variable holds.
fn weight(variable: &Variable) -> usize {
    variable.name.len() + variable.value.get().len()
}

/// What the pointer points at.
fn there<'v, 'a>(pointer: &Pointer, what: &str, value: &'v Value<'a>) -> Result<&'v Value<'a>, Mismatch> {
    value.at(pointer)?.ok_or_else(|| Mismatch::NothingAt(format!("{pointer} of {what}")))
}

/// The value that a text holds; its spelling is the text's.
fn held_in(value: &Value<'_>) -> Option<Box<RawValue>> {
    RawValue::from_string(value.text()?.into_owned()).ok()
}

impl Named {
    /// The variable, unless it is to be left alone.
    fn read(&self, what: &str, value: &Value<'_>) -> Result<Option<Variable>, Mismatch> {
        let variable = |value: &RawValue| Variable { name: self.name.clone(), value: value.to_owned() };
        let (pointer, kind, from_text, absent) = match &self.origin {
            Origin::Constant(constant) => return Ok(Some(variable(constant))),
            Origin::At { pointer, kind, from_text, absent } => (pointer, *kind, *from_text, absent),
        };
        match (value.at(pointer)?, absent) {
            (Some(found), _) => {
                let held = if from_text { held_in(found) } else { Some(found.raw().to_owned()) };
                match (held, kind) {
                    (Some(held), Some(kind)) if kind.fits(held.get()) => Ok(Some(variable(&held))),
                    (Some(held), None) => Ok(Some(variable(&held))),
                    (_, kind) => Err(Mismatch::WrongType {
                        name: self.name.clone(),
                        expected: kind.map_or("JSON", Type::as_str),
                        found: shorten(found.raw().get()),
                    }),
                }
            }
            (None, Absent::Take(default)) => Ok(Some(variable(default))),
            (None, Absent::LeaveAlone) => Ok(None),
            (None, Absent::Refuse) => {
                Err(Mismatch::Absent { name: self.name.clone(), place: format!("{pointer} of {what}") })
            }
        }
    }

    fn new(name: &str, definition: &TextOr<VariableDefinition>, problems: &mut Problems) -> Option<Self> {
        let key = format!("variables.{}", shorten(name));
        if name.is_empty() {
            problems.add(&key, "has an empty name: name the variable");
        }
        let origin = match definition {
            TextOr::Text(at) => {
                let pointer = problems.take(&key, Pointer::parse(at))?;
                Origin::At { pointer, kind: None, from_text: false, absent: Absent::Refuse }
            }
            TextOr::Table(table) => Origin::new(table, &key, problems)?,
        };
        Some(Self { name: name.to_owned(), origin })
    }
}

impl Origin {
    fn new(definition: &VariableDefinition, key: &str, problems: &mut Problems) -> Option<Self> {
        let VariableDefinition { at, value, kind, from_text, default, required } = definition;
        let unfit = |constant: &&Constant| kind.is_some_and(|kind| !kind.fits(constant.json().get()));
        for (member, constant) in [("value", value), ("default", default)] {
            if let (Some(constant), Some(kind)) = (constant.as_ref().filter(unfit), kind) {
                let found = shorten(constant.json().get());
                problems
                    .add(format!("{key}.{member}"), format!("is `{found}`, and must be {}", kind.as_str()));
            }
        }
        if *from_text && matches!(kind, None | Some(Type::String)) {
            problems.add(
                format!("{key}.from_text"),
                "goes with a `type` other than `string`: set the type that the text holds",
            );
        }
        if default.is_some() && required.is_some() {
            problems.add(key, "has both `default` and `required`: keep one");
        }
        match (at, value) {
            (Some(at), None) => {
                let absent = match (default, required) {
                    (Some(default), _) => Absent::Take(default.json()),
                    (None, Some(false)) => Absent::LeaveAlone,
                    (None, Some(true) | None) => Absent::Refuse,
                };
                let pointer = problems.take(&format!("{key}.at"), Pointer::parse(at))?;
                Some(Self::At { pointer, kind: *kind, from_text: *from_text, absent })
            }
            (None, Some(value)) => {
                if default.is_some() || required.is_some() {
                    problems
                        .add(key, "has a `value`, which is always there: remove `default` and `required`");
                }
                Some(Self::Constant(value.json()))
            }
            (Some(_), Some(_)) => {
                problems.add(key, "has both `at` and `value`: keep one");
                None
            }
            (None, None) => {
                problems.add(key, "says not what its value is: set `at` to a pointer, or `value`");
                None
            }
        }
    }
}
