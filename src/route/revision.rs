//! A state of a git repository.

use std::borrow::Cow;

/// The lengths of a commit's id in hex: SHA-1, and SHA-256 in repositories that chose it.
const LENGTHS: [usize; 2] = [40, 64];

/// What `{revision}` stands for in a URL from settings.
///
/// A commit never changes, so that no cache on the way can hold an older state of it. A branch does, and hosts
/// cache what they serve of one: raw.githubusercontent.com for five minutes (its `Cache-Control`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision(Cow<'static, str>);

impl Revision {
    /// The newest commit of the default branch, as far as the host's cache knows: for what names no commit.
    pub const HEAD: Self = Self(Cow::Borrowed("HEAD"));

    /// The commit of that id: 40 or 64 lower-case hex digits. All zeros is how git says that there is none.
    pub fn commit(id: &str) -> Option<Self> {
        let is_hex = id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let is_commit = LENGTHS.contains(&id.len()) && is_hex && id.bytes().any(|b| b != b'0');
        is_commit.then(|| Self(Cow::Owned(id.to_owned())))
    }

    /// As it stands in a URL; nothing of it has to be encoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Revision;

    #[test]
    fn a_commit_is_40_or_64_digits_and_not_all_zeros() {
        let check = |id: &str, fits: bool| {
            let revision = Revision::commit(id);
            assert_eq!(revision.as_ref().map(Revision::as_str), fits.then_some(id), "`{id}`");
        };
        check(&"0a".repeat(20), true);
        check(&"f0".repeat(32), true);
        check(&format!("{}1", "0".repeat(39)), true);
        check(&"0".repeat(40), false);
        check(&"0".repeat(64), false);
        check(&"0A".repeat(20), false);
        check(&"0g".repeat(20), false);
        check(&"a".repeat(39), false);
        check(&"a".repeat(41), false);
        check(&"a".repeat(63), false);
        check("", false);
        check("HEAD", false);
        check("../../../../../../../../../../../../../x", false);
    }
}
