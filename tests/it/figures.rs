//! The bounds that pages name are those of the program.

use std::fs;
use std::path::Path;

use flowhook::service::{ADMIN_CONNECTIONS, OTHER_DESCRIPTORS};
use flowhook::source::{BODY_BYTES, BODY_BYTES_MAX};
use flowhook::{receiver, server};

const KIB: usize = 1_024;

/// A number with its thousands apart, as pages write it.
fn spelt(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}

#[test]
fn what_pages_say_of_connections_bodies_and_heads_is_so() {
    let (places, short) = (spelt(server::CONNECTIONS), receiver::SHORT_BODY_BYTES / KIB);
    let long_mib = receiver::PIECES * receiver::PIECE_BYTES / KIB / KIB;
    let (head, body_s) = (server::HEADER_BYTES / KIB, receiver::BODY_READ.as_secs());
    let (others, admins, mib) = (OTHER_DESCRIPTORS, ADMIN_CONNECTIONS, BODY_BYTES / KIB / KIB);
    let check = |page: &str, says: &[String]| {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).expect("a page");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in says {
            assert!(text.contains(words), "{page} must say `{words}`");
        }
    };
    let heads = format!("{head} KiB or 100 headers"); // the HTTP library's own bound: the tests of floods meet it
    check(
        "README.md",
        &[
            heads.clone(),
            format!("longer than {body_s} s; its body is over {mib} MiB"),
            format!("more than {short} KiB dawdles"),
        ],
    );
    check(
        "SECURITY.md",
        &[
            heads,
            format!("one of {places} connections for at most {} s of head", server::HEADER_READ.as_secs()),
            format!("s of head and {body_s} s of body"),
            format!("over {short} KiB ({long_mib} MiB at once)"),
            format!("listener ({admins} connections)"),
            format!("compete for {long_mib} MiB"),
            format!("as fit into {mib} MiB"),
        ],
    );
    check("docs/settings.md", &[format!("at most {} MiB", BODY_BYTES_MAX / KIB / KIB)]);
    check(
        "docs/deploying.md",
        &[
            format!("serves {places} senders at once, and wants {others} file descriptors besides"),
            format!("bodies over {short} KiB what is on its way is bounded to {long_mib} MiB"),
            format!("takes bodies of {mib} MiB"),
        ],
    );
}
