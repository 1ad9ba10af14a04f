//! What `explain` tells.

use anstyle::AnsiColor;
use flowhook::change::{Mode, NewChange, Values, Variable};
use flowhook::http::shown;
use flowhook::route::{Explained, Verdict};
use flowhook::source::{Check, Source};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::turned_away::TurnedAway;

/// What the routes read out of a body.
pub(super) enum Reading {
    /// Nothing: it does not come so far.
    TurnedAway(TurnedAway),
    /// It is not JSON.
    NotJson(String),
    /// What each route says of it.
    Json(Vec<Explained>),
}

/// What is explained.
pub(super) struct Report<'s> {
    pub(super) source: &'s Source,
    /// Empty where no headers were given.
    pub(super) checks: Vec<Check>,
    pub(super) hints: Vec<String>,
    pub(super) reading: Reading,
    /// What the sender would be answered.
    pub(super) status: StatusCode,
}

/// Why nothing would come of it.
pub(super) enum Refused {
    TurnedAway,
    Unverified,
    Rejected(String),
}

impl Report<'_> {
    pub(super) fn refused(&self) -> Option<Refused> {
        if self.checks.last().is_some_and(|check| check.outcome.is_err()) {
            return Some(Refused::Unverified);
        }
        match &self.reading {
            Reading::TurnedAway(_) => Some(Refused::TurnedAway),
            Reading::NotJson(why) => Some(Refused::Rejected(why.clone())),
            Reading::Json(routes) => routes.iter().find_map(|one| match &one.verdict {
                Verdict::Refused(why) => Some(Refused::Rejected(why.clone())),
                Verdict::Changes(_) | Verdict::Unwanted(_) => None,
            }),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut lines =
            vec![format!("source {}, scheme {}", self.source.name(), self.source.scheme().name())];
        if self.checks.is_empty() && !matches!(self.reading, Reading::TurnedAway(_)) {
            lines.push("no headers were given: the signature is not looked at".to_owned());
        }
        for Check { step, outcome } in &self.checks {
            lines.push(match outcome {
                Ok(found) => line(true, &format!("{step}: {found}")),
                Err(why) => line(false, &format!("{step}: {why}")),
            });
        }
        lines.extend(self.hints.iter().map(|hint| format!("         {hint}")));
        match &self.reading {
            Reading::TurnedAway(why) => lines.push(line(false, &why.to_string())),
            Reading::NotJson(why) => lines.push(line(false, why)),
            Reading::Json(routes) => routes.iter().for_each(|one| lines.extend(of_route(one))),
        }
        lines.push(format!("answer: {}", self.status));
        lines.join("\n")
    }

    pub(super) fn json(&self) -> String {
        let check = |Check { step, outcome }: &Check| match outcome {
            Ok(found) => json!({"check": step.to_string(), "ok": true, "found": found}),
            Err(why) => json!({"check": step.to_string(), "ok": false, "why": why.to_string()}),
        };
        let checks: Vec<Value> = self.checks.iter().map(check).collect();
        let mut document = json!({
            "source": &**self.source.name(),
            "scheme": self.source.scheme().name(),
            "checks": checks,
            "hints": self.hints,
            "status": self.status.as_u16(),
        });
        match &self.reading {
            Reading::TurnedAway(why) => document["turned_away"] = why.to_string().into(),
            Reading::NotJson(why) => document["not_json"] = why.as_str().into(),
            Reading::Json(routes) => document["routes"] = routes.iter().map(route_json).collect(),
        }
        document.to_string()
    }
}

fn line(is_ok: bool, text: &str) -> String {
    let (word, style) = if is_ok {
        ("ok", AnsiColor::Green.on_default())
    } else {
        ("failed", AnsiColor::Red.on_default().bold())
    };
    format!("{style}{word:<7}{style:#}  {}", visible(text))
}

/// The text with what would command a terminal, or turn its writing around, spelled out: a body may hold anything.
fn visible(text: &str) -> String {
    let is_bidi = |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_bidi(c) {
            visible.extend(c.escape_default());
        } else {
            visible.push(c);
        }
    }
    visible
}

fn of_route(Explained { route, verdict }: &Explained) -> Vec<String> {
    match verdict {
        Verdict::Unwanted(why) => vec![format!("route {route} does not want it: {}", visible(why))],
        Verdict::Refused(why) => vec![line(false, &format!("route {route}: {why}"))],
        Verdict::Changes(changes) => {
            let head = format!("route {route} makes {} of it:", count(changes.len()));
            let changes = changes.iter().flat_map(of_change).map(|line| visible(&line));
            std::iter::once(head).chain(changes).collect()
        }
    }
}

fn count(changes: usize) -> String {
    if changes == 1 { "one change".to_owned() } else { format!("{changes} changes") }
}

fn of_change(NewChange { flow, node, mode, values, order_key, .. }: &NewChange) -> Vec<String> {
    let mode = match mode {
        Mode::Merge => "",
        Mode::Replace => ", replacing all variables",
        Mode::Patch => ", patching the configuration",
    };
    let key = order_key.map(|key| format!(", ordered by {key}")).unwrap_or_default();
    let mut lines = vec![format!("  flow {flow}, node {node}{mode}{key}")];
    match values {
        Values::Known(variables) => {
            lines.extend(variables.iter().map(|Variable { name, value }| format!("    {name} = {value}")));
        }
        Values::Patch(patch) => lines.push(format!("    {patch}")),
        Values::Fetch(url) => lines.push(format!("    fetched from {}", shown(url))),
        Values::Taken { .. } | Values::Undo(_) => {}
    }
    lines
}

fn route_json(Explained { route, verdict }: &Explained) -> Value {
    match verdict {
        Verdict::Unwanted(why) => json!({"route": &**route, "verdict": "unwanted", "why": why}),
        Verdict::Refused(why) => json!({"route": &**route, "verdict": "refused", "why": why}),
        Verdict::Changes(changes) => {
            let changes: Vec<Value> = changes.iter().map(change_json).collect();
            json!({"route": &**route, "verdict": "changes", "changes": changes})
        }
    }
}

fn change_json(NewChange { flow, node, mode, values, order_key, .. }: &NewChange) -> Value {
    let mut change = json!({"flow": flow.as_str(), "node": node.as_str(), "mode": mode.as_str()});
    if let Some(key) = order_key {
        change["order_key"] = key.to_string().into();
    }
    match values {
        Values::Known(variables) => change["variables"] = json!(variables),
        Values::Patch(patch) => change["patch"] = json!(patch),
        Values::Fetch(url) => change["fetch_url"] = shown(url).into(),
        Values::Taken { .. } | Values::Undo(_) => {}
    }
    change
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn what_commands_a_terminal_or_turns_its_writing_around_is_spelled_out() {
        let check = |text: &str, expected: &str| assert_eq!(visible(text), expected);
        check("süß, \u{5d0}\u{301}", "süß, \u{5d0}\u{301}");
        check("\u{1b}[2J\n\u{9b}31m\u{7f}", r"\u{1b}[2J\n\u{9b}31m\u{7f}");
        check("a\u{202e}b\u{2066}c\u{200f}", r"a\u{202e}b\u{2066}c\u{200f}");
    }
}
