//! The admin listener: is it well, what is in the journal, and what is to be done about it.
//!
//! | path | answers |
//! |---|---|
//! | `/healthz` | 200 as long as the process answers at all, with the program's name and version, where it receives webhooks, and whether it is there to publish or to observe |
//! | `/readyz` | 200 if deliveries can be accepted, whatever the tenant does; else 503 |
//! | `/api/changes?state=&flow=&source=&since=&limit=&cursor=` | changes, newest first, and the cursor of the next page |
//! | `/api/changes/{seq}` | one change |
//! | `/api/deliveries?state=&source=&since=&limit=&cursor=` | deliveries, newest first: which were rejected, and why |
//! | `/api/deliveries/{source}/{id}` | one delivery with its changes, and the body of a rejected one |
//! | `/api/flows?limit=&cursor=` | the flows that have pending or failed changes or are paused, and whether all flows are |
//! | `/api/drift?flow=&limit=&cursor=` | where flows do not hold what was last applied to them, as it was last seen |
//! | `POST /api/drift/check?flow=&limit=` | the same after a look at the flow, or at the first of all, and what was not looked at |
//! | `POST /api/changes/{seq}/retry`, `…/discard` | the change, after it was retried or discarded |
//! | `POST /api/changes/retry?state=&flow=&source=&since=`, `…/discard?…` | to how many changes it was done |
//! | `POST /api/changes/{seq}/rollback` | the change that rolls it back |
//! | `POST /api/changes/rollback?state=&flow=&source=&since=` | how many were made, which, and what could not be rolled back |
//! | `POST /api/flows/{flow}/pause?reason=`, `…/resume` | the flow, after it was paused or resumed |
//! | `POST /api/pause?reason=`, `POST /api/resume` | whether all flows are paused now, and those that are so by themselves |
//!
//! Everything under `/api` wants the bearer token, if one is set; without one, nothing that a browser may have been
//! talked into is done. Nothing here writes: what is to be done goes through the one writer behind the ledger.

mod access;
mod acting;
mod changes;
mod deliveries;
mod drift;
mod page;
mod pausing;
mod rolling_back;

use std::net::SocketAddr;

use axum::extract::{FromRef, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use hyper::StatusCode;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::journal::{JournalError, Purpose, Reader, Verb};
use crate::live::Live;
use crate::queue::Ledger;
use crate::server::problem;
use crate::tenant::Gate;
pub use drift::{Left, Look, Looked, Looking, Unread};

/// The admin listener's own settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens; `FLOWHOOK_ADMIN_LISTEN`, default `127.0.0.1:8081`.
    pub listen: SocketAddr,
    /// What `/api` wants as bearer token; `FLOWHOOK_ADMIN_TOKEN`. Without one it may listen on loopback only.
    pub token: Option<SecretString>,
}

/// What the admin listener works with.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The journal, to read.
    pub reader: Reader,
    /// Says whether commits are taken, and has operators' words committed.
    pub ledger: Ledger,
    /// Says what changes wait for that no turn has looked at.
    pub gate: Gate,
    /// Looks at flows, for who wants to know where they differ now.
    pub look: Look,
    /// What `/api` wants as bearer token.
    pub token: Live<Option<SecretString>>,
    /// Where webhooks are received.
    pub webhooks: SocketAddr,
    /// What the service does with changes.
    pub purpose: Purpose,
    /// Once cancelled the service is not ready any more.
    pub shutting_down: CancellationToken,
}

/// The admin listener's paths.
pub fn router(admin: Admin) -> Router {
    let api = Router::new()
        .route("/changes", get(changes::list))
        .route("/changes/{seq}", get(changes::one))
        .route("/changes/retry", post(|admin, wanted| acting::many(Verb::Retry, admin, wanted)))
        .route("/changes/discard", post(|admin, wanted| acting::many(Verb::Discard, admin, wanted)))
        .route("/changes/rollback", post(rolling_back::many))
        .route("/changes/{seq}/rollback", post(rolling_back::one))
        .route("/changes/{seq}/retry", post(|admin, seq| acting::one(Verb::Retry, admin, seq)))
        .route("/changes/{seq}/discard", post(|admin, seq| acting::one(Verb::Discard, admin, seq)))
        .route("/deliveries", get(deliveries::list))
        .route("/deliveries/{source}/{id}", get(deliveries::one))
        .route("/drift", get(drift::list))
        .route("/drift/check", post(drift::check))
        .route("/flows", get(pausing::list))
        .route("/flows/{flow}/pause", post(pausing::pause_one))
        .route("/flows/{flow}/resume", post(pausing::resume_one))
        .route("/pause", post(pausing::pause_all))
        .route("/resume", post(pausing::resume_all))
        .fallback(no_such_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(admin.token.clone(), access::check));
    Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .nest("/api", api)
        .fallback(no_such_path)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(admin)
}

impl FromRef<Admin> for Reader {
    fn from_ref(admin: &Admin) -> Self {
        admin.reader.clone()
    }
}

/// Says also which program answers, so that it can be told from another one on the same port.
async fn healthy(State(admin): State<Admin>) -> Json<Value> {
    let (service, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    let purpose = admin.purpose.as_str();
    Json(json!({
        "status": "ok",
        "service": service,
        "version": version,
        "webhooks": admin.webhooks,
        "purpose": purpose,
    }))
}

impl FromRef<Admin> for Gate {
    fn from_ref(admin: &Admin) -> Self {
        admin.gate.clone()
    }
}

async fn ready(State(admin): State<Admin>) -> Response {
    if admin.shutting_down.is_cancelled() {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "The service is shutting down.");
    }
    if !admin.ledger.can_accept().await {
        return problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "The backlog is full or the journal takes no commits.",
        );
    }
    Json(json!({"status": "ready"})).into_response()
}

async fn no_such_path() -> Response {
    problem(StatusCode::NOT_FOUND, "There is no such path.")
}

async fn method_not_allowed() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "What is read takes GET, what is done takes POST.")
}

/// The journal did not answer: for the log why, for the caller that it did not.
fn unreadable(error: &JournalError) -> Response {
    tracing::error!(error = error as &dyn std::error::Error, "the journal cannot be read");
    problem(StatusCode::SERVICE_UNAVAILABLE, "The journal cannot be read now; the log says why.")
}
