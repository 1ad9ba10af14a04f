//! How changes end where nothing is written: with what would have been. Free of I/O.
//!
//! They end as `discarded`, by the word of whoever started the service to observe. Left pending, they would fill
//! the backlog within days, and a later start without that word would publish a week of old values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use crate::change::{Seq, State, shorten};
use crate::journal::{Edit, Ending, Mark, Plan, Settlement, Target};

/// How many values an ending shows at most.
const SHOWN_AT_MOST: usize = 10;

/// What a plan means if it is not carried out: only what is true of the flow without it stays.
pub(super) fn observed(plan: Plan) -> Settlement {
    let Plan { endings, mut marks, edits } = plan;
    let is_unchanged = |ending: &&Ending| ending.state == State::Unchanged;
    let unchanged: BTreeSet<Seq> = endings.iter().filter(is_unchanged).map(|ending| ending.seq).collect();
    marks.retain(|mark: &Mark| unchanged.contains(&mark.seq));
    let mut edits_of: BTreeMap<Seq, Vec<&Edit>> = BTreeMap::new();
    for edit in &edits {
        edits_of.entry(edit.seq).or_default().push(edit);
    }
    let ending = |ending: Ending| {
        let mine = edits_of.get(&ending.seq).map_or(&[][..], Vec::as_slice);
        let reason = match ending.state {
            State::Published => would_publish(mine, ending.reason),
            State::Superseded => "observed: a newer change wins over it".to_owned(),
            State::Unchanged | State::Failed | State::Pending | State::Discarded => return ending,
        };
        Ending { state: State::Discarded, reason: Some(reason), ..ending }
    };
    let endings = endings.into_iter().map(ending).collect();
    Settlement { attempt: None, endings, version: None, marks }
}

/// Of a change with these edits.
fn would_publish(mine: &[&Edit], noted: Option<String>) -> String {
    let noted = noted.map(|noted| format!("; {noted}")).unwrap_or_default();
    let Some(first) = mine.first() else {
        // It goes on top of a new list, whose change shows it.
        return format!("observed: would publish it as part of a new list{noted}");
    };
    let node = shorten(&first.node);
    let values: Vec<String> = mine.iter().take(SHOWN_AT_MOST).map(|edit| shown(edit)).collect();
    let more = mine.len() - values.len();
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    let values = values.join(", ");
    format!("observed: would publish in node `{node}`: {values}{rest}{noted}")
}

/// A value as it is and as it would be.
fn shown(edit: &Edit) -> String {
    let name = match &edit.target {
        Target::Variable(name) => shorten(name),
        Target::List => "the list of variables".to_owned(),
        Target::Member(name) => format!("configuration.{}", shorten(name)),
        Target::Configuration => "configuration".to_owned(),
    };
    let value =
        |value: Option<&RawValue>| value.map_or_else(|| "nothing".to_owned(), |json| brief(json.get()));
    format!("{name} {} → {}", value(edit.previous.as_deref()), value(edit.value.as_deref()))
}

/// The beginning of a value, on one line.
fn brief(json: &str) -> String {
    const SHOWN_CHARS: usize = 60;
    let mut shown: String =
        json.chars().take(SHOWN_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if json.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn edit(seq: Seq, name: &str, previous: Option<&str>, value: Option<&str>) -> Edit {
        let json = |text: &str| serde_json::from_str(text).expect("JSON");
        let target = if name == "*" { Target::List } else { Target::Variable(name.to_owned()) };
        let (previous, value) = (previous.map(json), value.map(json));
        Edit { seq, node: "n".to_owned(), target, previous, was_valueless: false, value }
    }

    fn end(seq: Seq, state: State, reason: Option<&str>) -> Ending {
        Ending { seq, state, reason: reason.map(str::to_owned) }
    }

    #[test]
    fn what_would_be_written_is_told_and_what_is_true_already_stays() {
        let mark = |seq| Mark {
            node: "n".to_owned(),
            target: Target::List,
            keys: BTreeMap::new(),
            order_key: None,
            seq,
            route: "default".to_owned(),
            value: None,
        };
        let endings = vec![
            end(1, State::Superseded, None),
            end(2, State::Published, None),
            end(3, State::Unchanged, None),
            end(4, State::Failed, Some("no such node")),
            end(5, State::Published, Some("not what change 1 wrote")),
            end(6, State::Published, None),
        ];
        let edits = vec![
            edit(2, "a", Some("1.10"), Some(r#""x\ny""#)),
            edit(2, "b", None, Some("null")),
            edit(5, "c", Some("null"), None),
        ];
        let settlement = observed(Plan { endings, marks: vec![mark(2), mark(3)], edits });
        let told: Vec<_> = settlement
            .endings
            .iter()
            .map(|end| {
                format!("{} {}: {}", end.seq, end.state.as_str(), end.reason.as_deref().unwrap_or("-"))
            })
            .collect();
        assert_eq!(
            told,
            [
                "1 discarded: observed: a newer change wins over it",
                r#"2 discarded: observed: would publish in node `n`: a 1.10 → "x\ny", b nothing → null"#,
                "3 unchanged: -",
                "4 failed: no such node",
                "5 discarded: observed: would publish in node `n`: c null → nothing; not what change 1 wrote",
                "6 discarded: observed: would publish it as part of a new list",
            ]
        );
        assert_eq!(settlement.marks.iter().map(|mark| mark.seq).collect::<Vec<_>>(), [3]);
        assert!(settlement.attempt.is_none() && settlement.version.is_none());
    }

    #[test]
    fn many_and_long_values_are_told_in_brief() {
        let long = format!("\"{}\"", "x".repeat(100));
        let edits: Vec<Edit> = (0..12).map(|at| edit(1, &format!("v{at}"), None, Some(&long))).collect();
        let told = would_publish(&Vec::from_iter(&edits), None);
        assert!(told.ends_with("… and 2 more") && told.chars().count() < 1000, "{told}");
    }
}
