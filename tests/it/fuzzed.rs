//! What the fuzz targets hold the crate to, replayed with the corpus that they keep.

#[expect(unreachable_pub, reason = "the same files are a library to the fuzz targets")]
#[path = "../../fuzz/src/lib.rs"]
mod oracles;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Gives every kept input to the target of that name.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).expect("a corpus is kept");
    let mut inputs: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no corpus is kept in {}", folder.display());
    for path in inputs {
        let input = std::fs::read(&path).expect("an input");
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&input)));
        assert!(outcome.is_ok(), "{} does not hold: its panic is above", path.display());
    }
}

#[test]
fn no_kept_input_makes_a_signature_hold_that_should_not_or_the_other_way_round() {
    replay("signatures", oracles::signatures::check);
}

#[test]
fn every_kept_body_is_routed_as_the_readme_says() {
    replay("routing", oracles::routing::check);
}

#[test]
fn every_kept_document_is_edited_by_the_book() {
    replay("document", oracles::document::check);
}
