//! A peer that speaks HTTP byte by byte, as well or as badly as a test wants.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longer than anything here takes: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to the service.
pub(crate) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body's JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }
}

async fn patiently<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wait).await.expect("it does not take that long")
}

/// Waits until nobody listens at `addr` any more.
pub(crate) async fn refused(addr: SocketAddr) {
    patiently(async { while TcpStream::connect(addr).await.is_ok() {} }).await;
}

impl Wire {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let stream = patiently(TcpStream::connect(addr)).await.expect("the service listens");
        Self { stream, unread: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        patiently(self.stream.write_all(bytes.as_ref())).await.expect("the service reads");
    }

    /// The next answer, which must declare its length.
    pub(crate) async fn answer(&mut self) -> Answer {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            assert!(self.more().await, "no answer but {:?}", String::from_utf8_lossy(&self.unread));
        };
        let head = String::from_utf8(self.unread.drain(..end + 4).collect()).expect("a head is ASCII");
        let status = head[9..12].parse().expect("a status");
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.header("content-length").map_or(0, |value| value.parse().expect("a length"));
        while self.unread.len() < length {
            assert!(self.more().await, "the body is cut short");
        }
        answer.body = String::from_utf8(self.unread.drain(..length).collect()).expect("a body is UTF-8");
        answer
    }

    /// Whether the service has closed and said nothing more.
    pub(crate) async fn is_closed(&mut self) -> bool {
        !self.more().await && self.unread.is_empty()
    }

    async fn more(&mut self) -> bool {
        patiently(self.stream.read_buf(&mut self.unread)).await.is_ok_and(|read| read > 0)
    }
}
