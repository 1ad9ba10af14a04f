//! Drafting merge patches: one after the other onto a node's configuration. Free of I/O.
//!
//! Of each patch only that is carried out which no later one of the same publish overwrites. So a member that is
//! written belongs to one change, or to some that each wrote a part of it: then each is written down with what it
//! made of what the one before it left, and rolling them back, the newest first, leads back the same way. A member
//! that they lead back to what is there is not written, and belongs to none.

use std::collections::BTreeSet;

use super::{Culprits, NodeEdits, raw};
use crate::change::{Change, NodeId, Seq};
use crate::flow::{Configuration, Document, Patch, StandingPatch, same_value};
use crate::journal::{Edit, Target};
use crate::worker::fold::patch_of;

/// What the winning patches of a node do to it.
pub(super) fn patch_edits(
    document: &Document,
    id: &NodeId,
    winners: &[&Change],
    drafted: &mut NodeEdits,
) -> Result<(), Culprits> {
    if winners.is_empty() {
        return Ok(());
    }
    let mut patches = Vec::with_capacity(winners.len());
    for change in winners {
        let patch = Patch::read(patch_of(&change.what));
        patches.push(patch.map_err(|error| Culprits::new([change.seq], &error))?);
    }
    let all = || winners.iter().map(|change| change.seq);
    let before = document.configuration(id.as_str()).map_err(|error| Culprits::new(all(), &error))?;
    let mut after = before.clone();
    let standing = Patch::standing(&patches);
    let mut steps = Vec::new();
    for (change, standing) in winners.iter().zip(&standing) {
        let Some(StandingPatch { patch, .. }) = standing else { continue };
        let patched = after.patched(patch).map_err(|error| Culprits::new([change.seq], &error))?;
        let differing = patch.names().filter(|name| differs(name, &after, &patched));
        steps.extend(differing.map(|name| (name, edit(change, name, &after, &patched))));
        after = patched;
    }
    steps.retain(|(name, _)| differs(name, &before, &after));
    let wrote: BTreeSet<Seq> = steps.iter().map(|(_, edit)| edit.seq).collect();
    for (change, standing) in winners.iter().zip(&standing) {
        let has_values = standing.as_ref().is_some_and(|standing| !standing.only_clears);
        if !has_values && !wrote.contains(&change.seq) {
            drafted.overwritten.insert(change.seq);
        }
    }
    if !steps.is_empty() {
        // Made of what is there: so what was led back keeps its bytes and its place.
        let mut seen = BTreeSet::new();
        let names = steps.iter().map(|(name, _)| *name).filter(|name| seen.insert(*name));
        let written: Vec<_> = names.map(|name| (name, member(&after, name))).collect();
        let made = before.patched(&Patch::putting(&written)).map_err(|error| Culprits::new(all(), &error))?;
        drafted.draft.configuration = Some(made.text().to_owned());
    }
    drafted.edits.extend(steps.into_iter().map(|(_, edit)| edit));
    Ok(())
}

/// A member that was patched: what is there twice was refused then.
fn member<'c>(of: &'c Configuration<'_>, name: &str) -> Option<&'c str> {
    of.member(name).ok().flatten()
}

fn differs(name: &str, before: &Configuration<'_>, after: &Configuration<'_>) -> bool {
    match (member(before, name), member(after, name)) {
        (Some(before), Some(after)) => !same_value(before, after),
        (None, None) => false,
        (Some(_), None) | (None, Some(_)) => true,
    }
}

/// What a change made of a member.
fn edit(change: &Change, name: &str, before: &Configuration<'_>, after: &Configuration<'_>) -> Edit {
    Edit {
        seq: change.seq,
        node: change.what.node.as_str().to_owned(),
        target: Target::Member(name.to_owned()),
        previous: member(before, name).and_then(raw),
        was_valueless: false,
        value: member(after, name).and_then(raw),
    }
}

#[cfg(test)]
mod tests;
