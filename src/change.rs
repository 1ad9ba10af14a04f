//! The words of the domain: deliveries, changes, their identifiers and their states.
//!
//! Everything else in the crate speaks in these types. They hold no behaviour beyond their own
//! validity: a value of one of these types is well-formed by construction.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// The longest flow id that is accepted, in bytes.
pub const FLOW_ID_MAX_BYTES: usize = 128;
/// The longest node id that is accepted, in bytes.
pub const NODE_ID_MAX_BYTES: usize = 512;

/// The id of a flow: `[A-Za-z0-9][A-Za-z0-9._:-]{0,127}`.
///
/// The pattern keeps an id from changing the path it is put into: percent-encoding alone would
/// let `..` through, which URL parsers resolve.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(Arc<str>);

impl FlowId {
    /// Checks `id` against the pattern.
    ///
    /// # Errors
    /// [`BadId`] naming the value and the pattern.
    pub fn parse(id: &str) -> Result<Self, BadId> {
        let follows = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        let fits = id.len() <= FLOW_ID_MAX_BYTES
            && id.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
            && id.bytes().all(follows);
        if fits { Ok(Self(id.into())) } else { Err(BadId::flow(id)) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a node in a flow: any non-empty text of at most [`NODE_ID_MAX_BYTES`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// Checks that `id` is neither empty nor too long.
    ///
    /// # Errors
    /// [`BadId`] naming the value and the bound.
    pub fn parse(id: &str) -> Result<Self, BadId> {
        if id.is_empty() || id.len() > NODE_ID_MAX_BYTES { Err(BadId::node(id)) } else { Ok(Self(id.into())) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A flow or node id that cannot be one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{what} id `{shown}` is not valid: it must be {rule}")]
pub struct BadId {
    what: &'static str,
    shown: String,
    rule: &'static str,
}

impl BadId {
    fn flow(id: &str) -> Self {
        let rule = "1 to 128 letters, digits, `.`, `_`, `:` or `-`, the first a letter or digit";
        Self { what: "flow", shown: shorten(id), rule }
    }

    fn node(id: &str) -> Self {
        Self { what: "node", shown: shorten(id), rule: "1 to 512 bytes long" }
    }
}

/// At most the first 80 characters of `text`, control characters escaped: fit for a message, between backticks.
pub fn shorten(text: &str) -> String {
    const SHOWN: usize = 80;
    let is_plain = |b: u8| matches!(b, b' '..=b'~');
    if text.len() <= SHOWN && text.bytes().all(is_plain) {
        return text.to_owned(); // as nearly everything that is logged
    }
    let end = text.char_indices().nth(SHOWN).map_or(text.len(), |(end, _)| end);
    let mut shown = String::with_capacity(end);
    for c in text[..end].chars() {
        match c {
            // Quotes and backslashes too: they are what JSON is made of.
            ' '..='~' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
    }
    if end < text.len() {
        shown.push('…');
    }
    shown
}

/// The name of a source, as in `POST /hooks/{source}`.
pub type SourceName = Arc<str>;

/// A change's place in the order of arrival, assigned when it is committed; never reused.
pub type Seq = i64;

/// One variable of a node: its name and its value as the JSON text that was given, spelling kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Variable {
    /// The variable's name, compared code point by code point.
    pub name: String,
    /// Any JSON value.
    pub value: Box<RawValue>,
}

impl Variable {
    /// A variable from its name and the JSON text of its value.
    ///
    /// # Errors
    /// When `json` is not one JSON value.
    pub fn new(name: impl Into<String>, json: &str) -> Result<Self, serde_json::Error> {
        Ok(Self { name: name.into(), value: serde_json::from_str(json)? })
    }
}

/// What a change does to its node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Replace or append the named variables; leave the others alone.
    #[default]
    Merge,
    /// Swap the whole list, so that variables that are not named disappear.
    Replace,
    /// Patch the node's `configuration` itself (RFC 7396), for settings that are no variables.
    Patch,
}

impl Mode {
    /// The mode's name in settings, in the journal and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Replace => "replace",
            Self::Patch => "patch",
        }
    }

    /// The mode of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Merge, Self::Replace, Self::Patch].into_iter().find(|mode| mode.as_str() == name)
    }
}

/// Where the values of a change come from.
#[derive(Clone, Debug)]
pub enum Values {
    /// They came with the event, or were fetched since.
    Known(Vec<Variable>),
    /// The same of a change with the mode [`Patch`](Mode::Patch): a merge patch.
    Patch(Box<RawValue>),
    /// The event was thin: they are to be fetched from this URL.
    Fetch(String),
    /// They are what another change replaced, to be restored where what that wrote still stands.
    Undo(Undo),
    /// They were fetched before there was a change for them, by who compares a source with the flows. In the journal
    /// they are known; and nothing is stored where what was seen has moved since, for then they may be older than
    /// what is there.
    Taken {
        /// Where they were fetched.
        url: String,
        /// What is to be written: values that are known.
        values: Box<Values>,
        /// All that the route's source says for that node: what was last taken from it, from now on.
        taken: Box<Values>,
        /// What stood in the journal before they were fetched.
        seen: Seen,
    },
}

/// What stood in the journal for a node, when somebody began to look at a source or a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its changes.
    pub work: Work,
    /// The change by which the route's source was last taken for the node, if it was.
    pub taken: Option<Seq>,
}

/// What a node has of changes: whether anybody works on it, and whether anybody has since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// The last one, pending or not, as long as it is kept.
    pub last: Option<Seq>,
    /// Whether any is pending whose values are known, so that an update may be on its way.
    pub is_pending: bool,
    /// How many are pending whose values are still to be fetched, by their routes.
    pub thin: BTreeMap<String, u64>,
}

