//! Flow documents: edited by splicing spans of their text, never by writing them anew.
//!
//! A flow is somebody else's document. Reading it into values and writing it back would lose what the
//! values do not hold: the order of keys, members that occur twice, `1.10` next to `1.1`, numbers of thirty
//! digits, lone surrogates, white space. So the text itself stays the truth:
//!
//! ```text
//!  {"flow":{"version":14,"nodes":[{"id":"n1","configuration":{…,"variables":[…]}}, …]}}
//!                     ▔▔            ▔▔▔▔▔▔▔▔▔                  ▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔
//!     one scan notes where things stand          an addressed node is looked into, and only then
//! ```
//!
//! 1. [`Document::parse`] scans the text once. The scan checks that all of it is JSON and notes the spans
//!    of the version and of each node's id and configuration; nothing else is taken apart.
//! 2. [`Document::node`] finds a node by its id and looks into its configuration.
//! 3. [`Document::edited`] makes a new text: the old one with some spans replaced. A value that is already
//!    the [same](same_value) is left as it was spelt, so an edit that changes nothing changes no byte.
//!
//! What the address could mean twice is refused ([`AddressError`]): readers of JSON disagree about which
//! of two equal keys counts, so we would edit one and the tenant might run the other. Ambiguity beside
//! the path is none of our business and is carried along.
//!
//! Nothing here recurses over the document, so its depth costs memory and never the stack.
//!
//! # The files, in reading order
//!
//! | file | holds |
//! |---|---|
//! | `document` | the face: a parsed document, what can be asked of it |
//! | `aside` | the same for large documents, beside the runtime's threads |
//! | `outline` | the one scan |
//! | `node_outline` | where the parts of an addressed node stand |
//! | `node`, `list` | an addressed node and the list of its variables |
//! | `edit`, `restore` | what is to change, or to be put back, planned as splices |
//! | `patch`, `configuration`, `patching` | merge patches, and the configuration that they change |
//! | `error` | what can be wrong with a document or with an address |
//! | `cursor` | walks the members and elements on the path; skips the rest whole |
//! | `scalar` | where strings, numbers and words end |
//! | `spelling` | JSON strings: raw text to decoded text |
//! | `value`, `decimal` | when two values are the same |
//! | `version` | which of two versions is the older |
//! | `layout` | the text re-indented, for diffs |
//! | `tokens` | the tokens of a JSON text, for `value` and `layout` |

mod aside;
mod configuration;
mod cursor;
mod decimal;
mod document;
mod edit;
mod error;
mod layout;
mod list;
mod node;
mod node_outline;
mod outline;
mod patch;
mod patching;
mod restore;
mod scalar;
mod spelling;
mod tokens;
mod value;
mod version;

pub use aside::aside;
pub use configuration::Configuration;
pub use document::{Document, NodeSummary};
pub use edit::NodeEdit;
pub use error::{AddressError, DocumentError};
pub use layout::laid_out;
pub use node::Node;
pub use patch::{BadPatch, Patch, StandingPatch};
pub use patching::Patching;
pub use restore::Restore;
pub use value::same_value;
pub use version::{has_moved, is_older};
