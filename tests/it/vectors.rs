//! The deliveries of `fixtures/signatures`, one file a preset.

use std::collections::BTreeMap;
use std::fs;

use flowhook::source::{Scheme, Secret, Source};
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use serde::Deserialize;

/// A delivery, and what must become of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Vector {
    pub(crate) id: String,
    pub(crate) secrets: Vec<String>,
    pub(crate) headers: BTreeMap<String, String>,
    body: String,
    /// The receiver's clock, in seconds since 1970.
    pub(crate) now: i64,
    /// `ok`, or the kind of refusal.
    pub(crate) expect: String,
    /// The sender's id for it, if it has one.
    pub(crate) delivery_id: Option<String>,
}

impl Vector {
    pub(crate) fn is_good(&self) -> bool {
        self.expect == "ok"
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        let header = |(name, value): (&String, &String)| {
            (name.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(value).expect("a value"))
        };
        self.headers.iter().map(header).collect()
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        self.body.clone().into()
    }

    /// A source that has its secrets.
    pub(crate) fn source(&self, scheme: &Scheme) -> Source {
        self.source_named("config", scheme)
    }

    /// A source of that name that has its secrets.
    pub(crate) fn source_named(&self, name: &str, scheme: &Scheme) -> Source {
        let secret = |text: &String| Secret::parse(scheme, text).expect("a good secret");
        Source::new(name, scheme.clone(), self.secrets.iter().map(secret).collect()).expect("a good source")
    }
}

/// Every vector with its scheme.
pub(crate) fn vectors() -> Vec<(Scheme, Vector)> {
    #[derive(Deserialize)]
    struct File {
        vectors: Vec<Vector>,
    }
    let of = |scheme: Scheme| {
        let path = format!("{}/fixtures/signatures/{}.json", env!("CARGO_MANIFEST_DIR"), scheme.name());
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let file: File = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        file.vectors.into_iter().map(move |vector| (scheme.clone(), vector)).collect::<Vec<_>>()
    };
    Scheme::all().flat_map(of).collect()
}
