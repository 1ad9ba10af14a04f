//! Addresses at which something else than flowhook answers, or nothing.

use std::net::SocketAddr;

use axum::Router;
use flowhook::server::{Limits, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A server with these paths; where it listens. It lives as long as the test.
pub(crate) async fn server(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { serve(listener, router, Limits::default(), CancellationToken::new()).await });
    address
}

/// An address where nobody listens.
pub(crate) async fn nowhere() -> String {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    taken.local_addr().expect("it is bound").to_string()
}
