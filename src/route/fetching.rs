//! How a route gets values that its events do not carry.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use secrecy::ExposeSecret as _;
use serde_json::value::RawValue;

use super::definition::FetchDefinition;
use super::mapping::Mapping;
use super::problem::Problems;
use super::schema::Mismatch;
use crate::change::{Values, shorten};
use crate::http::Manner;
use crate::json::Value;

/// The longest that settings may let a call take, in seconds.
const TIMEOUT_AT_MOST_S: u64 = 60;
/// The longest answer that settings may allow, in bytes: 16 MiB.
const ANSWER_BYTES_AT_MOST: usize = 16 * 1_024 * 1_024;
/// What a call says of itself: settings do not.
const OURS: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "accept-encoding"];

/// How the values of a route's thin changes are fetched, and what it reads out of the answer.
#[derive(Clone, Debug)]
pub struct Fetching {
    /// How the request is made.
    pub manner: Manner,
    /// Whose the headers are: scheme, host and port. None of the built-in routes, which send none.
    origin: Option<String>,
    mapping: Arc<Mapping>,
}

/// As the built-in routes do it.
impl Default for Fetching {
    fn default() -> Self {
        Self { manner: Manner::default(), origin: None, mapping: Arc::new(Mapping::Native) }
    }
}

impl Fetching {
    pub(super) fn new(definition: &FetchDefinition, mapping: Mapping, problems: &mut Problems) -> Self {
        let mut manner = Manner { headers: headers(definition, problems), ..Manner::default() };
        if let Some(seconds) = definition.timeout_seconds {
            if !(1..=TIMEOUT_AT_MOST_S).contains(&seconds) {
                problems
                    .add("fetch.timeout_seconds", format!("must be 1 to {TIMEOUT_AT_MOST_S}, not {seconds}"));
            }
            manner.timeout = Duration::from_secs(seconds);
        }
        if let Some(bytes) = definition.max_bytes {
            if !(1..=ANSWER_BYTES_AT_MOST).contains(&bytes) {
                problems.add("fetch.max_bytes", format!("must be 1 to {ANSWER_BYTES_AT_MOST}, not {bytes}"));
            }
            manner.max_bytes = bytes;
        }
        Self { manner, origin: origin(&definition.url), mapping: Arc::new(mapping) }
    }

    /// Whether the headers are for who is asked there. A change keeps the URL that its route had when the event came,
    /// and settings may have named another host and its token since.
    pub fn may_ask(&self, url: &str) -> bool {
        self.origin.is_none() || self.origin == origin(url)
    }

    /// The values that the route takes from an answer.
    ///
    /// # Errors
    /// [`Mismatch`] when they are not there or of another type.
    pub fn read(&self, answer: &RawValue) -> Result<Values, Mismatch> {
        let values = self.mapping.read("the answer", &Value::new(answer))?;
        if self.mapping.is_whole(&values) { Ok(values) } else { Err(Mismatch::None) }
    }
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> Option<String> {
    Url::parse(url).ok().map(|url| url.origin().ascii_serialization())
}

/// All of them are taken for secret.
fn headers(definition: &FetchDefinition, problems: &mut Problems) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &definition.headers {
        let key = format!("fetch.headers.{}", shorten(name));
        let Ok(name) = name.parse::<HeaderName>() else {
            problems.add(key, "is no name of a header: use letters, digits and `-`");
            continue;
        };
        if OURS.contains(&name.as_str()) {
            problems.add(key, "is for us to say: remove it");
            continue;
        }
        // What it is stays unsaid: it may be a secret.
        let Ok(mut value) = HeaderValue::from_str(value.expose_secret()) else {
            problems.add(key, "cannot be sent: its value has a line break or another control character");
            continue;
        };
        value.set_sensitive(true);
        if headers.insert(name, value).is_some() {
            problems.add(key, "is there twice, spelt in two ways: keep one");
        }
    }
    headers
}
