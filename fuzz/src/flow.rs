//! The edit of a flow document by the book, over values that were read by [`json`](super::json).
//!
//! It takes the long way where the crate takes the short one: it reads everything, and looks for everything by
//! going through all of it.

pub mod patch;
pub mod restore;

use std::ops::Range;

use flowhook::change::Variable;
use flowhook::flow::NodeEdit;

use super::json::{Found, Value, read};
use super::meaning::same;

/// The edit must be refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused;

/// A flow document as the book reads it.
#[derive(Debug)]
pub struct Flow<'t> {
    text: &'t str,
    /// Where the version stands.
    pub version: Range<usize>,
    nodes: Vec<Value>,
}

/// A node's configuration and what is in its list of variables.
#[derive(Debug)]
struct Place<'v> {
    configuration: &'v Value,
    list: Option<&'v Value>,
}

/// The span that is replaced, and by what.
type Splice = (Range<usize>, String);

impl<'t> Flow<'t> {
    /// The flow that `text` is. Too deep a text is refused here, and may be one to the crate.
    pub fn of(text: &'t str) -> Result<Self, Refused> {
        let top = read(text).map_err(|_unread| Refused)?;
        let has_nodes = !top.all("nodes").is_empty();
        let flow = match top.get("flow") {
            Found::Several => return Err(Refused),
            Found::One(flow) if flow.members().is_some() => flow,
            Found::One(_) | Found::None if has_nodes => &top,
            Found::One(_) | Found::None => return Err(Refused),
        };
        let (Found::One(nodes), Found::One(version)) = (flow.get("nodes"), flow.get("version")) else {
            return Err(Refused);
        };
        let is_version = version.raw(text).starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit());
        let nodes = nodes.elements().filter(|_| is_version).ok_or(Refused)?;
        Ok(Self { text, version: version.span.clone(), nodes: nodes.to_vec() })
    }

    /// The ids of the nodes, in no order.
    pub fn ids(&self) -> Vec<String> {
        let all = self.nodes.iter().flat_map(|node| {
            let mut ids: Vec<_> = node.all("id").into_iter().filter_map(Value::text).collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        });
        let mut all: Vec<_> = all.collect();
        all.sort_unstable();
        all
    }

    /// The names that stand in the nodes' lists.
    pub fn names(&self) -> Vec<String> {
        let lists = self.nodes.iter().flat_map(|node| node.all("configuration"));
        let entries = lists.flat_map(|list| list.all("variables")).filter_map(Value::elements).flatten();
        entries.flat_map(|entry| entry.all("name")).filter_map(Value::text).collect()
    }

    /// The raw value of a variable, if the node has it and it has one.
    pub fn variable(&self, node: &str, name: &str) -> Result<Option<&'t str>, Refused> {
        let place = self.place(node)?;
        let value = entry(&place, name)?.and_then(|entry| entry.all("value").first().copied());
        Ok(value.map(|value| value.raw(self.text)))
    }

    /// The text after the edits.
    pub fn edited(&self, edits: &[NodeEdit<'_>]) -> Result<String, Refused> {
        let mut splices: Vec<Splice> = Vec::new();
        for (at, edit) in edits.iter().enumerate() {
            if edits[..at].iter().any(|earlier| earlier.node == edit.node) {
                continue;
            }
            let of_node: Vec<_> = edits.iter().filter(|other| other.node == edit.node).collect();
            let begin = of_node.iter().rposition(|edit| edit.replace.is_some()).unwrap_or(0);
            let set: Vec<&Variable> =
                of_node[begin..].iter().flat_map(|edit| edit.set.iter().copied()).collect();
            let place = self.place(edit.node)?;
            match of_node[begin].replace {
                Some(list) => splices.extend(self.replace(&place, list, &last_of_each_name(&set))?),
                None => self.merge(&place, &last_of_each_name(&set), &mut splices)?,
            }
        }
        splices.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
        let mut text = self.text.to_owned();
        for (span, new) in splices {
            text.replace_range(span, &new);
        }
        Ok(text)
    }

    fn place(&self, id: &str) -> Result<Place<'_>, Refused> {
        let has_id = |node: &&Value| node.all("id").iter().any(|value| value.text().as_deref() == Some(id));
        let mut found = self.nodes.iter().filter(has_id);
        let (Some(node), None) = (found.next(), found.next()) else { return Err(Refused) };
        let (Found::One(_), Found::One(configuration)) = (node.get("id"), node.get("configuration")) else {
            return Err(Refused);
        };
        match configuration.get("variables") {
            _ if configuration.members().is_none() => Err(Refused),
            Found::None => Ok(Place { configuration, list: None }),
            Found::One(list) if list.elements().is_some() => Ok(Place { configuration, list: Some(list) }),
            Found::One(_) | Found::Several => Err(Refused),
        }
    }

    fn merge(&self, place: &Place<'_>, set: &[&Variable], splices: &mut Vec<Splice>) -> Result<(), Refused> {
        let mut missing = Vec::new();
        for variable in set {
            let new = variable.value.get();
            let Some(entry) = entry(place, &variable.name)? else {
                missing.push(*variable);
                continue;
            };
            match (entry.get("value"), entry.get("name")) {
                (Found::One(value), _) if same(value.raw(self.text), new) == Some(true) => {}
                (Found::One(value), _) => splices.push((value.span.clone(), new.to_owned())),
                (_, Found::One(name)) => {
                    splices.push((name.span.end..name.span.end, format!(",\"value\":{new}")));
                }
                _ => return Err(Refused),
            }
        }
        if !missing.is_empty() {
            let entries = entries(&missing);
            splices.push(match place.list {
                Some(list) => behind_last(list, list.elements().unwrap_or_default().last(), entries),
                None => self.put(place, &missing),
            });
        }
        Ok(())
    }

    fn replace(
        &self,
        place: &Place<'_>,
        list: &[Variable],
        set: &[&Variable],
    ) -> Result<Option<Splice>, Refused> {
        let mut wanted: Vec<&Variable> = list.iter().collect();
        for variable in set {
            let mut twins = wanted.iter_mut().take(list.len()).filter(|held| held.name == variable.name);
            match (twins.next(), twins.next()) {
                (Some(_), Some(_)) => return Err(Refused),
                (Some(held), None) => *held = variable,
                (None, _) => wanted.push(variable),
            }
        }
        let elements = place.list.and_then(Value::elements).unwrap_or_default();
        let is_there = elements.len() == wanted.len()
            && elements.iter().zip(&wanted).all(|(element, variable)| self.is_just(element, variable));
        Ok((!is_there).then(|| self.put(place, &wanted)))
    }

    /// Whether the element has a name and a value, both right, and nothing else.
    fn is_just(&self, element: &Value, variable: &Variable) -> bool {
        let (Found::One(name), Found::One(value)) = (element.get("name"), element.get("value")) else {
            return false;
        };
        element.members().is_some_and(|members| members.len() == 2)
            && name.text().as_ref() == Some(&variable.name)
            && same(value.raw(self.text), variable.value.get()) == Some(true)
    }

    fn put(&self, place: &Place<'_>, list: &[&Variable]) -> Splice {
        let entries = entries(list);
        let last = place.configuration.members().unwrap_or_default().last().map(|(_, value)| value);
        match place.list {
            Some(list) => (list.span.clone(), format!("[{entries}]")),
            None => behind_last(place.configuration, last, format!("\"variables\":[{entries}]")),
        }
    }
}

