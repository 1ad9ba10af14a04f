//! The one way in which this program makes an HTTP client, and reads an answer's body.

mod manner;
mod wire;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use reqwest::header::CONTENT_ENCODING;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response, Url};

pub use manner::{ANSWER_BYTES, Manner};
pub use wire::{Answering, Unanswered, Wire};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a whole call may take, its body included.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an unused connection is kept: shorter than servers usually keep theirs.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A client with TLS by rustls and ring, time-outs, and no redirects: a redirect would carry our
/// credentials to whoever it names.
///
/// # Errors
/// When the system has no usable certificate store.
pub fn client() -> Result<Client, reqwest::Error> {
    builder().build()
}

/// The same without the proxies that the environment names: for our own listeners, which a proxy could not
/// reach where they are on loopback.
///
/// # Errors
/// As [`client`].
pub fn direct_client() -> Result<Client, reqwest::Error> {
    builder().no_proxy().build()
}

/// The one of the two that fits calls to this URL: what is on this machine is behind no proxy.
///
/// # Errors
/// As [`client`].
pub fn client_to(url: &str) -> Result<Client, reqwest::Error> {
    if is_on_loopback(url) { direct_client() } else { client() }
}

/// Whether a URL's host is this machine's loopback.
pub fn is_on_loopback(url: &str) -> bool {
    address_of(url).is_some_and(|ip| ip.is_loopback())
}

/// The address that a URL's host is; that of loopback for `localhost`, none for other names.
pub fn address_of(url: &str) -> Option<IpAddr> {
    let url = Url::parse(url).ok()?;
    match url.host_str()? {
        "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        host => host.trim_start_matches('[').trim_end_matches(']').parse().ok(),
    }
}

fn builder() -> ClientBuilder {
    // An error means that one is installed already, which serves as well.
    _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("flowhook/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .tcp_nodelay(true)
}

/// An answer's body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke in the middle of it.
    #[error("the answer broke off: {}", root_cause(.0))]
    Broken(#[source] reqwest::Error),
    /// It is longer than the bound.
    #[error("the answer is longer than {at_most} bytes")]
    TooLong {
        /// The bound.
        at_most: usize,
    },
    /// It is not UTF-8.
    #[error("the answer is not UTF-8 text")]
    NotText,
    /// It is compressed, though we accept nothing of the kind.
    #[error("the answer is encoded as `{0}`, which was not asked for: have it sent as it is")]
    Encoded(String),
}

/// Reads a body of at most `at_most` bytes as text.
///
/// # Errors
/// [`BodyError`].
pub async fn text(mut response: Response, at_most: usize) -> Result<String, BodyError> {
    let encoding = response.headers().get(CONTENT_ENCODING).filter(|encoding| *encoding != "identity");
    if let Some(encoding) = encoding {
        return Err(BodyError::Encoded(encoding.to_str().unwrap_or("something unreadable").to_owned()));
    }
    let declared = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let mut body = Vec::with_capacity(declared.min(at_most));
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
        if body.len() + chunk.len() > at_most {
            return Err(BodyError::TooLong { at_most });
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).map_err(|_not_utf8| BodyError::NotText)
}

/// A URL as it may be shown: without the user, the password and the query, where people put keys. Taken as
/// text, so that it is spelt as it was given, and that what is no URL shows nothing either.
pub fn shown(url: &str) -> String {
    let (address, query) = match url.split_once(['?', '#']) {
        Some((address, _)) => (address, "?…"),
        None => (url, ""),
    };
    let (scheme, rest) = address.find("://").map_or(("", address), |at| address.split_at(at + "://".len()));
    let (authority, path) = rest.find(['/', '\\']).map_or((rest, ""), |at| rest.split_at(at));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}{host}{path}{query}")
}

/// The innermost cause of an error: what the system said, without the layers above it.
pub fn root_cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::{is_on_loopback, shown};

    #[test]
    fn this_machine_is_known_by_its_names_and_addresses() {
        let check = |url: &str, expected: bool| assert_eq!(is_on_loopback(url), expected, "{url}");
        check("http://127.0.0.1:8090", true);
        check("https://127.9.9.9/{flow_id}?a", true);
        check("http://[::1]:8090/", true);
        check("http://localhost", true);
        check("http://0.0.0.0:8080", false);
        check("http://localhost.example", false);
        check("http://10.0.0.1", false);
        check("http://127.0.0.1.example", false);
        check("127.0.0.1", false);
    }

    #[test]
    fn a_url_is_shown_without_what_may_be_a_key() {
        let check = |url: &str, expected: &str| assert_eq!(shown(url), expected, "{url}");
        check("https://api.example/v1/f%3A1", "https://api.example/v1/f%3A1");
        check("https://api.example/{flow_id}/@me", "https://api.example/{flow_id}/@me");
        check("https://me:hunter2@api.example:8443/v1", "https://api.example:8443/v1");
        check("https://me:hun@ter2@api.example", "https://api.example");
        check("https://api.example/v1?flow=f&key=hunter2", "https://api.example/v1?…");
        check("https://api.example/v1#hunter2", "https://api.example/v1?…");
        check("ftp://me:hunter2@api.example/", "ftp://api.example/");
        check("me:hunter2@api.example/v1", "api.example/v1");
        check("https://?key=hunter2", "https://?…");
    }
}
