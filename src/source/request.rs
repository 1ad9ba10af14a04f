//! A request as far as schemes know it: headers, the items of one of them, and a body.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use super::refusal::VerifyError;

/// A header's names, in lower case and at least one. Where a request has several of them the first counts; we
/// send the first.
pub(super) type Names = &'static [&'static str];

/// The header with one signature or several, and with what else a scheme puts there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SignatureHeader {
    pub(super) names: Names,
    /// What stands between its items, spaces around it aside; without it the whole value is the one item.
    pub(super) separator: Option<char>,
}

/// A request that may be a delivery.
pub(super) struct Incoming<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) signature: &'static SignatureHeader,
    /// Nothing reads it before the signature has held.
    pub(super) body: &'a [u8],
}

impl<'a> Incoming<'a> {
    /// The value of a header that must be there, in exactly one line: with two, we might check one and
    /// something before us might have looked at the other.
    pub(super) fn line(&self, names: Names) -> Result<&'a str, VerifyError> {
        let there = names.iter().copied().find(|name| self.headers.contains_key(*name));
        let name = there.unwrap_or_else(|| first(names));
        let mut lines = self.headers.get_all(name).iter();
        match (lines.next(), lines.next()) {
            (None, _) => Err(VerifyError::MissingHeader(name)),
            (Some(_), Some(_)) => Err(VerifyError::RepeatedHeader(name)),
            (Some(line), None) => line.to_str().map_err(|_not_ascii| VerifyError::UnreadableHeader(name)),
        }
    }

    /// The items of the signature's header.
    pub(super) fn items(&self) -> Result<impl Iterator<Item = &'a str>, VerifyError> {
        let SignatureHeader { names, separator } = self.signature;
        let items = self.line(names)?.split(|c| Some(c) == *separator);
        Ok(items.map(|item| if separator.is_some() { item.trim_matches(' ') } else { item }))
    }
}

/// A request of our own, as it takes shape. The body is sent as it is.
#[derive(Default)]
pub(super) struct Outgoing {
    pub(super) headers: HeaderMap,
    /// What will stand in the signature's header.
    pub(super) items: Vec<String>,
}

impl Outgoing {
    pub(super) fn add_line(&mut self, names: Names, value: &str) {
        let value = HeaderValue::from_str(value).expect("ids, numbers and signatures are visible ASCII");
        self.headers.insert(HeaderName::from_static(first(names)), value);
    }

    /// All headers, the signature's too.
    pub(super) fn finish(mut self, signature: &SignatureHeader) -> HeaderMap {
        let separator = signature.separator.map(String::from).unwrap_or_default();
        self.add_line(signature.names, &self.items.join(&separator));
        self.headers
    }
}

fn first(names: Names) -> &'static str {
    names.first().expect("a header has a name, to which a test holds the table of rows")
}
