//! What answers the requests of a listener.

use std::net::SocketAddr;

use axum::Router;
use axum::response::Response;
use hyper::Request;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::Arriving;

/// What answers the requests of a listener. A [`Router`] does, who finds the peer in the extension [`Peer`]; what has a
/// single path does without one, for less.
pub trait Answers: Clone + Send + Sync + 'static {
    /// The answer to a request that this peer has sent.
    fn answer(&self, request: Request<Arriving>, peer: SocketAddr) -> impl Future<Output = Response> + Send;
}

/// Who sent a request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl Answers for Router {
    async fn answer(&self, mut request: Request<Arriving>, peer: SocketAddr) -> Response {
        request.extensions_mut().insert(Peer(peer));
        TowerToHyperService::new(self.clone()).call(request).await.unwrap_or_else(|never| match never {})
    }
}
