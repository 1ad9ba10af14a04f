//! The listeners of a running service, as the commands reach them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use flowhook::settings::Problems;
use reqwest::Url;
use serde::Deserialize;

/// How much of a text that came from elsewhere is shown, in characters.
const SHOWN_CHARS: usize = 400;

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

/// Whether a URL leads to this machine, as far as its text tells.
pub(super) fn is_here(url: &str) -> bool {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
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
    use super::{base_url, detail, is_here, one_line};

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
    fn only_loopback_is_here() {
        let check = |url: &str, expected: bool| assert_eq!(is_here(url), expected, "{url}");
        check("http://127.0.0.1:8080", true);
        check("http://127.9.9.9/in", true);
        check("https://[::1]:8080", true);
        check("http://LocalHost:8080", true);
        check("http://0.0.0.0:8080", true);
        check("http://10.0.0.5:8080", false);
        check("http://localhost.example.com", false);
        check("http://127.0.0.1.example.com", false);
        check("https://[2001:db8::1]", false);
        check("nowhere", false);
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