impl Values {
    /// Roughly how many bytes they hold in memory.
    pub fn weight(&self) -> usize {
        let variable = |variable: &Variable| variable.name.len() + variable.value.get().len();
        match self {
            Self::Known(variables) => variables.iter().map(variable).sum(),
            Self::Patch(patch) => patch.get().len(),
            Self::Fetch(url) => url.len(),
            // Nobody has one delivered.
            Self::Undo(_) => 0,
            Self::Taken { url, values, taken, .. } => url.len() + values.weight() + taken.weight(),
        }
    }
}

/// What thin changes wait for: they are fetched together whose route and URL are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The route, which says how the URL is asked and what its answer means.
    pub route: Arc<str>,
    /// The URL.
    pub url: String,
}

/// What a rollback is to restore.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Undo {
    /// The change that is rolled back.
    pub of: Seq,
    /// What it replaced: variables, or the whole list and nothing else, or with the mode [`Patch`](Mode::Patch)
    /// members of the node's `configuration`.
    pub replaced: Vec<Replaced>,
}

impl Undo {
    /// The variables that it is to give their values back.
    pub fn restores(&self) -> Vec<Variable> {
        let mut restores = Vec::new();
        for Replaced { name, previous, .. } in &self.replaced {
            match (name, previous) {
                (Some(name), Some(value)) => {
                    restores.push(Variable { name: name.clone(), value: value.clone() });
                }
                // As far as the old list holds variables.
                (None, Some(list)) => {
                    restores.extend(serde_json::from_str::<Vec<Variable>>(list.get()).unwrap_or_default());
                }
                (_, None) => {}
            }
        }
        restores
    }

    /// What it is to restore of members, for people to see: as a merge patch, but that objects are put back whole.
    pub fn restored_members(&self) -> BTreeMap<&str, Option<&RawValue>> {
        self.replaced.iter().filter_map(|of| Some((of.name.as_deref()?, of.previous.as_deref()))).collect()
    }

    /// The variables that it is to take away, since there were none.
    pub fn removes(&self) -> Vec<&str> {
        let removed = |replaced: &&Replaced| replaced.previous.is_none();
        self.replaced.iter().filter(removed).filter_map(|replaced| replaced.name.as_deref()).collect()
    }
}

/// What a change wrote, and what stood in its place before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Replaced {
    /// The name of the variable, or of the member; none if it is the whole list.
    pub name: Option<String>,
    /// The JSON text that the change wrote; none if it took the variable away.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub ours: Option<Box<RawValue>>,
    /// The JSON text that stood there before; none if there was nothing.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub previous: Option<Box<RawValue>>,
}

/// Reads a member that is there: serde itself would take `null`, which is a value, for none.
pub(crate) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(deserializer).map(Some)
}

