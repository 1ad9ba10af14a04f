//! What one text of a flow changes of another: variables, and whatever else differs.
//!
//! The judge of "nothing else touched". It cuts the changed values out of both texts and compares what is
//! left byte by byte, so that no difference can hide: white space, key order and number spelling count.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::ops::Range;

use super::layout::{Entry, Layout, List, Node};
use super::text::{members, without};

/// How much of a difference is shown, in characters.
const SHOWN_CHARS: usize = 60;

/// What a text changes of the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// The variables that changed, appeared or disappeared.
    pub changed: Vec<VariableChange>,
    /// Every other difference.
    pub collateral: Vec<Collateral>,
}

/// A variable whose value differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableChange {
    /// The id of its node.
    pub node: String,
    /// Its name.
    pub variable: String,
    /// Its value's JSON text before; `None` if it appeared.
    pub before: Option<String>,
    /// Its value's JSON text after; `None` if it disappeared.
    pub after: Option<String>,
}

/// A difference outside the values of variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collateral {
    /// The node if the difference lies inside its `configuration`; `None` anywhere else.
    pub node: Option<String>,
    /// What differs.
    pub what: String,
}

impl fmt::Display for Collateral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(f, "in the configuration of `{node}`: {}", self.what),
            None => write!(f, "outside any configuration: {}", self.what),
        }
    }
}

/// Compares two texts of a flow document.
///
/// Nodes and variables are matched by id and name; of several with the same, the first with the first. A
/// variable that appears may be spelt in any way, with any members; one that stays keeps every byte but its
/// value's.
pub fn diff(before: &str, after: &str) -> Diff {
    let mut found = Diff::default();
    if before == after {
        return found;
    }
    let (old, new) = match (Layout::of(before), Layout::of(after)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(error), _) | (_, Err(error)) => {
            let what = format!("a text cannot be read: {error}");
            found.collateral.push(Collateral { node: None, what });
            return found;
        }
    };
    let mut cuts = (Vec::new(), Vec::new());
    let ids = |nodes: &[Node]| nodes.iter().map(|node| Some(node.id.clone())).collect();
    for (old, new) in pairs(ids(&old.nodes), ids(&new.nodes)).map(|(o, n)| (&old.nodes[o], &new.nodes[n])) {
        let (Some(was), Some(is)) = (&old.configuration, &new.configuration) else { continue };
        if before[was.clone()] != after[is.clone()] {
            compare_nodes((before, old, was), (after, new, is), &mut found);
        }
        cuts.0.push(was.clone());
        cuts.1.push(is.clone());
    }
    compare_rest(&without(before, &cuts.0), &without(after, &cuts.1), None, &mut found);
    found
}

/// The positions of counterparts in two lists of names: the first `a` meets the first `a`, the second the second.
fn pairs(old: Vec<Option<String>>, new: Vec<Option<String>>) -> impl Iterator<Item = (usize, usize)> {
    let mut places: HashMap<String, VecDeque<usize>> = HashMap::new();
    for (at, name) in new.into_iter().enumerate() {
        if let Some(name) = name {
            places.entry(name).or_default().push_back(at);
        }
    }
    old.into_iter().enumerate().filter_map(move |(at, name)| Some((at, places.get_mut(&name?)?.pop_front()?)))
}

/// A text, a node in it, and where the node's configuration stands.
type Side<'a> = (&'a str, &'a Node, &'a Range<usize>);

/// Notes what differs in a node's configuration: its variables, and anything else.
fn compare_nodes(old: Side<'_>, new: Side<'_>, found: &mut Diff) {
    let ((before, was, was_at), (after, is, is_at)) = (old, new);
    let none = List { whole: 0..0, entries: Vec::new() };
    let had = (before, was.variables.as_ref().unwrap_or(&none));
    let has = (after, is.variables.as_ref().unwrap_or(&none));
    compare_lists(&was.id, had, has, found);
    let node = Some(was.id.clone());
    if was.variables.is_some() && is.variables.is_some() {
        let around = |(text, list): (&str, &List), at: &Range<usize>| {
            [&text[at.start..list.whole.start], &text[list.whole.end..at.end]].concat()
        };
        compare_rest(&around(had, was_at), &around(has, is_at), node, found);
    } else {
        // The list itself appeared or disappeared: its key and comma too, so members are compared.
        let others = |text: &str, at: &Range<usize>| {
            let inner = members(&text[at.clone()]).unwrap_or_default();
            let others = inner.iter().filter(|member| member.name != "variables");
            others.map(|member| format!("{}:{},", member.key, member.value)).collect::<String>()
        };
        compare_rest(&others(before, was_at), &others(after, is_at), node, found);
    }
}

