//! The grammar of `flowhook sandbox --fault`: what goes wrong, with which calls, how often.

use std::time::Duration;

use flowhook::sandbox::{Canned, Fault, FaultKind, Landing, On};

/// What `--fault` takes.
pub(super) const GRAMMAR: &str = "CALL=KIND[:VALUE][xTIMES]";
/// How long a lasting fault lasts unless its VALUE says so: longer than any client waits.
const LASTS_S: u64 = 60;
/// The longest that it may last.
const LASTS_MAX_S: u64 = 3_600;
/// Marks a status that is answered although the document is saved.
const AFTER_SAVE: &str = "-after-save";

/// A kind that has a name; the others are statuses.
struct Named {
    name: &'static str,
    what: What,
    about: &'static str,
}

/// What goes wrong.
enum What {
    /// This.
    Plain(FaultKind),
    /// This, for so long or after so long.
    Lasting(fn(Duration) -> FaultKind),
    /// This, and only with a call of this kind: another would be answered as ever.
    Only(On, FaultKind),
}

/// Every kind but the two that answer with a status.
static NAMED: [Named; 18] = [
    named("hang", What::Lasting(FaultKind::Hang), "no answer for VALUE seconds (60), then a reset"),
    named("hang-after-save", What::Lasting(FaultKind::CommitThenHang), "saved, then as hang"),
    named("reset", What::Plain(FaultKind::ResetBefore), "the connection is reset, nothing is saved"),
    named(
        "reset-after-save",
        What::Plain(FaultKind::ResetAfterCommit),
        "saved, then the connection is reset",
    ),
    named("late", What::Lasting(FaultKind::LateCommit), "a reset now, and saved VALUE seconds (60) later"),
    named("truncated", What::Plain(FaultKind::TruncatedBody), "saved, and answered by half"),
    named("chunked", What::Plain(FaultKind::Chunked), "saved, and answered without a Content-Length"),
    named(
        "trickle",
        What::Lasting(FaultKind::Trickle),
        "saved, and answered with a byte every VALUE seconds (60)",
    ),
    named("not-json", What::Plain(FaultKind::NotJson), "200 with a page of HTML, nothing is saved"),
    named("empty", What::Plain(FaultKind::Empty), "saved, and 204 without a body"),
    named("accepted", What::Plain(FaultKind::Accepted(Landing::Now)), "saved, and 202 without the document"),
    named("accepted-late", What::Lasting(accepted_late), "202, and saved VALUE seconds (60) later"),
    named("accepted-never", What::Plain(FaultKind::Accepted(Landing::Never)), "202, and never saved"),
    named("locked", What::Plain(FaultKind::ConflictUnmoved), "409 though the version has not moved"),
    named("rewrite", What::Only(On::Put, FaultKind::RewriteOnSave), "put: saved with its members reordered"),
    named("parse", What::Only(On::Put, FaultKind::ParseOnSave), "put: saved as a parser writes it anew"),
    named("drop", What::Only(On::Put, FaultKind::SilentDrop), "put: as if saved, but only the version moves"),
    named("stale", What::Only(On::Get, FaultKind::StaleRead), "get: the document before the last save"),
];

const fn named(name: &'static str, what: What, about: &'static str) -> Named {
    Named { name, what, about }
}

fn accepted_late(after: Duration) -> FaultKind {
    FaultKind::Accepted(Landing::Later(after))
}

/// The kinds for a help text, one a line.
pub(super) fn kinds() -> String {
    let line = |name: &str, about: &str| format!("  {name:<18}{about}\n");
    let statuses = [
        line("STATUS", "this status, nothing is saved; with VALUE as its Retry-After: 429:5"),
        line(&format!("STATUS{AFTER_SAVE}"), "saved, then this status"),
    ];
    statuses.into_iter().chain(NAMED.iter().map(|kind| line(kind.name, kind.about))).collect()
}

