//! What answers the requests of a listener.

use std::net::SocketAddr;

use axum::Router;
use axum::response::Response;
use hyper::Request;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::Arriving;

/// What answers the requests of a listener. A [`Router`] does; what has a single path does without one, for less.
pub trait Answers: Clone + Send + Sync + 'static {
    /// The answer to a request that this peer has sent.
    fn answer(&self, request: Request<Arriving>, peer: SocketAddr) -> impl Future<Output = Response> + Send;
}

impl Answers for Router {
    async fn answer(&self, request: Request<Arriving>, _peer: SocketAddr) -> Response {
        TowerToHyperService::new(self.clone()).call(request).await.unwrap_or_else(|never| match never {})
    }
}
