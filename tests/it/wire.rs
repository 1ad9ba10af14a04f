//! A peer that speaks HTTP byte by byte, as well or as badly as a test wants.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::patience::patiently;

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

/// Something of an answer is there.
pub(crate) struct Answered;

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

    /// Closes our side: nothing more is sent.
    pub(crate) async fn finish(&mut self) {
        patiently(self.stream.shutdown()).await.expect("it is open");
    }

    /// Sends what the service may no longer read.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        patiently(self.stream.write_all(bytes.as_ref())).await
    }

    /// Sends, unless an answer begins to come before all of it is sent.
    pub(crate) async fn send_unless_answered(&mut self, bytes: impl AsRef<[u8]>) -> Option<Answered> {
        let (mut read, mut write) = self.stream.split();
        patiently(async {
            tokio::select! {
                biased;
                read = read.read_buf(&mut self.unread) => {
                    read.expect("the answer comes before the end");
                    Some(Answered)
                }
                sent = write.write_all(bytes.as_ref()) => {
                    sent.expect("the service reads");
                    None
                }
            }
        })
        .await
    }

    /// The next answer, which must declare its length.
    pub(crate) async fn answer(&mut self) -> Answer {
        match self.next_answer().await {
            Some(answer) => answer,
            None => panic!("no answer but {:?}", String::from_utf8_lossy(&self.unread)),
        }
    }

    /// The same; nothing if the connection ends before it.
    pub(crate) async fn next_answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if !self.more().await {
                return None;
            }
        };
        let head = String::from_utf8(self.unread.drain(..end + 4).collect()).expect("a head is ASCII");
        let status = head[9..12].parse().expect("a status");
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.header("content-length").map_or(0, |value| value.parse().expect("a length"));
        while self.unread.len() < length {
            assert!(self.more().await, "the body is cut short");
        }
        answer.body = String::from_utf8(self.unread.drain(..length).collect()).expect("a body is UTF-8");
        Some(answer)
    }

    /// Whether the service has closed and said nothing more.
    pub(crate) async fn is_closed(&mut self) -> bool {
        !self.more().await && self.unread.is_empty()
    }

    /// Whether the service has closed, whatever it said before.
    pub(crate) async fn is_cut(&mut self) -> bool {
        while self.more().await {}
        true
    }

    async fn more(&mut self) -> bool {
        patiently(self.stream.read_buf(&mut self.unread)).await.is_ok_and(|read| read > 0)
    }
}
