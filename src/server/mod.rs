//! The connection loop that every listener shares: what a peer may cost us, and how we part.
//!
//! Each wait on a peer has an end, so that a slow or silent one can hold its place only so long:
//!
//! | waiting for | ends after |
//! |---|---|
//! | a request's head, the first or the next (so idle keep-alive too) | [`Limits::header_read`] |
//! | a request's body, and our own work | the handler's own deadlines |
//! | the peer to take our answer | [`Limits::write_stall`] |
//! | the peer to close after we did | [`Limits::farewell`] |
//! | what is in flight at shutdown | [`Limits::drain`] |
//!
//! When all places are taken, who has kept us waiting longest gives way to whoever comes ([`places`]): so slow
//! peers, however many, keep nobody out. While we are at work on a whole request its peer need not fear that.

mod answers;
mod arriving;
pub mod descriptors;
pub mod places;
mod problem;
mod socket;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use answers::Answers;
pub use arriving::Arriving;
use places::{Place, Places, Turn};
pub use problem::problem;
use socket::Socket;

/// The most connections at once.
pub const CONNECTIONS: usize = 2_048;
/// How long a peer may take to send a request's head, or to begin the next one.
pub const HEADER_READ: Duration = Duration::from_secs(10);
/// The longest head of a request, in bytes.
pub const HEADER_BYTES: usize = 16 * 1_024;
/// How long a peer may leave our answer untaken.
pub const WRITE_STALL: Duration = Duration::from_secs(10);
/// How long we wait for the peer to close after we did.
pub const FAREWELL: Duration = Duration::from_secs(2);
/// How long requests in flight may take to finish once we shut down.
pub const DRAIN: Duration = Duration::from_secs(15);

/// The read buffer of one connection, in bytes: with all places taken, 32 MiB.
const READ_BUFFER_BYTES: usize = 16 * 1_024;
/// How many connections the system keeps for us until we come to accept them, if its own limit is not lower. A
/// peer that finds it full hears nothing, and tries again after a second.
const BACKLOG: u32 = 4_096;
/// How long to wait when the process or the machine is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the peers of one listener may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most connections at once. Default [`CONNECTIONS`].
    pub connections: usize,
    /// Whether nobody looks, while we are at work for a peer, if it is gone: it is only seen when the answer is there, so
    /// this is for handlers that are never at work for long. Who has only closed its own side gets its answer then.
    /// Default `false`.
    pub half_close: bool,
    /// How long a peer may take over a request's head, and be idle. Default [`HEADER_READ`].
    pub header_read: Duration,
    /// The longest head of a request, in bytes, at most 16 KiB: 431 beyond it. Default [`HEADER_BYTES`].
    pub header_bytes: usize,
    /// How long a peer may leave our answer untaken. Default [`WRITE_STALL`].
    pub write_stall: Duration,
    /// How long we wait for the peer to close after we did. Default [`FAREWELL`].
    pub farewell: Duration,
    /// How long requests in flight may take to finish at shutdown. Default [`DRAIN`].
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS,
            half_close: false,
            header_read: HEADER_READ,
            header_bytes: HEADER_BYTES,
            write_stall: WRITE_STALL,
            farewell: FAREWELL,
            drain: DRAIN,
        }
    }
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every request in flight was answered.
    Drained,
    /// So many connections were still busy at the deadline and were cut.
    Cut {
        /// How many.
        connections: usize,
    },
}