/// Notes which variables differ, and whether the lists differ in anything but those.
fn compare_lists(node: &str, old: (&str, &List), new: (&str, &List), found: &mut Diff) {
    let ((before, was), (after, is)) = (old, new);
    let names = |list: &List| list.entries.iter().map(|entry| entry.name.clone()).collect();
    let kept: Vec<(usize, usize)> = pairs(names(was), names(is)).collect();
    let mut cuts = (Vec::new(), Vec::new());
    let mut note = |entry: &Entry, values: (Option<&str>, Option<&str>)| {
        found.changed.push(VariableChange {
            node: node.to_owned(),
            variable: entry.name.clone().unwrap_or_default(),
            before: values.0.map(str::to_owned),
            after: values.1.map(str::to_owned),
        });
    };
    for &(o, n) in &kept {
        let (o, n) = (&was.entries[o], &is.entries[n]);
        let values = (value(before, o), value(after, n));
        if values.0 != values.1 {
            note(o, values);
            cuts.0.extend(o.value.clone());
            cuts.1.extend(n.value.clone());
        }
    }
    let (stayed, arrived): (HashSet<usize>, HashSet<usize>) = kept.iter().copied().unzip();
    let first = (stayed.iter().min(), arrived.iter().min());
    for (at, entry) in unpaired(was, &stayed) {
        note(entry, (value(before, entry), None));
        cuts.0.push(with_comma(was, at, first.0));
    }
    for (at, entry) in unpaired(is, &arrived) {
        note(entry, (None, value(after, entry)));
        cuts.1.push(with_comma(is, at, first.1));
    }
    if kept.is_empty() && was.entries.iter().chain(&is.entries).all(|entry| entry.name.is_some()) {
        return;
    }
    let left = |text: &str, list: &List, cuts: &[Range<usize>]| {
        let moved: Vec<_> =
            cuts.iter().map(|c| c.start - list.whole.start..c.end - list.whole.start).collect();
        without(&text[list.whole.clone()], &moved)
    };
    let (before, after) = (left(before, was, &cuts.0), left(after, is, &cuts.1));
    compare_rest(&before, &after, Some(node.to_owned()), found);
}

/// The value of a variable as it is spelt.
fn value<'a>(text: &'a str, entry: &Entry) -> Option<&'a str> {
    entry.value.clone().map(|at| &text[at])
}

/// The variables without a counterpart, with their positions.
fn unpaired<'a>(list: &'a List, paired: &HashSet<usize>) -> impl Iterator<Item = (usize, &'a Entry)> {
    list.entries.iter().enumerate().filter(|(at, entry)| entry.name.is_some() && !paired.contains(at))
}

/// An entry with the comma that came with it: the one before, or the one after where nothing kept stands before.
fn with_comma(list: &List, at: usize, first_kept: Option<&usize>) -> Range<usize> {
    let own = &list.entries[at].whole;
    if first_kept.is_some_and(|&first| first < at) {
        list.entries[at - 1].whole.end..own.end
    } else {
        own.start..list.entries.get(at + 1).map_or(own.end, |next| next.whole.start)
    }
}

/// Notes the first place where two remainders differ.
fn compare_rest(before: &str, after: &str, node: Option<String>, found: &mut Diff) {
    if before == after {
        return;
    }
    let same = before.chars().zip(after.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8());
    let at: usize = same.sum();
    let shown = |text: &str| text[at..].chars().take(SHOWN_CHARS).collect::<String>();
    let what = format!("`{}` became `{}`", shown(before), shown(after));
    found.collateral.push(Collateral { node, what });
}

#[cfg(test)]
mod tests {
    use super::diff;

