//! JSON as the text that it is: what stands where, found without a round trip through values.

mod pointer;
mod value;

pub(crate) use pointer::{BadPointer, Pointer};
pub(crate) use value::{Unclear, Value, find};
