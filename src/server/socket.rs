//! A peer's socket with the two bounds that the HTTP layer lacks: on a peer that does not take our
//! answer, and on the farewell.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::Limits;

/// How much we read at once to throw it away, in bytes.
const SCRATCH_BYTES: usize = 4 * 1_024;

pub(super) struct Socket {
    stream: TcpStream,
    limits: Limits,
    /// Runs while the peer takes nothing; none while bytes move.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Runs once our side is closed.
    farewell: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, limits: Limits) -> Self {
        Self { stream, limits, stalled: None, farewell: None }
    }

    /// Passes `written` on, unless nothing could be written for too long.
    fn unless_stalled(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let write_stall = self.limits.write_stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(write_stall)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.unless_stalled(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.unless_stalled(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Closes our side, then reads until the peer closes theirs. A socket that is dropped with
    /// bytes unread is reset, and the reset can overtake the answer: a sender whose body was refused
    /// unread would see a broken connection and not its 413 (RFC 9112, section 9.6).
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.farewell.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.farewell = Some(Box::pin(sleep(self.limits.farewell)));
        }
        let Self { stream, farewell, .. } = &mut *self;
        let over = farewell.as_mut().is_some_and(|farewell| farewell.as_mut().poll(cx).is_ready());
        if over {
            return Poll::Ready(Ok(()));
        }
        loop {
            let mut scratch = [0; SCRATCH_BYTES];
            let mut scratch = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut *stream).poll_read(cx, &mut scratch)) {
                Ok(()) if !scratch.filled().is_empty() => {} // not for us any more
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}
