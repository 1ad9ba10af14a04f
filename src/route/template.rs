//! URLs from settings, with what stands in them for the change that is to be fetched.

use reqwest::Url;

use super::Revision;
use super::refusal::Refusal;
use crate::change::{FlowId, NodeId, shorten};
use crate::http::is_on_loopback;

/// What stands for the node in a URL.
const NODE: &str = "{node_id}";
/// What stands for the commit in a URL.
const REVISION: &str = "{revision}";
/// What may stand in a URL, in the order in which it is told.
const KNOWN: [&str; 3] = ["flow_id", "node_id", "revision"];

/// A URL that can be fetched once its placeholders are filled in. An event chooses neither host nor port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

/// A text that is no such URL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadTemplate {
    #[error("it is no URL ({0}): write it as in https://config.example/{{flow_id}}")]
    NoUrl(String),
    #[error("`{0}` is not http or https: use one of them")]
    Scheme(String),
    #[error("it has a placeholder before its path, which an event must not choose: name the host")]
    InHost,
    #[error("it has a placeholder `{0}`: it knows {{flow_id}}, {{node_id}} and {{revision}}")]
    Unknown(String),
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, BadTemplate> {
        let url = Url::parse(text).map_err(|error| BadTemplate::NoUrl(error.to_string()))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(BadTemplate::Scheme(shorten(url.scheme())));
        }
        // As it is parsed, which skips slashes, tabs and line ends.
        if url.authority().contains('{') || url.authority().to_ascii_uppercase().contains("%7B") {
            return Err(BadTemplate::InHost);
        }
        match unknown_placeholder(text) {
            Some(unknown) => Err(BadTemplate::Unknown(shorten(unknown))),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The URL of what a flow's node is to have.
    pub fn fill(&self, flow: &FlowId, node: &NodeId, revision: &Revision) -> String {
        fill(&self.0, flow, node, revision)
    }

    /// Whether it asks for a certain commit, where an event names one.
    pub fn names_a_commit(&self) -> bool {
        self.0.contains(REVISION)
    }

    /// Whether everybody on the way can read what is sent there.
    pub(super) fn is_in_the_clear(&self) -> bool {
        let is_http = Url::parse(&self.0).is_ok_and(|url| url.scheme() == "http");
        is_http && !is_on_loopback(&self.0)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks that an event's node may stand in a URL from settings: as a step of its path, dots alone lead elsewhere,
/// also when they are percent-encoded.
pub(super) fn check_node(template: &str, node: &NodeId) -> Result<(), Refusal> {
    let is_all_dots = node.as_str().bytes().all(|b| b == b'.');
    if is_all_dots && template.contains(NODE) { Err(Refusal::Dots(node.clone())) } else { Ok(()) }
}

/// What in a URL from settings looks like a placeholder and is none.
pub fn unknown_placeholder(template: &str) -> Option<&str> {
    let inside = template.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
    inside.into_iter().find(|name| !KNOWN.contains(name))
}

/// A URL from settings with `{flow_id}` and `{node_id}`, percent-encoded, and `{revision}` filled in.
pub fn fill(template: &str, flow: &FlowId, node: &NodeId, revision: &Revision) -> String {
    let encode = |id: &str| -> String {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
        id.as_bytes()
            .iter()
            .map(|b| if plain(b) { char::from(*b).to_string() } else { format!("%{b:02X}") })
            .collect()
    };
    template
        .replace("{flow_id}", &encode(flow.as_str()))
        .replace(NODE, &encode(node.as_str()))
        .replace(REVISION, revision.as_str())
}

#[cfg(test)]
mod tests {
    use super::{BadTemplate, Template};

    #[test]
    fn a_placeholder_may_stand_behind_the_host_and_be_one_that_is_known() {
        let check = |text: &str, expected: Option<&str>| {
            let told = Template::parse(text).err().map(|error| error.to_string());
            assert_eq!(told.is_some(), expected.is_some(), "{text}: {told:?}");
            assert!(told.unwrap_or_default().contains(expected.unwrap_or_default()), "{text}");
        };
        check("https://a.example/{flow_id}?node={node_id}&at={revision}#{flow_id}", None);
        check("http://127.0.0.1:8090", None);
        check("https://{flow_id}.example/", Some("before its path"));
        check("https://{flow_id}@a.example/", Some("before its path"));
        check("https:/{flow_id}/x", Some("before its path"));
        check(r"https:\\{flow_id}\x", Some("before its path"));
        check("https:/\t/{flow_id}/x", Some("before its path"));
        check("https:/\t/{flow_id}@a.example/x", Some("before its path"));
        check("https://a.example/{flow}", Some("`flow`"));
        check("https://a.example/{}", Some("``"));
        check("ftp://a.example/", Some("`ftp` is not http"));
        check("file:///etc/passwd", Some("`file` is not http"));
        check("a.example/{flow_id}", Some("no URL"));
        check("", Some("no URL"));
        assert_eq!(Template::parse("https://a.example/{x}"), Err(BadTemplate::Unknown("x".to_owned())));
    }
}
