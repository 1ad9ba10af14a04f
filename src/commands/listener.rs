//! The listeners of a running service, as the commands reach them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use flowhook::http;
use flowhook::settings::Problems;
use reqwest::{Client, Url};
use serde::Deserialize;

use crate::exit::{Exit, Failed};

/// How much of a text that came from elsewhere is shown, in characters.
const SHOWN_CHARS: usize = 400;

/// One of the service's listeners.
pub(super) struct Listener {
    pub(super) base_url: String,
    /// The flag or the setting that names it.
    pub(super) named_by: &'static str,
    pub(super) client: Client,
}

impl Listener {
    /// One that a flag names may be far away and behind a proxy; one that a setting names is here.
    pub(super) fn reach(
        base_url: String,
        by_flag: bool,
        [flag, setting]: [&'static str; 2],
    ) -> Result<Self, Failed> {
        let client = if by_flag { http::client_to(&base_url) } else { http::direct_client() };
        let client = client.map_err(|error| Failed::new(Exit::Other, error))?;
        Ok(Self { base_url, named_by: if by_flag { flag } else { setting }, client })
    }
}

/// The URL of the listener that `variable` places at `listen`. An unspecified address is reached by
/// loopback: it is all addresses of this machine, and none that could be connected to.
pub(super) fn base_url(variable: &str, listen: SocketAddr) -> Result<String, Problems> {
    if listen.port() == 0 {
        let mut problems = Problems::default();
        problems.add(&format!(
            "{variable} is `{listen}`, which leaves the port to the system: set the one that the service's log names"
        ));
        return Err(problems);
    }
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    Ok(format!("http://{}", SocketAddr::new(ip, listen.port())))
}

/// A URL that paths can be appended to.
pub(super) fn base(text: &str) -> Result<String, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    match url {
        Some(url) if url.query().is_none() && url.fragment().is_none() => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        Some(_) => {
            Err("it has a query or a fragment: paths are appended to it, so leave that away".to_owned())
        }
        None => Err("it must be an http or https URL, such as http://127.0.0.1:8080".to_owned()),
    }
}

/// What an answer of `application/problem+json` (RFC 9457) says in words; nothing if it is none. Without the
/// full stop: our own sentence goes on.
pub(super) fn detail(answer: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }
    serde_json::from_str(answer).ok().map(|Problem { detail }| one_line(detail.trim_end_matches('.')))
}

/// A text that came from elsewhere, fit for a line of ours.
pub(super) fn one_line(text: &str) -> String {
    let mut line: String =
        text.chars().take(SHOWN_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{base_url, detail, one_line};

    #[test]
    fn a_listener_is_reached_at_its_address_or_by_loopback() {
        let check = |listen: &str, expected: &str| {
            let url = base_url("FLOWHOOK_LISTEN", listen.parse().expect("an address"));
            assert_eq!(url.as_deref(), Ok(expected), "{listen}");
        };
        check("127.0.0.1:8080", "http://127.0.0.1:8080");
        check("10.1.2.3:80", "http://10.1.2.3:80");
        check("0.0.0.0:8080", "http://127.0.0.1:8080");
        check("[::]:8080", "http://[::1]:8080");
        check("[fd00::1]:8080", "http://[fd00::1]:8080");
        let unknown = base_url("FLOWHOOK_LISTEN", "127.0.0.1:0".parse().expect("an address"));
        let told = unknown.expect_err("a port that nobody knows").to_string();
        assert!(told.contains("FLOWHOOK_LISTEN is `127.0.0.1:0`"), "{told}");
    }

    #[test]
    fn a_problem_is_told_on_one_line() {
        let check = |answer: &str, expected: Option<&str>| {
            assert_eq!(detail(answer).as_deref(), expected, "{answer}");
        };
        check(r#"{"type":"about:blank","status":422,"detail":"`a` is\nmissing"}"#, Some("`a` is missing"));
        check(r#"{"detail":"There is no such source."}"#, Some("There is no such source"));
        check(r#"{"status":"accepted"}"#, None);
        check("<html>", None);
        assert_eq!(one_line(&"ü".repeat(401)), format!("{}…", "ü".repeat(400)));
        assert_eq!(one_line("a\u{1b}[2Jb"), "a [2Jb");
    }
}
