//! What must hold of an event for a route to want it.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use super::definition::ConditionDefinition;
use super::kind::Type;
use super::place::{Place, Scene};
use super::problem::Problems;
use crate::change::shorten;
use crate::flow::same_value;
use crate::json::Unclear;

/// Something that must hold.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    place: Place,
    wants: Wants,
}

#[derive(Clone, Debug)]
enum Wants {
    /// One of these values, at least one.
    Is(Vec<Box<RawValue>>),
    Exists(bool),
}

/// A condition that does not hold, and what was found in its place.
#[derive(Debug)]
pub(super) struct Unmet<'r, 'e> {
    condition: &'r Condition,
    found: Option<Cow<'e, str>>,
}

impl Condition {
    pub(super) fn new(definition: &ConditionDefinition, key: &str, problems: &mut Problems) -> Option<Self> {
        let ConditionDefinition { at, header, is, exists } = definition;
        let place = Place::new(at.as_deref(), header.as_deref(), key, problems);
        let wants = match (is, exists) {
            (Some(is), None) => {
                let one_of = is.listed();
                if one_of.is_empty() {
                    problems.add(format!("{key}.is"), "is an empty list, so that it never holds: fill it in");
                }
                if header.is_some() && !one_of.iter().all(|one| Type::String.fits(one.get())) {
                    problems.add(format!("{key}.is"), "must be text, as a header is: put quotes around it");
                }
                Some(Wants::Is(one_of))
            }
            (None, Some(exists)) => Some(Wants::Exists(*exists)),
            (Some(_), Some(_)) => {
                problems.add(key, "has both `is` and `exists`: keep one");
                None
            }
            (None, None) => {
                problems.add(key, "says not what must hold: set `is` to a value, or `exists`");
                None
            }
        };
        Some(Self { place: place?, wants: wants? })
    }

    /// What was found, where that is not what it wants.
    pub(super) fn unmet<'s>(&self, scene: Scene<'s, '_>) -> Result<Option<Unmet<'_, 's>>, Unclear> {
        let found = self.place.find(scene)?;
        let holds = match (&self.wants, &found) {
            (Wants::Exists(exists), found) => found.is_some() == *exists,
            (Wants::Is(_), None) => false,
            (Wants::Is(one_of), Some(found)) => one_of.iter().any(|wanted| same_value(wanted.get(), found)),
        };
        Ok((!holds).then_some(Unmet { condition: self, found }))
    }
}

impl fmt::Display for Unmet<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Condition { place, wants } = self.condition;
        match &self.found {
            None => write!(f, "{place} is not there"),
            Some(found) => write!(f, "{place} is `{}`", shorten(found)),
        }?;
        match wants {
            Wants::Exists(true) => f.write_str(", and must be"),
            Wants::Exists(false) => f.write_str(", and must not be there"),
            Wants::Is(one_of) => {
                let one_of: Vec<String> =
                    one_of.iter().map(|one| format!("`{}`", shorten(one.get()))).collect();
                write!(f, ", and must be {}", one_of.join(" or "))
            }
        }
    }
}
