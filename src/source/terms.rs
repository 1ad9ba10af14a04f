//! What is agreed with one source beside how it signs.

use std::fmt;

use serde::Deserialize;

/// How far the time of signing may be from ours, in seconds: as in the reference libraries.
pub const TOLERANCE_S: i64 = 300;
/// The widest tolerance, a day: it bounds how old a delivery can be that is replayed, and a time that is close to
/// ours has as many digits as ours.
pub const TOLERANCE_S_MAX: i64 = 24 * 60 * 60;
/// The longest body, in bytes, where nothing else is said: 1 MiB.
pub const BODY_BYTES: usize = 1_024 * 1_024;
/// The longest body that a source may have, in bytes: 8 MiB, of which the receiver bears three at once. With longer
/// ones two honest senders would show each other out, or memory would not be bounded as it is.
pub const BODY_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// What is agreed with one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How far the time of signing may be from ours, before or after, in seconds; the bound is allowed. Default
    /// [`TOLERANCE_S`].
    pub tolerance_s: i64,
    /// The longest body, in bytes. Default [`BODY_BYTES`].
    pub body_bytes: usize,
    /// How deliveries come: at least one. Default POST alone.
    pub methods: Vec<Method>,
    /// What is answered to a delivery that cannot be carried out.
    pub rejected: OnRejected,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            tolerance_s: TOLERANCE_S,
            body_bytes: BODY_BYTES,
            methods: vec![Method::Post],
            rejected: OnRejected::default(),
        }
    }
}

impl Terms {
    /// Whether deliveries come by that method.
    pub fn takes(&self, method: &hyper::Method) -> bool {
        self.methods.iter().any(|known| known.as_str() == method.as_str())
    }

    /// The first method that carries a body, if there is one.
    pub fn with_body(&self) -> Option<hyper::Method> {
        self.methods.iter().find_map(|method| match method {
            Method::Post => Some(hyper::Method::POST),
            Method::Put => Some(hyper::Method::PUT),
            Method::Patch => Some(hyper::Method::PATCH),
            Method::Get => None,
        })
    }

    /// The methods, as the header `Allow` has them.
    pub fn allow(&self) -> String {
        self.methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// How a delivery comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// As nearly all senders have it.
    Post,
    /// With a body.
    Put,
    /// With a body.
    Patch,
    /// Without a body.
    Get,
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Get => "GET",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a sender is answered whose delivery is genuine and cannot be carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
pub enum OnRejected {
    /// 400 or 422: it is told that it was refused.
    #[default]
    Refused,
    /// 200: some senders disable a hook that refused a few deliveries.
    Success,
}

impl TryFrom<u16> for OnRejected {
    type Error = String;

    fn try_from(status: u16) -> Result<Self, String> {
        match status {
            422 => Ok(Self::Refused),
            200 => Ok(Self::Success),
            other => Err(format!("`rejected` must be 422 or 200, not `{other}`")),
        }
    }
}