/// A change's place in its source's own order, where the source states one: the higher wins.
///
/// Comparable only between changes of the same route, and only with a key of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum OrderKey {
    /// The time at which the source made the change.
    Time(Timestamp),
    /// The number that the source counts its revisions by.
    Revision(u64),
}

impl PartialOrd for OrderKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Time(mine), Self::Time(theirs)) => Some(mine.cmp(theirs)),
            (Self::Revision(mine), Self::Revision(theirs)) => Some(mine.cmp(theirs)),
            (Self::Time(_), Self::Revision(_)) | (Self::Revision(_), Self::Time(_)) => None,
        }
    }
}

impl fmt::Display for OrderKey {
    /// As it stands in the journal and in answers: RFC 3339, or `#` and the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => write!(f, "{time}"),
            Self::Revision(number) => write!(f, "#{number}"),
        }
    }
}

/// A text that is no order key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no order key: it must be an RFC 3339 time, or `#` and a whole number")]
pub struct BadOrderKey(String);

impl FromStr for OrderKey {
    type Err = BadOrderKey;

    fn from_str(text: &str) -> Result<Self, BadOrderKey> {
        let key = match text.strip_prefix('#') {
            Some(number) => number.parse().map(Self::Revision).ok(),
            None => text.parse().map(Self::Time).ok(),
        };
        key.ok_or_else(|| BadOrderKey(shorten(text)))
    }
}

impl From<OrderKey> for String {
    fn from(key: OrderKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for OrderKey {
    type Error = BadOrderKey;

    fn try_from(text: String) -> Result<Self, BadOrderKey> {
        text.parse()
    }
}

/// A change as a route makes it, before it has a sequence number.
#[derive(Clone, Debug)]
pub struct NewChange {
    /// The route that made it.
    pub route: Arc<str>,
    /// The flow to change.
    pub flow: FlowId,
    /// The node to change.
    pub node: NodeId,
    /// What it does to the node.
    pub mode: Mode,
    /// The variables to set, or the patch.
    pub values: Values,
    /// The source's own order, if it states one.
    pub order_key: Option<OrderKey>,
}

/// A change in the journal.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its place in the order of arrival.
    pub seq: Seq,
    /// What it is to do.
    pub what: NewChange,
    /// How long its lane has backed off with it, in milliseconds: at a day it fails.
    pub held_ms: i64,
}

/// Where a change stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// On disk, not yet carried out.
    Pending,
    /// It is in the flow, in the version noted with it.
    Published,
    /// The flow already had the values: nothing was written.
    Unchanged,
    /// A newer change to the same variables won before it was published.
    Superseded,
    /// It needs a person.
    Failed,
    /// A person said to drop it.
    Discarded,
}

impl State {
    /// Every state, in the order of a change's life.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Published, Self::Unchanged, Self::Superseded, Self::Failed, Self::Discarded];

    /// The state's name in the journal and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Published => "published",
            Self::Unchanged => "unchanged",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Discarded => "discarded",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// What became of a verified delivery when its route looked at it.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// These changes follow from it (at least one).
    Changes(Vec<NewChange>),
    /// It cannot be carried out; kept with its reason and its body for a person to see.
    Rejected {
        /// Why, in words for the sender.
        reason: String,
        /// The bytes as they came.
        body: Bytes,
    },
}

/// A verified and routed delivery on its way to the journal.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The source that sent it.
    pub source: SourceName,
    /// The sender's id for it, or one of ours where the sender gives none.
    pub id: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// What follows from it.
    pub verdict: Verdict,
}

impl Delivery {
    /// Roughly how many bytes it holds in memory.
    pub fn weight(&self) -> usize {
        match &self.verdict {
            Verdict::Changes(changes) => changes.iter().map(|change| change.values.weight()).sum(),
            Verdict::Rejected { body, .. } => body.len(),
        }
    }
}

/// What the journal made of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Its changes (so many) are on disk and pending.
    Accepted {
        /// How many changes are pending because of it.
        changes: usize,
    },
    /// It was accepted before; nothing new was stored.
    Duplicate,
    /// What it rests on has moved since it was made: nothing was stored.
    Stale,
    /// It is kept as rejected.
    Rejected,
}
