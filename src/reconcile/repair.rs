//! Putting back what a flow was last given, where the settings of a route want that.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::moved::{members, patch_of};
use super::places::Known;
use super::source::Wanted;
use crate::change::{FlowId, Mode, NodeId, Values, Variable, Work};
use crate::journal::{Drift, Mark, Target};

/// How many repairs are remembered; with more all are forgotten, and what they did not mend is tried once more.
const REMEMBERED: usize = 10_000;

/// The repairs that were made for what still differs. One that has failed, or that a person discarded, is not made
/// again for the same difference.
#[derive(Debug, Default)]
pub(super) struct Repairs(BTreeMap<(FlowId, NodeId, Target), Difference>);

/// What was last applied, and what is there.
type Difference = (Option<String>, Option<String>);

impl Repairs {
    /// What is to be put back into a flow of what differs in it, as far as the route has taken it for these nodes. Their
    /// marks tell what of merge patches was last applied to them.
    pub(super) fn wanted(
        &self,
        flow: &FlowId,
        mode: Mode,
        nodes: &BTreeMap<NodeId, Known>,
        drift: &[Drift],
        marks: &BTreeMap<NodeId, Vec<Mark>>,
    ) -> Vec<Wanted> {
        let of_node = |(node, known): (&NodeId, &Known)| {
            let taken = known.taken.as_ref()?;
            let of_node = |drift: &&Drift| drift.node == *node && !self.was_made(flow, drift);
            let differs = drift.iter().filter(of_node);
            let (values, says) = match mode {
                Mode::Merge => {
                    let says = read(&taken.value)?;
                    (merged(differs, &says)?, Values::Known(says))
                }
                Mode::Replace => (replaced(differs)?, Values::Known(read(&taken.value)?)),
                Mode::Patch => {
                    let says = RawValue::from_string(taken.value.clone()).ok()?;
                    (patched(differs, says.get(), marks.get(node)?)?, Values::Patch(says))
                }
            };
            Some(Wanted { node: node.clone(), values, says, taken: known.own })
        };
        nodes.iter().filter_map(of_node).collect()
    }

    /// Remembers what differs in nodes of a flow as put back; what does not differ any more is forgotten.
    pub(super) fn made(
        &mut self,
        flow: &FlowId,
        nodes: &BTreeMap<NodeId, Work>,
        drift: &[Drift],
        is_made: bool,
    ) {
        let still = |at: &(FlowId, NodeId, Target), was: &Difference| {
            drift.iter().any(|drift| place(flow, drift) == *at && difference(drift) == *was)
        };
        self.0.retain(|at, was| at.0 != *flow || !nodes.contains_key(&at.1) || still(at, was));
        if is_made {
            if self.0.len() + drift.len() > REMEMBERED {
                self.0.clear();
            }
            self.0.extend(drift.iter().map(|drift| (place(flow, drift), difference(drift))));
        }
    }

    fn was_made(&self, flow: &FlowId, drift: &Drift) -> bool {
        self.0.get(&place(flow, drift)) == Some(&difference(drift))
    }
}

fn place(flow: &FlowId, drift: &Drift) -> (FlowId, NodeId, Target) {
    (flow.clone(), drift.node.clone(), drift.target.clone())
}

fn difference(drift: &Drift) -> Difference {
    (drift.ours.clone(), drift.there.clone())
}

/// The variables that differ and that the source says something of.
fn merged<'d>(differs: impl Iterator<Item = &'d Drift>, says: &[Variable]) -> Option<Values> {
    let variable = |drift: &Drift| {
        let Target::Variable(name) = &drift.target else { return None };
        let value = RawValue::from_string(drift.ours.clone()?).ok()?;
        let is_ours = says.iter().any(|variable| variable.name == *name);
        is_ours.then(|| Variable { name: name.clone(), value })
    };
    let variables: Vec<Variable> = differs.filter_map(variable).collect();
    (!variables.is_empty()).then_some(Values::Known(variables))
}

fn replaced<'d>(mut differs: impl Iterator<Item = &'d Drift>) -> Option<Values> {
    let list = differs.find(|drift| drift.target == Target::List)?;
    read(list.ours.as_deref()?).map(Values::Known)
}

/// The members that differ and that the source says something of, as they were last applied, by whichever route. What
/// differs tells the whole member; what was applied may be a part of it, and a part of it `null`.
fn patched<'d>(differs: impl Iterator<Item = &'d Drift>, says: &str, marks: &[Mark]) -> Option<Values> {
    let mark = marks.iter().find(|mark| mark.target == Target::Configuration)?;
    let (applied, says) = (members(mark.value.as_deref()?), members(says));
    let member = |drift: &Drift| {
        let Target::Member(name) = &drift.target else { return None };
        applied.get_key_value(name).filter(|_| says.contains_key(name))
    };
    let differing = differs.filter_map(member).map(|(name, value)| (name.clone(), value.clone()));
    patch_of(&differing.collect())
}

