//! A configuration API that says what a test wants, when it wants.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use flowhook::server::{self, Limits};
use hyper::StatusCode;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::patience::patiently;

/// The configuration API, serving.
pub(crate) struct ConfigApi {
    /// Where it is: `http://127.0.0.1:49152`.
    pub(crate) url: String,
    desk: Arc<Desk>,
    _serving: DropGuard,
}

struct Desk {
    says: Mutex<(StatusCode, String)>,
    /// The paths it was asked for.
    asked: watch::Sender<Vec<String>>,
    held: watch::Sender<bool>,
}

impl Desk {
    fn says(&self) -> MutexGuard<'_, (StatusCode, String)> {
        self.says.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConfigApi {
    /// It knows nothing at first.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let desk = Arc::new(Desk {
            says: Mutex::new((StatusCode::NOT_FOUND, String::new())),
            asked: watch::Sender::default(),
            held: watch::Sender::default(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&desk));
        let stop = CancellationToken::new();
        tokio::spawn(server::serve(listener, router, Limits::default(), stop.clone()));
        Self { url, desk, _serving: stop.drop_guard() }
    }

    /// From now on it says this. Who has asked already and is held is told what it said then.
    pub(crate) fn says(&self, config: &Value) {
        *self.desk.says() = (StatusCode::OK, config.to_string());
    }

    /// From now on it fails.
    pub(crate) fn fails(&self, status: StatusCode) {
        *self.desk.says() = (status, "out of order".to_owned());
    }

    /// From now on it takes requests and does not answer.
    pub(crate) fn hold(&self) {
        self.desk.held.send_replace(true);
    }

    /// It answers again.
    pub(crate) fn release(&self) {
        self.desk.held.send_replace(false);
    }

    /// The paths it was asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.desk.asked.borrow().clone()
    }

    /// Waits until it was asked so often.
    pub(crate) async fn asked_times(&self, times: usize) {
        let mut asked = self.desk.asked.subscribe();
        patiently(asked.wait_for(|paths| paths.len() >= times)).await.expect("the desk is there");
    }
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> (StatusCode, String) {
    let says = desk.says().clone();
    desk.asked.send_modify(|paths| paths.push(request.uri().to_string()));
    // It fails only when the desk is gone, and then nobody waits.
    _ = desk.held.subscribe().wait_for(|held| !held).await;
    says
}
