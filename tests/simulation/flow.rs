//! A flow as the simulated tenant holds it: a small model, and the text it is shown as.

use std::fmt::{self, Write as _};

use flowhook::sandbox::{Diff, diff};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The variable that belongs to designers: no delivery ever names it.
pub(crate) const THEIRS: &str = "greeting_prompt";

/// One flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) version: u64,
    pub(crate) nodes: Vec<Node>,
    /// How often people have worked on the rest of it.
    pub(crate) drawn: u64,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) id: String,
    /// Names and JSON texts.
    pub(crate) variables: Vec<(String, String)>,
    /// Further members of its configuration, at its end, likewise: those that patches are about.
    pub(crate) members: Vec<(String, String)>,
}

impl Node {
    pub(crate) fn new(id: &str) -> Self {
        let variables = [(THEIRS, r#""Gr\u00fc\u00df Gott""#), ("routing_priority", "\"normal\"")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let members = vec![("limits".to_owned(), r#"{ "calls":1.10,"theirs" : 1e3}"#.to_owned())];
        Self { id: id.to_owned(), variables, members }
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The raw value of a member that patches are about.
    pub(crate) fn member(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Puts the variables into the order in which they stand in the node's text within a flow's.
    pub(crate) fn sort_as(&mut self, text: &str) {
        let of_node = text.find(&format!("\"id\":\"{}\"", self.id)).map_or("", |at| &text[at..]);
        self.variables.sort_by_key(|(name, _)| of_node.find(&format!("\"{name}\"")));
    }

    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) {
        let place = self.variables.iter().position(|(other, _)| other == name);
        match (place, value) {
            (Some(at), Some(value)) => value.clone_into(&mut self.variables[at].1),
            (Some(at), None) => _ = self.variables.remove(at),
            (None, Some(value)) => self.variables.push((name.to_owned(), value.to_owned())),
            (None, None) => {}
        }
    }
}

impl Flow {
    pub(crate) fn new(nodes: &[&str]) -> Self {
        Self { version: 14, nodes: nodes.iter().map(|id| Node::new(id)).collect(), drawn: 0 }
    }

    pub(crate) fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    pub(crate) fn node_mut(&mut self, id: &str) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.id == id)
    }

    /// The value of a variable.
    pub(crate) fn value(&self, node: &str, name: &str) -> Option<&str> {
        self.node(node)?.value(name)
    }

    /// The flow's text, spelt as no serialiser would: whoever re-serialises it shows.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{{ \"flow\":{{\"version\": {}, \"drawn\": {}, \"budget\": 12345678901234567890123, \"ratio\":1.10, \"nodes\": [\n",
            self.version, self.drawn
        );
        for (at, node) in self.nodes.iter().enumerate() {
            let comma = if at == 0 { "" } else { ",\n" };
            // Writing to a string does not fail.
            _ = write!(
                text,
                "{comma}{{\"type\":\"SetVariables\",\"x\":1e3, \"id\":\"{}\", \"configuration\" : {{\"label\":\"B\\u00fcro\",\"variables\": [",
                node.id
            );
            for (at, (name, value)) in node.variables.iter().enumerate() {
                let comma = if at == 0 { "" } else { ", " };
                _ = write!(text, "{comma}{{\"name\": \"{name}\",\"value\" :{value}}}");
            }
            text.push_str("], \"drift\":-0");
            for (name, value) in &node.members {
                // As they are spelt who add one.
                _ = write!(text, ",\"{name}\":{value}");
            }
            text.push_str("}}");
        }
        text.push_str("], \"edges\":[]} }");
        text
    }

    /// What a text that somebody wants to save would change, with the members of patches as they are there.
    pub(crate) fn difference(&self, text: &str) -> Diff {
        let mut patched = self.clone();
        for node in &mut patched.nodes {
            if let Some(members) = members_in(text, &node.id) {
                node.members = members;
            }
        }
        diff(&patched.text(), text)
    }
}

/// What stands behind `drift` in the configuration of a node, by a text of its flow.
pub(crate) fn members_in(text: &str, node: &str) -> Option<Vec<(String, String)>> {
    #[derive(Deserialize)]
    struct Text {
        flow: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        nodes: Vec<Of>,
    }
    #[derive(Deserialize)]
    struct Of {
        id: String,
        configuration: Members,
    }
    let text: Text = serde_json::from_str(text).ok()?;
    let of = text.flow.nodes.into_iter().find(|of| of.id == node)?;
    let behind = of.configuration.0.into_iter().skip_while(|(name, _)| name != "drift").skip(1);
    Some(behind.map(|(name, value)| (name, value.get().to_owned())).collect())
}

/// An object's members in their order.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;

        impl<'de> Visitor<'de> for Walk {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Walk)
    }
}

/// The version that a text carries.
pub(crate) fn version_of(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("\"version\": ")?;
    rest[..rest.find(|c: char| !c.is_ascii_digit())?].parse().ok()
}
