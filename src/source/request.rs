//! A request as far as schemes know it: headers, the items of one of them, and a body.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use super::refusal::VerifyError;

/// A header's names, at least one. Where a request has several of them the first counts; we send the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) first: HeaderName,
    pub(super) others: Vec<HeaderName>,
}

impl Names {
    /// Whether a request has a header of one of the names.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        self.all().any(|name| headers.contains_key(name))
    }

    /// Every one of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &HeaderName> {
        [&self.first].into_iter().chain(&self.others)
    }
}

/// The header with one signature or several, and with what else a scheme puts there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignatureHeader {
    pub(super) names: Names,
    /// What stands between its items, spaces around it aside; without it the whole value is the one item.
    pub(super) separator: Option<char>,
}

/// A request that may be a delivery.
pub(super) struct Incoming<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) signature: &'a SignatureHeader,
    /// Nothing reads it before the signature has held.
    pub(super) body: &'a [u8],
}

impl<'a> Incoming<'a> {
    /// The value of a header that must be there, in exactly one line: with two, we might check one and
    /// something before us might have looked at the other.
    pub(super) fn line(&self, names: &Names) -> Result<&'a str, VerifyError> {
        let name = names.all().find(|name| self.headers.contains_key(*name)).unwrap_or(&names.first);
        let mut lines = self.headers.get_all(name).iter();
        match (lines.next(), lines.next()) {
            (None, _) => Err(VerifyError::MissingHeader(name.clone())),
            (Some(_), Some(_)) => Err(VerifyError::RepeatedHeader(name.clone())),
            (Some(line), None) => {
                line.to_str().map_err(|_not_ascii| VerifyError::UnreadableHeader(name.clone()))
            }
        }
    }

    /// The items of the signature's header.
    pub(super) fn items(&self) -> Result<impl Iterator<Item = &'a str>, VerifyError> {
        let SignatureHeader { names, separator } = self.signature;
        let items = self.line(names)?.split(|c| Some(c) == *separator);
        Ok(items.map(|item| if separator.is_some() { item.trim_matches(' ') } else { item }))
    }

    /// What stands after the mark in the one item that has it.
    pub(super) fn item(&self, mark: &str) -> Result<&'a str, VerifyError> {
        let mut marked = self.items()?.filter_map(|item| item.strip_prefix(mark));
        match (marked.next(), marked.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => Err(VerifyError::MissingItem(mark.to_owned())),
            (Some(_), Some(_)) => Err(VerifyError::RepeatedItem(mark.to_owned())),
        }
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
    pub(super) fn add_line(&mut self, names: &Names, value: &str) {
        let value = HeaderValue::from_str(value).expect("ids, numbers, signatures and tokens are ASCII");
        self.headers.insert(names.first.clone(), value);
    }

    /// All headers, the signature's too.
    pub(super) fn finish(mut self, signature: &SignatureHeader) -> HeaderMap {
        let separator = signature.separator.map(String::from).unwrap_or_default();
        self.add_line(&signature.names, &self.items.join(&separator));
        self.headers
    }
}
