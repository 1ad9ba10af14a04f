//! Whether what is printed is what a page shows, but for what differs each time.

use std::collections::VecDeque;

use jiff::Timestamp;

/// The units of durations, as words and as the ends of fields' names.
const UNITS: [&str; 3] = ["us", "ms", "s"];

/// A line with all that differs each time made alike: times, durations, ids of deliveries, names of temporary
/// files. Nothing else: statuses, versions, counts and ports are what the pages are held to.
fn masked(line: &str) -> String {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    let mut masked = String::new();
    let mut rest = line.trim_end();
    while !rest.is_empty() {
        let gap = rest.find(is_of_word).unwrap_or(rest.len());
        masked.push_str(&rest[..gap]);
        rest = &rest[gap..];
        let word = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
        let (whole, after) = rest.split_at(word);
        // What ends the clause is none of the word's.
        let word = whole.trim_end_matches(['.', ':']);
        masked.push_str(in_place_of(word, &masked, after).unwrap_or(word));
        masked.push_str(&whole[word.len()..]);
        rest = after;
    }
    masked
}

/// What stands for a word that differs each time, by what is around it.
fn in_place_of(word: &str, before: &str, after: &str) -> Option<&'static str> {
    let is_number = word.parse::<f64>().is_ok();
    let unit = after.strip_prefix(' ').map(|after| after.split(|c: char| !c.is_ascii_alphabetic()).next());
    let field = before.strip_suffix('=').and_then(|before| before.rsplit_once('_')).map(|(_, unit)| unit);
    let is_duration = [unit.flatten(), field].into_iter().flatten().any(|unit| UNITS.contains(&unit));
    match word {
        _ if is_number && is_duration => Some("#"),
        _ if word.parse::<Timestamp>().is_ok() => Some("<time>"),
        _ if word.starts_with("msg_") => Some("<id>"),
        _ if word.starts_with(".tmp") || word.starts_with("tmp.") => Some("<temporary>"),
        _ => None,
    }
}

/// Whether `printed` is what the page shows; of what still serves, whether it has come so far. A line `…`
/// stands for any lines.
pub(super) fn fits(shown: &str, printed: &str, still_serves: bool) -> bool {
    let printed: Vec<String> = printed.trim_end().lines().map(masked).collect();
    let shown: Vec<String> = shown.trim_end().lines().map(masked).collect();
    let mut chunks: VecDeque<&[String]> = shown.split(|line| line == "…").collect();
    let last = chunks.pop_back().unwrap_or_default();
    let Some(first) = chunks.pop_front() else {
        return if still_serves { printed.starts_with(last) } else { printed == last };
    };
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    for chunk in chunks {
        let Some(at) = find(rest, chunk) else { return false };
        rest = &rest[at + chunk.len()..];
    }
    if still_serves { find(rest, last).is_some() } else { rest.ends_with(last) }
}

fn find(lines: &[String], chunk: &[String]) -> Option<usize> {
    (0..=lines.len().checked_sub(chunk.len())?).find(|at| lines[*at..].starts_with(chunk))
}

#[test]
fn lines_are_held_to_lines() {
    let check = |shown: &str, printed: &str, serves: bool, expected: bool| {
        assert_eq!(fits(shown, printed, serves), expected, "{shown:?} {printed:?}");
    };
    check("a", "a\n", false, true);
    check("a", "a\nb", false, false);
    check("a\n…", "a\nb", false, true);
    check("…\nc", "a\nb\nc", false, true);
    check("…\nc", "a\nc\nb", false, false);
    check("a\n…\nc", "a\nb\nc", false, true);
    check("a\n…\nc", "b\na\nc", false, false);
    check("a\n…\nc\n…\ne", "a\nc\nd\ne", false, true);
    check("a\n…\nc\n…\ne", "a\nd\ne", false, false);
    check("a", "a\nb", true, true);
    check("a\n…\nb", "a\nx\nb\ny", true, true);
    check("a\nb", "a", true, false);
}

#[test]
fn only_what_differs_each_time_may_differ() {
    let check = |shown: &str, printed: &str, expected: bool| {
        assert_eq!(fits(shown, printed, false), expected, "{shown:?} {printed:?}");
    };
    check("2026-11-22T06:00:00.000000Z  INFO x", "2027-01-02T03:04:05Z  INFO x", true);
    check("published, 13 ms", "published, 1204 ms", true);
    check("1 file in 0.1 s: 1 published", "1 file in 12.5 s: 1 published", true);
    check("http.took_us=1160 x", "http.took_us=7 x", true);
    check("as msg_demo_1795338156941", "as msg_demo_1", true);
    check(r#"{"id":"msg_01a2","changes":1}"#, r#"{"id":"msg_zz9","changes":1}"#, true);
    check("at /tmp/.tmpAbc/x ü", "at /tmp/.tmpXyz/x ü", true);

    check("f  202  x", "f  503  x", false);
    check("version 15", "version 16", false);
    check("wait = 30", "wait = 31", false);
    check("1 of 6 checks", "2 of 6 checks", false);
    check("1 file in 0.1 s: 1 published", "2 files in 0.1 s: 1 published", false);
    check("1 file in 0.1 s: 1 published", "1 file in 0.1 s: 2 published", false);
    check("13 ms", "13 s", false);
    check("13 ms", "soon", false);
    check("127.0.0.1:8080", "127.0.0.1:8081", false);
    check("retry_times=1", "retry_times=2", false);
    check(r#"{"id":"msg_01a2","changes":1}"#, r#"{"id":"msg_01a2","changes":2}"#, false);
    check("a1b2c3d4-0001", "a1b2c3d4-0002", false);
    check("/tmp/a/x", "/tmp/b/x", false);
}
