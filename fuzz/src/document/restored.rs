//! Variables put back or taken away: the elements of the list are as the book says, and around it nothing moved.

use flowhook::flow::{Document, NodeEdit, Restore};

use super::super::flow::Flow;
use super::super::flow::restore::Wanted;
use super::refused;

/// The variables of an edit put back; those that `away` has a bit for are taken away.
pub(super) fn check(document: &Document, flow: &Flow<'_>, edit: &NodeEdit<'_>, away: u8) {
    let node = edit.node;
    let mut wanted: Vec<Wanted<'_>> = Vec::new();
    for (at, variable) in edit.set.iter().enumerate() {
        if wanted.iter().all(|(name, _)| *name != variable.name) {
            let value = (away >> at & 1 == 0).then(|| (*variable).clone());
            wanted.push((&variable.name, value));
        }
    }
    let expected = flow.restored(node, &wanted);
    let restored = document.restored(&[Restore { node, list: None, variables: wanted }]);
    let restored = restored.map_err(|error| refused(&error));
    let (Ok(restored), Ok(expected)) = (&restored, &expected) else {
        return assert_eq!(restored.is_ok(), expected.is_ok(), "{}\nafter {edit:?}", document.text());
    };
    let after =
        Flow::of(restored).and_then(|flow| Ok(flow.cut(node)?.map(|cut| (owned(cut.around), cut.elements))));
    match flow.cut(node) {
        // Where there was no list the same is made as by an edit.
        Ok(None) => {
            assert_eq!(after.map(|cut| cut.map_or_else(Vec::new, |cut| cut.1)).as_ref(), Ok(expected));
        }
        before => {
            let before = before.map(|cut| cut.map(|cut| (owned(cut.around), expected.clone())));
            assert_eq!(after, before, "{}\nafter {edit:?}", document.text());
        }
    }
}

fn owned((before, behind): (&str, &str)) -> (String, String) {
    (before.to_owned(), behind.to_owned())
}
