//! Bodies far over the limit, from many senders at once: each is told so, and none is kept.

use std::net::SocketAddr;

use tokio::task::JoinSet;

use crate::program::Program;
use crate::wire::Wire;

const SENDERS: usize = 16;
const BODY_BYTES: usize = 50_000_000;
/// One write, and one chunk.
const PIECE_BYTES: usize = 500_000;
/// Ten of the bodies that are sent would not fit.
const MEMORY_MAX_KIB: u64 = 100 * 1_024;

/// How the length of a body is said.
#[derive(Clone, Copy, Debug)]
enum Length {
    Declared,
    InChunks,
}

/// Sends 50 MB that nobody signed; the status that comes back.
async fn send(to: SocketAddr, length: Length) -> u16 {
    let mut wire = Wire::connect(to).await;
    let (line, before, after) = match length {
        Length::Declared => (format!("content-length: {BODY_BYTES}"), String::new(), ""),
        Length::InChunks => ("transfer-encoding: chunked".to_owned(), format!("{PIECE_BYTES:x}\r\n"), "\r\n"),
    };
    wire.send(format!("POST /hooks/config HTTP/1.1\r\nhost: x\r\n{line}\r\n\r\n")).await;
    let piece = format!("{before}{}{after}", "x".repeat(PIECE_BYTES));
    for _ in 0..BODY_BYTES / PIECE_BYTES {
        // Like any client that looks for an answer while it sends, as curl does.
        if wire.send_unless_answered(&piece).await.is_some() {
            break;
        }
    }
    wire.answer().await.status
}

#[tokio::test]
async fn bodies_of_50_mb_are_refused_in_little_memory() {
    let (_tenant, service, at) = Program::serving().await;
    for length in [Length::Declared, Length::InChunks] {
        let mut senders = JoinSet::new();
        for _ in 0..SENDERS {
            senders.spawn(send(at.public, length));
        }
        assert_eq!(senders.join_all().await, [413; SENDERS], "{length:?}");
    }
    let peak = service.peak_memory_kib();
    println!("{peak} KiB at most");
    assert!(peak < MEMORY_MAX_KIB, "{peak} KiB");
}
