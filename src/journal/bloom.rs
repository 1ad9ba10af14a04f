//! Which hashes may be known: a Bloom filter, in which all that a hash has is in one word.
//!
//! It says "no" of nearly all that are new, for the price of one word of memory, and who hears "no" does not look: so all
//! that are in the table are added when the journal is opened, and all that come before they are stored. "Maybe" is a
//! reason to look, and decides nothing. It cannot forget: those of deliveries that were pruned stay in it until the next
//! start, and as those of commits that failed they cost looks, and nothing else.
//!
//! It has one size, so it gets fuller. After a million hashes it says "maybe" of 0.16 % of those that are new, after 10
//! million of 21 %, and after 100 million of all: then each is looked for, as if there were no filter.

use std::fmt;

/// How many of a hash's bits choose the word, and how many words there are: 4 MiB. They are zero at first, and memory that
/// is so is not taken before it is written.
const WORD_BITS: u32 = 19;
const WORDS: usize = 1 << WORD_BITS;
/// From where in a hash the numbers of its bits in the word are taken. Two of them would say "maybe" three times as often
/// after a million, and about as often after 10 million.
const TAKEN_FROM: [u32; 3] = [0, 6, 12];

/// The filter. Hashes are random already: their bits are taken as they are.
pub(super) struct Bloom {
    words: Vec<u64>,
}

impl Bloom {
    pub(super) fn new() -> Self {
        Self { words: vec![0; WORDS] }
    }

    pub(super) fn add(&mut self, hash: i64) {
        let (word, bits) = place(hash);
        self.words[word] |= bits;
    }

    /// Whether it may have been added; if not, it has not.
    pub(super) fn may_have(&self, hash: i64) -> bool {
        let (word, bits) = place(hash);
        self.words[word] & bits == bits
    }
}

impl fmt::Debug for Bloom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bloom").finish_non_exhaustive()
    }
}

/// The word of a hash, and its bits in it. The word is chosen by the first bits, so that a table in the order of hashes
/// fills the memory in its order too.
fn place(hash: i64) -> (usize, u64) {
    let hash = hash.cast_unsigned();
    let word = usize::try_from(hash >> (u64::BITS - WORD_BITS)).expect("there are so many words");
    (word, TAKEN_FROM.iter().fold(0, |bits, from| bits | 1 << (hash >> from & 63)))
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    #[test]
    fn what_was_added_it_never_denies() {
        let mut rng = Rng::with_seed(7);
        let mut bloom = Bloom::new();
        let mut added = vec![i64::MIN, -1, 0, 1, i64::MAX];
        added.extend((0..10_000).map(|_| rng.i64(..)));
        assert!(!added.iter().any(|hash| bloom.may_have(*hash)), "it is empty");
        added.iter().for_each(|hash| bloom.add(*hash));
        assert!(added.iter().all(|hash| bloom.may_have(*hash)));
    }

    #[test]
    fn of_what_is_new_it_says_maybe_as_often_as_is_said() {
        for (added, per_10_000) in [(1_000_000, 16), (10_000_000, 2_100)] {
            let mut rng = Rng::with_seed(7);
            let mut bloom = Bloom::new();
            // One word in 32 stands for all.
            let mut hash = || rng.i64(0..=i64::MAX / 16);
            (0..added / 32).for_each(|_| bloom.add(hash()));
            let maybe = (0..200_000).filter(|_| bloom.may_have(hash())).count() / 20;
            assert!(maybe.abs_diff(per_10_000) <= per_10_000 / 8, "{added}: {maybe}");
        }
    }
}