/// Puts something behind the last thing in a container.
fn behind_last(container: &Value, last: Option<&Value>, new: String) -> Splice {
    match last {
        None => (container.span.start + 1..container.span.start + 1, new),
        Some(last) => (last.span.end..last.span.end, format!(",{new}")),
    }
}

/// The entry of that name, which must be the only one, and say only once what its name and value are.
fn entry<'v>(place: &Place<'v>, name: &str) -> Result<Option<&'v Value>, Refused> {
    let elements = place.list.and_then(Value::elements).unwrap_or_default();
    let has_name =
        |entry: &&Value| entry.all("name").iter().any(|value| value.text().as_deref() == Some(name));
    let mut found = elements.iter().filter(has_name);
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(Refused),
        (Some(entry), None) if entry.all("name").len() > 1 || entry.all("value").len() > 1 => Err(Refused),
        (Some(entry), None) => Ok(Some(entry)),
    }
}

fn last_of_each_name<'a>(set: &[&'a Variable]) -> Vec<&'a Variable> {
    let is_first = |at: usize| set[..at].iter().all(|earlier| earlier.name != set[at].name);
    let last = |at: usize| set.iter().rev().find(|later| later.name == set[at].name).copied();
    (0..set.len()).filter(|at| is_first(*at)).filter_map(last).collect()
}

fn entries(list: &[&Variable]) -> String {
    let entry = |variable: &&Variable| {
        format!("{{\"name\":{},\"value\":{}}}", spelt(&variable.name), variable.value.get())
    };
    list.iter().map(entry).collect::<Vec<_>>().join(",")
}

/// The shortest spelling of a text.
pub fn spelt(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        '\u{8}' => "\\b".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        _ if c < ' ' => format!("\\u{:04x}", u32::from(c)),
        _ => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}
