//! `Retry-After` (RFC 9110, section 10.2.3): delay in seconds, or an HTTP-date.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// A longer wait than this counts as this.
const LONGEST: Duration = Duration::from_secs(3600);
/// A shorter wait than this counts as absent.
const SHORTEST: Duration = Duration::from_secs(1);

/// The wait that the headers ask for, or nothing where they ask for none that makes sense: absent,
/// malformed, under a second or in the past.
///
/// A date is measured against the answer's own `Date` where it has one, so that the two clocks need not
/// agree. Of several headers the longest wait counts.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let date = headers.get(DATE).and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok());
    headers
        .get_all(RETRY_AFTER)
        .iter()
        .filter_map(|value| wait(value.to_str().ok()?.trim(), date.unwrap_or(now)))
        .max()
        .filter(|wait| *wait >= SHORTEST)
        .map(|wait| wait.min(LONGEST))
}

fn wait(value: &str, now: SystemTime) -> Option<Duration> {
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are a very long wait, not a malformed one.
        return Some(value.parse().map_or(LONGEST, Duration::from_secs));
    }
    httpdate::parse_http_date(value).ok()?.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 22 Nov 2026 08:00:00 GMT
    const NOW: u64 = 1_795_334_400;

    fn check(lines: &[(&'static str, &str)], expected_secs: Option<u64>) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().expect("a header value"));
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
        assert_eq!(retry_after(&headers, now), expected_secs.map(Duration::from_secs), "{lines:?}");
    }

    #[test]
    fn every_spelling_of_retry_after_means_what_the_contract_says() {
        check(&[], None);
        for (value, expected) in [
            ("1", Some(1)),
            ("58", Some(58)),
            (" 7 ", Some(7)),
            ("3600", Some(3600)),
            ("3601", Some(3600)),
            ("100000000", Some(3600)),
            ("99999999999999999999999999", Some(3600)),
            ("0", None),
            ("-5", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
            ("Sun, 22 Nov 2026 08:00:30 GMT", Some(30)),
            ("Sunday, 22-Nov-26 08:00:30 GMT", Some(30)),
            ("Sun Nov 22 08:00:30 2026", Some(30)),
            ("Sun, 22 Nov 2026 07:59:00 GMT", None),
            ("Mon, 23 Nov 2026 08:00:00 GMT", Some(3600)),
        ] {
            check(&[("retry-after", value)], expected);
        }
    }

    #[test]
    fn a_date_is_measured_against_the_answers_own_clock() {
        let lines =
            [("date", "Sun, 22 Nov 2026 08:05:00 GMT"), ("retry-after", "Sun, 22 Nov 2026 08:05:20 GMT")];
        check(&lines, Some(20));
    }

    #[test]
    fn of_two_headers_the_longer_wait_counts() {
        check(&[("retry-after", "2"), ("retry-after", "9")], Some(9));
    }
}