/// Listens at an address, which may have been in use by a predecessor a moment ago.
///
/// # Errors
/// What the system says when it cannot be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    #[cfg(unix)] // elsewhere it would let two processes share the address
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Has `answers` answer what comes to `listener` until `shutdown`, then stops accepting, lets requests in flight
/// finish and closes. When it returns no task of it is left.
pub async fn serve(
    listener: TcpListener,
    answers: impl Answers,
    limits: Limits,
    shutdown: CancellationToken,
) -> Ended {
    let listener = Listener { socket: listener, places: Places::new("connections", limits.connections) };
    let connections = TaskTracker::new();
    while let Some(guest) = shutdown.run_until_cancelled(listener.next()).await {
        let place = Arc::clone(&guest.place);
        // Each has a token of its own to look at, at every turn: the one they share has one lock.
        let conversation = converse(guest, answers.clone(), limits, shutdown.child_token());
        connections.spawn(async move { place.until_shown_out(conversation).await });
    }
    let Listener { socket, places } = listener;
    drop(socket);
    connections.close();
    if tokio::time::timeout(limits.drain, connections.wait()).await.is_ok() {
        return Ended::Drained;
    }
    let left = connections.len();
    places.show_all_out();
    connections.wait().await;
    Ended::Cut { connections: left }
}

/// A bound socket and the places for those who come in through it.
struct Listener {
    socket: TcpListener,
    places: Places,
}

/// A connection and the place that it holds for as long as it lasts.
struct Guest {
    stream: TcpStream,
    peer: SocketAddr,
    place: Arc<Place>,
}

impl Listener {
    /// The next connection. It comes first and its place second, so that nobody gives way to nobody.
    async fn next(&self) -> Guest {
        let (stream, peer) = loop {
            match self.socket.accept().await {
                Ok(accepted) => break accepted,
                Err(error) => match after(&error) {
                    AcceptError::OfThePeer => {}
                    AcceptError::OfOurs => {
                        tracing::warn!(%error, "no connection can be accepted for now");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        };
        Guest { stream, peer, place: Arc::new(self.places.take().await) }
    }
}

/// Whose trouble it is when accepting fails.
#[derive(Debug, PartialEq, Eq)]
enum AcceptError {
    /// The connection died in the backlog; the next one may be fine.
    OfThePeer,
    /// Out of descriptors, buffers or memory: at once it would fail again.
    OfOurs,
}

fn after(error: &io::Error) -> AcceptError {
    let of_the_peer =
        [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionReset];
    if of_the_peer.contains(&error.kind()) { AcceptError::OfThePeer } else { AcceptError::OfOurs }
}

/// Speaks HTTP/1.1 with one peer until either has had enough or `shutdown` comes: then the request
/// in flight is the last.
async fn converse(guest: Guest, answers: impl Answers, limits: Limits, shutdown: CancellationToken) {
    let Guest { stream, peer, place } = guest;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, client.address = %peer, "the connection broke before it began");
        return;
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let (answers, place) = (answers.clone(), Arc::clone(&place));
        async move {
            let request = request.map(|body| Arriving::new(body, Arc::clone(&place)));
            let answer = answers.answer(request, peer).await;
            // Success is for who knows a secret. Whatever else is asked for, however often, makes nobody younger.
            place.waits(if answer.status().is_success() { Turn::Last } else { Turn::AsBefore });
            Ok::<_, Infallible>(answer)
        }
    });
    let io = TokioIo::new(Socket::new(stream, limits));
    let mut connection = std::pin::pin!(http(limits).serve_connection(io, service));

    let ended = match shutdown.run_until_cancelled(connection.as_mut()).await {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, client.address = %peer, "the connection broke");
    }
}

fn http(limits: Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        // To look would take a system call and a new read buffer for each request.
        .half_close(limits.half_close)
        .header_read_timeout(limits.header_read)
        .max_header_size(limits.header_bytes)
        .max_buf_size(READ_BUFFER_BYTES);
    http
}

#[cfg(all(test, target_os = "linux"))] // the codes are Linux's
mod tests {
    use super::{AcceptError, after};
    use std::io;

    #[test]
    fn a_dead_peer_costs_no_pause_and_want_of_descriptors_does() {
        let check =
            |code, expected| assert_eq!(after(&io::Error::from_raw_os_error(code)), expected, "{code}");
        check(103, AcceptError::OfThePeer); // ECONNABORTED
        check(104, AcceptError::OfThePeer); // ECONNRESET
        check(23, AcceptError::OfOurs); // ENFILE
        check(24, AcceptError::OfOurs); // EMFILE
        check(12, AcceptError::OfOurs); // ENOMEM
    }
}