/// Reads what `--fault` takes.
///
/// # Errors
/// [`BadFault`] with the grammar.
pub(super) fn parse(text: &str) -> Result<Fault, BadFault> {
    let bad = |why: String| BadFault { text: text.to_owned(), why };
    let (call, rest) = text.split_once('=').ok_or_else(|| bad("there is no `=`".to_owned()))?;
    let on = on(call).ok_or_else(|| bad(format!("there is no call `{call}`")))?;
    let (what, times) = times(rest).map_err(bad)?;
    let (name, value) = what.split_once(':').map_or((what, None), |(name, value)| (name, Some(value)));
    let fault = Fault::on(on, kind(on, name, value).map_err(bad)?);
    Ok(match times {
        Times::Count(count) => fault.times(count),
        Times::ForEver => fault.forever(),
    })
}

fn on(call: &str) -> Option<On> {
    match call {
        "token" => Some(On::Token),
        "get" => Some(On::Get),
        "put" => Some(On::Put),
        "flow" => Some(On::Flow),
        "any" => Some(On::Any),
        _ => None,
    }
}

enum Times {
    Count(u32),
    ForEver,
}

/// How often, taken off the end.
fn times(text: &str) -> Result<(&str, Times), String> {
    match text.rsplit_once('x') {
        Some((what, "*")) => Ok((what, Times::ForEver)),
        Some((what, count)) if !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit()) => {
            let count = count.parse().ok().filter(|count| *count > 0);
            let count = count.ok_or_else(|| format!("TIMES is a number from 1 to {}, or `*`", u32::MAX))?;
            Ok((what, Times::Count(count)))
        }
        // An `x` of a name or of a value.
        Some(_) | None => Ok((text, Times::Count(1))),
    }
}

fn kind(on: On, name: &str, value: Option<&str>) -> Result<FaultKind, String> {
    if let Some(kind) = NAMED.iter().find(|kind| kind.name == name) {
        return match (&kind.what, value) {
            (What::Lasting(make), value) => Ok(make(seconds(value)?)),
            (What::Plain(_) | What::Only(..), Some(_)) => Err(format!("`{name}` takes no VALUE")),
            (What::Plain(kind), None) => Ok(kind.clone()),
            (What::Only(only, _), None) if ![*only, On::Flow, On::Any].contains(&on) => {
                Err(format!("`{name}` changes nothing for this call"))
            }
            (What::Only(_, kind), None) => Ok(kind.clone()),
        };
    }
    let (code, is_saved) = name.strip_suffix(AFTER_SAVE).map_or((name, false), |code| (code, true));
    // Below 200 a client would go on waiting for the answer.
    let code = code.parse().ok().filter(|code| (200..600).contains(code));
    let code = code.ok_or_else(|| format!("there is no kind `{name}`"))?;
    let canned = Canned::status(code).json(r#"{"message":"a fault on demand","code":"practice.fault"}"#);
    let canned = match (code, value) {
        (_, None) => canned,
        (429 | 503, Some(value)) => canned.retry_after(value),
        (_, Some(_)) => return Err("only 429 and 503 take a VALUE, their Retry-After".to_owned()),
    };
    Ok(if is_saved { FaultKind::CommitThen(canned) } else { FaultKind::Status(canned) })
}

fn seconds(value: Option<&str>) -> Result<Duration, String> {
    let Some(value) = value else { return Ok(Duration::from_secs(LASTS_S)) };
    let seconds = value.parse().ok().filter(|seconds| *seconds <= LASTS_MAX_S);
    let seconds = seconds.ok_or_else(|| format!("VALUE is a number of seconds from 0 to {LASTS_MAX_S}"))?;
    Ok(Duration::from_secs(seconds))
}

/// A fault that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{text}` is no fault: {why}; write {GRAMMAR}, such as `put=429:5x3` or `get=hangx*`, \
     with one of the calls token, get, put, flow and any; `flowhook sandbox --help` lists the kinds"
)]
pub(super) struct BadFault {
    text: String,
    why: String,
}
