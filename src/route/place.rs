//! Where in a delivery a route looks: a value of the body, or a header.

use std::borrow::Cow;
use std::fmt;

use hyper::header::{HeaderMap, HeaderName};

use super::problem::Problems;
use crate::json::{Pointer, Unclear, Value};

/// A place that may hold something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    At(Pointer),
    Header(HeaderName),
}

/// Where pointers start, and the headers that came with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'s, 'a> {
    pub(super) value: &'s Value<'a>,
    pub(super) headers: &'s HeaderMap,
}

impl Place {
    /// The one of the two that is set in the table `key`.
    pub(super) fn new(
        at: Option<&str>,
        header: Option<&str>,
        key: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        match (at, header) {
            (Some(at), None) => problems.take(&format!("{key}.at"), Pointer::parse(at)).map(Self::At),
            (None, Some(name)) => {
                let parsed = name.parse().map_err(|_not_a_name| "it is no name of a header");
                problems.take(&format!("{key}.header"), parsed).map(Self::Header)
            }
            (Some(_), Some(_)) => {
                problems.add(key, "has both `at` and `header`: keep one");
                None
            }
            (None, None) => {
                problems.add(key, "says not where to look: set `at` to a pointer, or `header` to a name");
                None
            }
        }
    }

    /// What is there, as JSON: a header is a string.
    pub(super) fn find<'s>(&self, scene: Scene<'s, '_>) -> Result<Option<Cow<'s, str>>, Unclear> {
        match self {
            Self::At(pointer) => Ok(scene.value.at(pointer)?.map(|value| Cow::Borrowed(value.raw().get()))),
            Self::Header(name) => {
                let mut found = scene.headers.get_all(name).iter();
                let first = found.next();
                if found.next().is_some() {
                    return Err(Unclear::Twice(name.to_string()));
                }
                let text = first.map(|value| String::from_utf8_lossy(value.as_bytes()));
                Ok(text.map(|text| Cow::Owned(serde_json::Value::from(text).to_string())))
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(pointer) => pointer.fmt(f),
            Self::Header(name) => write!(f, "the header `{name}`"),
        }
    }
}
