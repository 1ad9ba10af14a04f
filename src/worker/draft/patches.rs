//! Drafting merge patches: one after the other onto a node's configuration. Free of I/O.
//!
//! Of each patch only that is carried out which no later one of the same publish overwrites. So a member that is
//! written belongs to one change, or to some that each wrote a part of it: then each is written down with what it
//! made of what the one before it left, and rolling them back, the newest first, leads back the same way. A member
//! that they lead back to what is there is not written, and belongs to none.

use std::collections::{BTreeMap, BTreeSet};

use super::{NodeEdits, Unaddressable, raw};
use crate::change::{Change, Mode, NodeId, Seq};
use crate::flow::{AddressError, Document, Patch, Patching, StandingPatch, same_value};
use crate::journal::{Edit, Target};
use crate::worker::fold::patch_of;

/// What the winning patches of a node do to it; `changes` are all that would go into the node.
pub(super) fn patch_edits(
    document: &Document,
    id: &NodeId,
    changes: &[&Change],
    winners: &[&Change],
    drafted: &mut NodeEdits,
) -> Result<(), Unaddressable> {
    if winners.is_empty() {
        return Ok(());
    }
    let patches: Result<Vec<_>, _> =
        winners.iter().map(|change| Patch::read(patch_of(&change.what))).collect();
    let patches = patches.map_err(|_first| unreadable(changes))?;
    let before = document.configuration(id.as_str()).map_err(Unaddressable::Configuration)?;
    let mut after = Patching::new(&before);
    let standing = Patch::standing(&patches);
    let mut steps = Vec::new();
    for (change, standing) in winners.iter().zip(&standing) {
        let Some(StandingPatch { patch, .. }) = standing else { continue };
        let differing =
            after.differing(patch).map_err(|why| refused(&Patching::new(&before), changes, change, &why))?;
        for (name, value) in differing {
            steps.push((name, edit(change, name, member(&after, name), value.as_deref())));
            after.put(name, value);
        }
    }
    let names: BTreeSet<&str> = steps.iter().map(|(name, _)| *name).collect();
    let is_written = |name: &&str| !is_same(before.member(name).ok().flatten(), member(&after, name));
    let mut written: BTreeSet<&str> = names.into_iter().filter(is_written).collect();
    steps.retain(|(name, _)| written.contains(name));
    let wrote: BTreeSet<Seq> = steps.iter().map(|(_, edit)| edit.seq).collect();
    for (change, standing) in winners.iter().zip(&standing) {
        let has_values = standing.as_ref().is_some_and(|standing| !standing.only_clears);
        if !has_values && !wrote.contains(&change.seq) {
            drafted.overwritten.insert(change.seq);
        }
    }
    if !steps.is_empty() {
        // Made of what is there: so what was led back keeps its bytes and its place.
        let names = steps.iter().map(|(name, _)| *name).filter(|name| written.remove(name));
        let members: Vec<_> = names.map(|name| (name, member(&after, name))).collect();
        let made = before.patched(&Patch::putting(&members)).map_err(Unaddressable::Configuration)?;
        drafted.draft.configuration = Some(made.text().to_owned());
    }
    drafted.edits.extend(steps.into_iter().map(|(_, edit)| edit));
    Ok(())
}

/// The patches that are none.
fn unreadable(changes: &[&Change]) -> Unaddressable {
    let bad = changes.iter().filter_map(|change| {
        let why = Patch::read(patch_of(&change.what)).err()?;
        Some((change.seq, why.to_string()))
    });
    Unaddressable::Patches(bad.collect())
}

/// The patches that are refused with that of `culprit`, which is about a member that is there twice: all that are about
/// what holds it, if none of these could go without it; then no one of them puts something else in its place.
fn refused(
    before: &Patching<'_>,
    changes: &[&Change],
    culprit: &Change,
    why: &AddressError,
) -> Unaddressable {
    let alone = BTreeMap::from([(culprit.seq, why.to_string())]);
    let Ok(patch) = Patch::read(patch_of(&culprit.what)) else { return Unaddressable::Patches(alone) };
    let refused_piece = |patch: &Patch<'_>| {
        let mut pieces = patch.pieces();
        pieces.find_map(|(name, piece)| before.differing(&piece).err().map(|_twice| name.to_owned()))
    };
    let Some(name) = refused_piece(&patch) else { return Unaddressable::Patches(alone) };
    let mut all = alone.clone();
    for change in changes.iter().filter(|change| change.what.mode == Mode::Patch) {
        let Ok(patch) = Patch::read(patch_of(&change.what)) else { continue };
        let Some((_, piece)) = patch.pieces().find(|(own, _)| *own == name) else { continue };
        let Err(why) = before.differing(&piece) else { return Unaddressable::Patches(alone) };
        all.entry(change.seq).or_insert_with(|| why.to_string());
    }
    Unaddressable::Patches(all)
}

/// A member that was patched: what is there twice was refused then.
fn member<'c>(of: &'c Patching<'_>, name: &str) -> Option<&'c str> {
    of.member(name).ok().flatten()
}

fn is_same(before: Option<&str>, after: Option<&str>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => same_value(before, after),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// What a change made of a member.
fn edit(change: &Change, name: &str, before: Option<&str>, after: Option<&str>) -> Edit {
    Edit {
        seq: change.seq,
        node: change.what.node.as_str().to_owned(),
        target: Target::Member(name.to_owned()),
        previous: before.and_then(raw),
        was_valueless: false,
        value: after.and_then(raw),
    }
}

#[cfg(test)]
mod tests;