fn read(text: &str) -> Option<Vec<Variable>> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::journal::Taken;

    const LIST: &str = r#"[{"name":"a","value":1},{"name":"b","value":2}]"#;

    fn flow() -> FlowId {
        FlowId::parse("f").expect("an id")
    }

    fn node(id: &str) -> NodeId {
        NodeId::parse(id).expect("an id")
    }

    fn works() -> BTreeMap<NodeId, Work> {
        ["n", "new", "other"].map(|id| (node(id), Work::default())).into()
    }

    /// The node `n`, for which `a` and `b` were taken by change 3, and `new`, for which nothing was.
    fn nodes() -> BTreeMap<NodeId, Known> {
        let value = LIST.to_owned();
        let (taken_at, seq) = (Timestamp::UNIX_EPOCH, 3);
        let (flow, node_n, url) = (flow(), node("n"), None);
        let taken = Taken { flow, node: node_n, value, taken_at, seq, url, ended_by_key: false };
        BTreeMap::from([
            (node("n"), Known { taken: Some(taken), own: Some(3) }),
            (node("new"), Known::default()),
        ])
    }

    fn drift(at: &str, target: &str, ours: Option<&str>, there: &str) -> Drift {
        let target = if target == "*" { Target::List } else { Target::Variable(target.to_owned()) };
        let (ours, there) = (ours.map(str::to_owned), Some(there.to_owned()));
        Drift { node: node(at), target, ours, there, route: "r".to_owned() }
    }

    fn shown(repairs: &Repairs, mode: Mode, drift: &[Drift]) -> Vec<String> {
        let line = |wanted: Wanted| {
            let Values::Known(variables) = wanted.values else { return "odd".to_owned() };
            let pairs: Vec<_> = variables.iter().map(|of| format!("{}={}", of.name, of.value)).collect();
            format!("{}: {}", wanted.node, pairs.join(" "))
        };
        repairs.wanted(&flow(), mode, &nodes(), drift, &BTreeMap::new()).into_iter().map(line).collect()
    }

    #[test]
    fn what_the_route_has_taken_is_put_back_as_it_was_last_applied_and_nothing_else() {
        let check = |mode: Mode, drift: &[Drift], expected: &[&str]| {
            assert_eq!(shown(&Repairs::default(), mode, drift), expected, "{drift:?}");
        };
        let a = || drift("n", "a", Some("1.0"), "7");
        check(Mode::Merge, &[], &[]);
        check(Mode::Merge, &[a(), drift("n", "other", Some("1"), "7")], &["n: a=1.0"]);
        check(Mode::Merge, &[a(), drift("n", "b", Some("2"), "7")], &["n: a=1.0 b=2"]);
        check(
            Mode::Merge,
            &[drift("new", "a", Some("1"), "7"), drift("elsewhere", "a", Some("1"), "7")],
            &[],
        );
        check(Mode::Merge, &[drift("n", "a", None, "7"), drift("n", "*", Some(LIST), "[]")], &[]);
        check(Mode::Replace, &[drift("n", "*", Some(LIST), "[]")], &["n: a=1 b=2"]);
        check(Mode::Replace, &[a()], &[]);
    }

    #[test]
    fn of_a_patch_the_members_that_differ_are_put_back_as_they_were_last_applied() {
        let says = r#"{"timeout":30,"limits":{"calls":2},"gone":null}"#;
        // Another route has patched too since.
        let applied = r#"{"timeout":45,"limits":{"calls":2,"holds":null},"gone":null,"label":"x"}"#;
        let mut nodes = nodes();
        for known in nodes.values_mut().filter_map(|known| known.taken.as_mut()) {
            known.value = says.to_owned();
        }
        let (target, route) = (Target::Configuration, "r".to_owned());
        let (keys, value) = (BTreeMap::new(), Some(applied.to_owned()));
        let mark = Mark { node: "n".to_owned(), target, order_key: None, keys, seq: 4, route, value };
        let marks = BTreeMap::from([(node("n"), vec![mark])]);
        let check = |targets: &[Target], expected: Option<&str>| {
            let of = |target: &Target| Drift { target: target.clone(), ..drift("n", "", Some("9"), "31") };
            let drift: Vec<Drift> = targets.iter().map(of).collect();
            let wanted = Repairs::default().wanted(&flow(), Mode::Patch, &nodes, &drift, &marks);
            let patch = |values: &Values| {
                let Values::Patch(patch) = values else { return format!("{values:?}") };
                patch.get().to_owned()
            };
            let shown: Vec<_> = wanted.iter().map(|of| (patch(&of.values), patch(&of.says))).collect();
            let expected = expected.map(|values| (values.to_owned(), says.to_owned()));
            assert_eq!(shown, Vec::from_iter(expected), "{targets:?}");
        };
        let member = |name: &str| Target::Member(name.to_owned());
        check(&[member("timeout")], Some(r#"{"timeout":45}"#));
        check(
            &[member("limits"), member("gone")],
            Some(r#"{"gone":null,"limits":{"calls":2,"holds":null}}"#),
        );
        check(&[member("label")], None);
        check(&[Target::Variable("timeout".to_owned())], None);
        check(&[Target::Configuration], None);
    }

    #[test]
    fn a_repair_that_did_not_hold_is_not_made_again_until_the_difference_is_another() {
        let mut repairs = Repairs::default();
        let first = [drift("n", "a", Some("1"), "7")];
        repairs.made(&flow(), &works(), &first, true);
        assert!(shown(&repairs, Mode::Merge, &first).is_empty());
        let both = [drift("n", "a", Some("1"), "7"), drift("n", "b", Some("2"), "7")];
        assert_eq!(shown(&repairs, Mode::Merge, &both), ["n: b=2"]);
        assert_eq!(shown(&repairs, Mode::Merge, &[drift("n", "a", Some("1"), "8")]), ["n: a=1"]);
        // Mended, and changed to the same once more.
        repairs.made(&flow(), &works(), &[], false);
        assert_eq!(shown(&repairs, Mode::Merge, &first), ["n: a=1"]);
    }
}
