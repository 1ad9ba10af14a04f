//! The members of a node's `configuration`, patched by splices: what a patch leaves alone keeps its bytes.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::cursor::{Cursor, NotJson, Span};
use super::edit::{Splice, spliced};
use super::error::AddressError;
use super::patch::{Members, Part, Patch};
use super::restore::removals;
use super::spelling::{decoded, spelt};
use super::value::same_value;

/// A node's `configuration`, whatever is in it. It has been looked into once, so that many members cost one scan.
#[derive(Clone, Debug)]
pub struct Configuration<'d> {
    node: Cow<'d, str>,
    text: Cow<'d, str>,
    top: Object,
}

/// One object in it, looked into.
#[derive(Clone, Debug)]
struct Object {
    span: Span,
    /// Where each member stands, its key included.
    members: Vec<Span>,
    /// Where each value stands.
    values: Vec<Span>,
    /// Which members have a name.
    places: HashMap<String, Vec<usize>>,
}

impl<'d> Configuration<'d> {
    /// Looks into `text`, which must be a JSON object.
    pub(super) fn new(
        node: impl Into<Cow<'d, str>>,
        text: impl Into<Cow<'d, str>>,
    ) -> Result<Self, AddressError> {
        let (node, text) = (node.into(), text.into());
        let top = Object::look(&text, 0).map_err(|NotJson| AddressError::unreadable(&node))?;
        Ok(Self { node, text, top })
    }

    /// The raw JSON text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The raw JSON text of a member, if it is there.
    ///
    /// # Errors
    /// [`AddressError::MemberTwice`].
    pub fn member(&self, name: &str) -> Result<Option<&str>, AddressError> {
        let place = self.top.place(name).map_err(|Twice| self.twice(name))?;
        Ok(place.map(|place| &self.text[self.top.values[place].clone()]))
    }

    /// It with the patch carried out. What has the [same value](same_value) already keeps its bytes.
    ///
    /// # Errors
    /// [`AddressError::MemberTwice`] for a member that the patch is about, and that is there twice.
    pub fn patched(&self, patch: &Patch<'_>) -> Result<Self, AddressError> {
        let mut splices = Vec::new();
        self.plan(&self.top, patch.members(), &mut splices)?;
        if splices.is_empty() {
            return Ok(self.clone());
        }
        Self::new(self.node.clone(), spliced(&self.text, splices))
    }

    /// What a patch makes of a member of it whose text is `there` by now; nothing if that stays as it is.
    pub(super) fn member_made(
        &self,
        there: Option<&str>,
        part: &Part<'_>,
    ) -> Result<Option<Option<String>>, AddressError> {
        Ok(match (there, part) {
            (None, part) => part.text(false).map(Some),
            (Some(_), Part::Remove) => Some(None),
            (Some(there), Part::Put(new)) if same_value(there, new) => None,
            (Some(there), Part::Merge(members)) if there.starts_with('{') => {
                let object = Configuration::new(&*self.node, there)?;
                let mut splices = Vec::new();
                object.plan(&object.top, members, &mut splices)?;
                (!splices.is_empty()).then(|| Some(spliced(there, splices)))
            }
            (Some(_), part @ (Part::Put(_) | Part::Merge(_))) => Some(part.text(false)),
        })
    }

    /// Adds to `splices` what an object of it needs. It calls itself no deeper than a patch can be.
    fn plan(
        &self,
        object: &Object,
        patch: &Members<'_>,
        splices: &mut Vec<Splice>,
    ) -> Result<(), AddressError> {
        let mut gone = BTreeSet::new();
        let mut missing = Vec::new();
        for (name, part) in &patch.0 {
            let place = object.place(name).map_err(|Twice| self.twice(name))?;
            let Some(place) = place else {
                missing.extend(part.text(false).map(|value| format!("{}:{value}", spelt(name))));
                continue;
            };
            let span = object.values[place].clone();
            let value = &self.text[span.clone()];
            match part {
                Part::Remove => _ = gone.insert(place),
                Part::Merge(members) if value.starts_with('{') => {
                    let object = Object::look(&self.text, span.start);
                    let object = object.map_err(|NotJson| AddressError::unreadable(&self.node))?;
                    self.plan(&object, members, splices)?;
                }
                Part::Put(new) if same_value(value, new) => {}
                Part::Merge(_) | Part::Put(_) => {
                    splices.extend(part.text(false).map(|text| Splice { span, text }));
                }
            }
        }
        splices.extend(removals(&object.members, &gone));
        if !missing.is_empty() {
            let all_gone = gone.len() == object.members.len();
            let comma = if all_gone { "" } else { "," };
            let at = object.members.last().map_or(object.span.start + 1, |last| last.end);
            splices.push(Splice { span: at..at, text: format!("{comma}{}", missing.join(",")) });
        }
        Ok(())
    }

    fn twice(&self, member: &str) -> AddressError {
        AddressError::MemberTwice { node: self.node.clone().into_owned(), member: member.to_owned() }
    }
}

/// More than one member has the name.
struct Twice;

impl Object {
    fn look(text: &str, at: usize) -> Result<Self, NotJson> {
        let (mut members, mut values) = (Vec::new(), Vec::new());
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        let span = Cursor::in_known(text, at).members(|cursor, key| {
            let value = cursor.value()?;
            if let Some(name) = decoded(&text[key.clone()]) {
                places.entry(name.into_owned()).or_default().push(members.len());
            }
            members.push(key.start..value.end);
            values.push(value);
            Ok(())
        })?;
        Ok(Self { span, members, values, places })
    }

    fn place(&self, name: &str) -> Result<Option<usize>, Twice> {
        match self.places.get(name).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([place]) => Ok(Some(*place)),
            Some([_, ..]) => Err(Twice),
        }
    }
}

#[cfg(test)]
mod tests;
