//! What the fuzz targets hold the crate to.
//!
//! Each target is a function of bytes that panics when something is not as it must be. The targets under
//! `targets/` give it the bytes of libFuzzer; the crate's own tests include these files and give it the kept
//! corpus, so that `cargo test` replays what was ever found.
//!
//! | file | holds |
//! |---|---|
//! | `signatures`, `schemes` | a signed delivery and what is changed in it; what the senders' pages say of it |
//! | `routing`, `events`, `times` | a body and what is set; what the README says of it |
//! | `described` | a body and a route that settings describe; what their page says of it |
//! | `document`, `flow`, `meaning` | a flow document, its edits and what is put back; the same by the book |
//! | `json` | a reader of JSON that shares no code with the crate |
//! | `choices`, `odd` | decisions out of bytes, and the odd texts that are written by them |

mod choices;
mod described;
pub mod document;
mod events;
mod flow;
mod json;
mod meaning;
mod odd;
pub mod routing;
mod schemes;
pub mod signatures;
mod times;
