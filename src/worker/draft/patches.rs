//! Drafting merge patches: one after the other onto a node's configuration. Free of I/O.
//!
//! Of each patch only that is carried out which no later one of the same publish overwrites. So a member that is
//! written belongs to one change, or to some that each wrote a part of it: then each is written down with what it
//! made of what the one before it left, and rolling them back, the newest first, leads back the same way.

use super::{Culprits, NodeEdits, raw};
use crate::change::{Change, NodeId};
use crate::flow::{Configuration, Document, Patch, same_value};
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
    let mut configuration = before.clone();
    for (change, patch) in winners.iter().zip(Patch::standing(&patches)) {
        let Some(patch) = patch else {
            drafted.overwritten.insert(change.seq);
            continue;
        };
        let patched = configuration.patched(&patch).map_err(|error| Culprits::new([change.seq], &error))?;
        for name in patch.names() {
            drafted.edits.extend(edit(change, name, &configuration, &patched));
        }
        configuration = patched;
    }
    drafted.draft.configuration = Some(configuration.text().to_owned()).filter(|text| text != before.text());
    Ok(())
}

/// What a change made of a member, if anything.
fn edit(change: &Change, name: &str, before: &Configuration<'_>, after: &Configuration<'_>) -> Option<Edit> {
    // What is there twice was refused when it was patched.
    let member = |of: &Configuration<'_>| of.member(name).ok().flatten().and_then(raw);
    let (previous, value) = (member(before), member(after));
    let is_same = match (&previous, &value) {
        (Some(before), Some(after)) => same_value(before.get(), after.get()),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    (!is_same).then(|| Edit {
        seq: change.seq,
        node: change.what.node.as_str().to_owned(),
        target: Target::Member(name.to_owned()),
        previous,
        was_valueless: false,
        value,
    })
}

#[cfg(test)]
mod tests;
