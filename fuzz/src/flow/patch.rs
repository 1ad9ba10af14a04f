//! A node's configuration after a merge patch, by RFC 7396: member by member, without what stands between them.

use super::super::json::{Found, Value, read};
use super::super::meaning::same;
use super::{Flow, Refused, spelt};

/// Deeper patches are refused.
const DEPTH_MAX: usize = 64;

/// A text cut at a node's configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct Configured {
    /// What stands before and behind it; nothing of that may change.
    pub around: (String, String),
    /// Its members, and those of the objects in it that the patch goes into: spelt as they are, and nothing between.
    pub members: String,
}

impl Flow<'_> {
    /// The configuration of a node as it is, seen through a patch; nothing where it is too deep to say.
    pub fn configured(&self, node: &str, patch: &str) -> Result<Configured, Refused> {
        let (configuration, read) = (self.configuration(node)?, read(patch).map_err(|_unread| Refused)?);
        Ok(self.cut_at(configuration, self.seen(configuration, &read)))
    }

    /// The same once the patch is carried out.
    pub fn patched(&self, node: &str, patch: &str) -> Result<Option<Configured>, Refused> {
        let (configuration, read) = (self.configuration(node)?, read(patch).map_err(|_unread| Refused)?);
        check(&read, 1)?;
        if !read.all("variables").is_empty() {
            return Err(Refused);
        }
        let members = self.merged(configuration, patch, &read)?;
        Ok(members.map(|members| self.cut_at(configuration, members)))
    }

    /// The names of the members of a node's configuration.
    pub fn member_names(&self, node: &str) -> Vec<String> {
        let members = self.configuration(node).ok().and_then(Value::members).unwrap_or_default();
        members.iter().filter_map(|(key, _)| key.text()).collect()
    }

    fn configuration(&self, id: &str) -> Result<&Value, Refused> {
        let has_id = |node: &&Value| node.all("id").iter().any(|value| value.text().as_deref() == Some(id));
        let mut found = self.nodes.iter().filter(has_id);
        let (Some(node), None) = (found.next(), found.next()) else { return Err(Refused) };
        match (node.get("id"), node.get("configuration")) {
            (Found::One(_), Found::One(configuration)) if configuration.members().is_some() => {
                Ok(configuration)
            }
            _ => Err(Refused),
        }
    }

    fn cut_at(&self, configuration: &Value, members: String) -> Configured {
        let span = &configuration.span;
        let around = (self.text[..span.start].to_owned(), self.text[span.end..].to_owned());
        Configured { around, members }
    }

    fn seen(&self, value: &Value, patch: &Value) -> String {
        let Some(members) = value.members().filter(|_| patch.members().is_some()) else {
            return value.raw(self.text).to_owned();
        };
        let member = |(key, value): &(Value, Value)| {
            let text = match key.text().map(|name| patch.get(&name)) {
                Some(Found::One(patch)) => self.seen(value, patch),
                _ => value.raw(self.text).to_owned(),
            };
            format!("{}:{text}", key.raw(self.text))
        };
        format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
    }

    fn merged(&self, value: &Value, text: &str, patch: &Value) -> Result<Option<String>, Refused> {
        let Some(wanted) = patch.members() else {
            let (old, new) = (value.raw(self.text), patch.raw(text));
            return Ok(same(old, new).map(|is_same| if is_same { old } else { new }.to_owned()));
        };
        let Some(members) = value.members() else { return Ok(Some(made(text, patch))) };
        let name = |key: &Value| key.text().unwrap_or_default();
        let mut after = Vec::new();
        for (key, value) in members {
            let part = match key.text().map(|name| patch.get(&name)) {
                Some(Found::One(part)) => part,
                _ => {
                    after.push(format!("{}:{}", key.raw(self.text), value.raw(self.text)));
                    continue;
                }
            };
            if part.raw(text) != "null" {
                let Some(merged) = self.merged(value, text, part)? else { return Ok(None) };
                after.push(format!("{}:{merged}", key.raw(self.text)));
            }
        }
        for (key, part) in wanted {
            match value.get(&name(key)) {
                Found::Several => return Err(Refused),
                Found::None if part.raw(text) != "null" => {
                    after.push(format!("{}:{}", spelt(&name(key)), made(text, part)));
                }
                Found::None | Found::One(_) => {}
            }
        }
        Ok(Some(format!("{{{}}}", after.join(","))))
    }
}

/// A patch says each thing once, by names that are text.
fn check(patch: &Value, depth: usize) -> Result<(), Refused> {
    let members = match patch.members() {
        Some(members) if depth <= DEPTH_MAX => members,
        Some(_) => return Err(Refused),
        None if depth == 1 => return Err(Refused),
        None => return Ok(()),
    };
    for (key, value) in members {
        let name = key.text().ok_or(Refused)?;
        if patch.all(&name).len() > 1 {
            return Err(Refused);
        }
        check(value, depth + 1)?;
    }
    Ok(())
}

/// What a patch makes of nothing.
fn made(text: &str, patch: &Value) -> String {
    let Some(members) = patch.members() else { return patch.raw(text).to_owned() };
    let kept = members.iter().filter(|(_, value)| value.raw(text) != "null");
    let member = |(key, value): &(Value, Value)| {
        format!("{}:{}", spelt(&key.text().unwrap_or_default()), made(text, value))
    };
    format!("{{{}}}", kept.map(member).collect::<Vec<_>>().join(","))
}
