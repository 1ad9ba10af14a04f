//! How many changes one publish carries, by the bytes of what is written down of them. Free of I/O.
//!
//! A patch that is merged into a member is written down with the whole member, as it was before and as it is after, so
//! that it can be rolled back: many small patches of one large member would take as many times its size.

use std::collections::{BTreeMap, HashMap};

use crate::change::{Change, NodeId};
use crate::flow::{Configuration, Document, Patch};
use crate::worker::fold::patch_of;

/// How many bytes of members, that patches are merged into, a publish writes down; the change that passes it waits.
const MERGED_BYTES: usize = 32 * 1024 * 1024;

/// How many of the first changes a publish onto the document carries: one at least.
pub(super) fn carried(document: &Document, changes: &[Change]) -> usize {
    within(document, changes, MERGED_BYTES)
}

fn within(document: &Document, changes: &[Change], at_most: usize) -> usize {
    let (configurations, members, parts) = (BTreeMap::new(), HashMap::new(), HashMap::new());
    let mut sizes = Sizes { document, configurations, members, parts };
    let mut bytes = 0_usize;
    for (place, change) in changes.iter().enumerate() {
        bytes = bytes.saturating_add(sizes.merged_by(change));
        if bytes > at_most {
            return place.max(1);
        }
    }
    changes.len()
}

/// How large members are, at most, after the patches so far.
struct Sizes<'c> {
    document: &'c Document,
    configurations: BTreeMap<&'c NodeId, Option<Configuration<'c>>>,
    members: HashMap<(&'c NodeId, String), usize>,
    /// What patches have put into them, by the hash of its path.
    parts: HashMap<(&'c NodeId, u64), usize>,
}

impl<'c> Sizes<'c> {
    /// How many bytes are written down of the members that the change is merged into.
    fn merged_by(&mut self, change: &'c Change) -> usize {
        let node = &change.what.node;
        let Ok(patch) = Patch::read(patch_of(&change.what)) else { return 0 };
        let mut bytes = 0_usize;
        for (name, merges, parts) in patch.sizes() {
            let configuration = self
                .configurations
                .entry(node)
                .or_insert_with(|| self.document.configuration(node.as_str()).ok());
            let there =
                || configuration.as_ref().and_then(|all| all.member(name).ok().flatten()).map_or(0, str::len);
            let size = self.members.entry((node, name.to_owned())).or_insert_with(there);
            let before = *size;
            for (path, added) in parts {
                let part = self.parts.entry((node, path)).or_default();
                *size += added.saturating_sub(*part);
                *part = added.max(*part);
            }
            bytes += if merges { before + *size } else { 0 };
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::value::RawValue;

    use super::*;
    use crate::change::{FlowId, Mode, NewChange, Seq, Values};

    fn patch(seq: Seq, node: &str, text: &str) -> Change {
        let what = NewChange {
            route: Arc::from("default"),
            flow: FlowId::parse("flow").expect("an id"),
            node: NodeId::parse(node).expect("an id"),
            mode: Mode::Patch,
            values: Values::Patch(RawValue::from_string(text.to_owned()).expect("JSON")),
            order_key: None,
        };
        Change { seq, what, held_ms: 0 }
    }

    /// How many of these patches go out, with a bound of 1,000 bytes, where the member `large` of `n` has 400.
    #[track_caller]
    fn check(patches: &[(&str, &str)], carried: usize) {
        let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(392));
        let nodes = format!(
            r#"{{"id":"n","configuration":{{"large":{large},"small":{{}}}}}},{{"id":"m","configuration":{{}}}}"#
        );
        let document = Document::parse(format!(r#"{{"version":1,"nodes":[{nodes}]}}"#)).expect("a flow");
        let changes: Vec<Change> =
            (1..).zip(patches).map(|(seq, (node, text))| patch(seq, node, text)).collect();
        assert_eq!(within(&document, &changes, 1_000), carried, "{patches:?}");
    }

    #[test]
    fn patches_that_are_merged_into_a_large_member_go_out_a_few_at_a_time_and_others_do_not_count() {
        check(&[], 0);
        check(&[("n", r#"{"large":{"a":1}}"#); 3], 1);
        check(
            &[("n", r#"{"small":{"a":1}}"#), ("n", r#"{"large":{"a":1}}"#), ("n", r#"{"large":{"a":2}}"#)],
            2,
        );
        check(&[("n", r#"{"large":5}"#); 50], 50);
        check(&[("n", r#"{"small":{"a":1}}"#); 20], 20);
        check(&[("gone", r#"{"large":{"a":1}}"#); 3], 3);
    }

    #[test]
    fn what_patches_have_put_into_a_member_counts_as_if_it_were_there() {
        let put = format!(r#"{{"a":{{"x":"{}"}}}}"#, "x".repeat(400));
        check(&[("m", &put), ("m", r#"{"a":{"y":1}}"#), ("m", r#"{"a":{"y":2}}"#)], 1);
        let list = format!(r#"{{"a":["{}"]}}"#, "x".repeat(400));
        check(&[("m", &list), ("m", r#"{"a":{"y":1}}"#), ("m", r#"{"a":{"y":2}}"#)], 2);
    }

    #[test]
    fn a_long_name_counts_once_however_much_is_below_it() {
        let leaves: Vec<String> = (0..10).map(|leaf| format!(r#""{leaf}":1"#)).collect();
        let long = format!(r#"{{"{}":{{{}}}}}"#, "n".repeat(300), leaves.join(","));
        check(&[("n", &long), ("n", r#"{"small":1}"#)], 2);
    }

    #[test]
    fn a_patch_that_alone_is_too_much_goes_out_alone() {
        let huge = format!(r#"{{"large":{{"x":"{}"}}}}"#, "x".repeat(2_000));
        check(&[("n", &huge), ("n", r#"{"small":1}"#)], 1);
    }
}