    const BEFORE: &str = r#"{"flow":{"version":14, "nodes":[
        {"id":"a","configuration":{"x":1.10,"variables":[{"name":"p","value":"low","note":1}, {"name":"q","value":1e3}]}},
        {"id":"b","configuration":{"variables":[ ]},"y":"\u00e9"},
        {"id":"c","configuration":{"z":0}}],"edges":[]}}"#;

    /// Replaces `from` by `to` and compares: the changes as `node.variable:before->after`, the count of collateral.
    #[track_caller]
    fn check(from: &str, to: &str, changed: &[&str], collateral: &[&str]) {
        assert!(BEFORE.contains(from), "{from}");
        let found = diff(BEFORE, &BEFORE.replacen(from, to, 1));
        let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let changes: Vec<_> = found
            .changed
            .iter()
            .map(|c| format!("{}.{}:{}->{}", c.node, c.variable, show(&c.before), show(&c.after)))
            .collect();
        assert_eq!(changes, changed, "{from} -> {to}");
        let places: Vec<_> =
            found.collateral.iter().map(|c| c.node.as_deref().unwrap_or("outside")).collect();
        assert_eq!(places, collateral, "{from} -> {to}: {:?}", found.collateral);
    }

    #[test]
    fn values_may_change_and_variables_may_come_and_go() {
        check("x", "x", &[], &[]);
        check(r#""low""#, r#""high""#, &[r#"a.p:"low"->"high""#], &[]);
        check("1e3", "1000", &["a.q:1e3->1000"], &[]);
        let q = r#", {"name":"q","value":1e3}"#;
        check(q, "", &["a.q:1e3->-"], &[]);
        check(q, &format!(r#"{q},{{"name":"r","value":[]}}"#), &["a.r:-->[]"], &[]);
        check(r#"{"name":"p","value":"low","note":1}, "#, "", &[r#"a.p:"low"->-"#], &[]);
        check("[ ]", r#"[{"name":"r","value":2}]"#, &["b.r:-->2"], &[]);
        check(
            r#"{"z":0}"#,
            r#"{"z":0,"variables":[{"name":"r","value":2},{"name":"s","value":3}]}"#,
            &["c.r:-->2", "c.s:-->3"],
            &[],
        );
        check(
            &format!("[{}{q}]", r#"{"name":"p","value":"low","note":1}"#),
            "[]",
            &[r#"a.p:"low"->-"#, "a.q:1e3->-"],
            &[],
        );
    }

    #[test]
    fn every_other_byte_is_collateral() {
        check("14, ", "14,", &[], &["outside"]);
        check("14", "15", &[], &["outside"]);
        check(r"\u00e9", "é", &[], &["outside"]);
        check(r#""edges":[]"#, r#""edges":[1]"#, &[], &["outside"]);
        check(r#"{"id":"b""#, r#"{"id":"bb""#, &[], &["outside"]);
        check(
            r#"        {"id":"c","configuration":{"z":0}}"#,
            r#"{"id":"c","configuration":{"z":0}}"#,
            &[],
            &["outside"],
        );
        check("1.10", "1.1", &[], &["a"]);
        check(r#""note":1"#, r#""note":2"#, &[], &["a"]);
        check(r#"}, {"name":"q""#, r#"},{"name":"q""#, &[], &["a"]);
        check(r#"{"z":0}"#, r#"{"z":1,"variables":[]}"#, &[], &["c"]);
        check(r#""value":"low","note":1"#, r#""note":1,"value":"high""#, &[r#"a.p:"low"->"high""#], &["a"]);
        check(r#""configuration":{"z":0}"#, r#""z":0"#, &[], &["outside"]);
        check("]}}", "]}", &[], &["outside"]);
    }

    #[test]
    fn swapped_variables_and_nodes_are_collateral() {
        let (p, q) = (r#"{"name":"p","value":"low","note":1}"#, r#"{"name":"q","value":1e3}"#);
        check(&format!("{p}, {q}"), &format!("{q}, {p}"), &[], &["a"]);
        let after = BEFORE.replace(r#""id":"a""#, r#""id":"t""#).replace(r#""id":"c""#, r#""id":"a""#);
        assert!(!diff(BEFORE, &after).collateral.is_empty());
    }
}
