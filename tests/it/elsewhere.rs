//! Addresses at which something else than flowhook answers, or nothing.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use flowhook::server::{Limits, serve};
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

/// A server with these paths; where it listens. It lives as long as the test.
pub(crate) async fn server(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { serve(listener, router, Limits::default(), CancellationToken::new()).await });
    address
}

/// An address where nobody listens, nor will as long as this lives: the port is taken, and connections to it
/// are refused.
pub(crate) struct Nowhere {
    /// As in `127.0.0.1:49152`.
    pub(crate) address: String,
    /// As in `http://127.0.0.1:49152`.
    pub(crate) url: String,
    _taken: TcpSocket,
}

impl Nowhere {
    pub(crate) fn take() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let address = socket.local_addr().expect("it is bound").to_string();
        Self { url: format!("http://{address}"), address, _taken: socket }
    }
}
