//! Merge patches carried out one after the other, member by member: what none of them names is neither read nor copied.

use std::collections::HashMap;

use super::configuration::Configuration;
use super::error::AddressError;
use super::patch::Patch;

/// The members of a configuration as they are after some patches.
#[derive(Clone, Debug)]
pub struct Patching<'c> {
    before: &'c Configuration<'c>,
    /// Those that were patched; nothing for one that was taken away.
    now: HashMap<String, Option<String>>,
}

impl<'c> Patching<'c> {
    /// The configuration before any patch.
    pub fn new(before: &'c Configuration<'c>) -> Self {
        Self { before, now: HashMap::new() }
    }

    /// The raw JSON text of a member, if it is there.
    ///
    /// # Errors
    /// [`AddressError::MemberTwice`].
    pub fn member(&self, name: &str) -> Result<Option<&str>, AddressError> {
        match self.now.get(name) {
            Some(now) => Ok(now.as_deref()),
            None => self.before.member(name),
        }
    }

    /// The members that the patch would make differ, and what it would make of them.
    ///
    /// # Errors
    /// [`AddressError::MemberTwice`] for a member that the patch is about, and that is there twice.
    pub fn differing<'p>(
        &self,
        patch: &'p Patch<'_>,
    ) -> Result<Vec<(&'p str, Option<String>)>, AddressError> {
        let mut differing = Vec::new();
        for (name, part) in &patch.members().0 {
            let made = self.before.member_made(self.member(name)?, part)?;
            differing.extend(made.map(|made| (&**name, made)));
        }
        Ok(differing)
    }

    /// Puts a member in, or takes it away.
    pub fn put(&mut self, name: &str, text: Option<String>) {
        self.now.insert(name.to_owned(), text);
    }
}
