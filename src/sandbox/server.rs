//! The wire: connections on a listener, a request's way through the tenant, and resets.

use std::error::Error as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::flows::Given;
use super::form;
use super::hold::HOLD_MAX;
use super::record::{Call, End};
use super::reply::{Answer, Reply, Sent, Way};
use super::tenant::{Asked, Content, Tenant};

/// The largest body that is read, in bytes; a larger one gets 413.
pub const BODY_MAX_BYTES: usize = 64 * 1024 * 1024;
/// How many connections are served at once; more wait in the listener's backlog.
pub const CONNECTIONS_MAX: usize = 1024;
/// How long accepting rests after it failed, which it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// From so many bytes on a document is read beside the runtime's threads.
const LARGE_BYTES: usize = 256 * 1024;

/// The path of the token endpoint.
const TOKEN_PATH: &str = "/oauth/token";
/// What the path of a flow begins with.
const FLOWS_PATH: &str = "/api/v2/flows/";

/// Serves connections until `stop`; every task is the tracker's.
pub(super) async fn serve(
    listener: TcpListener,
    tenant: Arc<Tenant>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let accepting = async {
        while let Ok(place) = Arc::clone(&room).acquire_owned().await {
            let Ok((stream, _)) = listener.accept().await else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let (tenant, late, stop) = (Arc::clone(&tenant), tasks.clone(), stop.clone());
            let cut = tenant.look(|state| state.connections.clone());
            tasks.spawn(async move {
                let served = cut.run_until_cancelled(connection(stream, tenant, late, stop.clone()));
                stop.run_until_cancelled(served).await;
                drop(place);
            });
        }
    };
    stop.run_until_cancelled(accepting).await;
}

/// The tenant wants the connection reset.
#[derive(Debug, thiserror::Error)]
#[error("the connection is to be reset")]
struct ResetWanted;

/// Serves one connection until the client closes it, it breaks, or the tenant resets it.
async fn connection(stream: TcpStream, tenant: Arc<Tenant>, tasks: TaskTracker, stop: CancellationToken) {
    // Failing only costs latency.
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| {
        let (tenant, tasks, stop) = (Arc::clone(&tenant), tasks.clone(), stop.clone());
        let answered = async move { exchange(&tenant, &tasks, stop, request).await };
        Box::pin(answered) as Pin<Box<dyn Future<Output = _> + Send>>
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let reset = ended.is_err_and(|error| error.source().is_some_and(|cause| cause.is::<ResetWanted>()));
    if reset {
        // With no time to linger, closing the socket sends RST in place of FIN.
        connection.into_parts().io.into_inner().set_zero_linger().ok();
    }
}

/// Carries a request through the tenant: received, held, decided after half the latency, answered.
async fn exchange(
    tenant: &Arc<Tenant>,
    tasks: &TaskTracker,
    stop: CancellationToken,
    request: Request<Incoming>,
) -> Result<Response<Sent>, ResetWanted> {
    let (head, body) = request.into_parts();
    let call = call(&head.method, head.uri.path());
    let noted = Noted::begin(Arc::clone(tenant), call.clone(), (head.method, head.uri));
    let body = match Limited::new(body, BODY_MAX_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            let message = format!("the body did not arrive whole, or has more than {BODY_MAX_BYTES} bytes");
            let refused = Answer::refusal(StatusCode::PAYLOAD_TOO_LARGE, "too.large", &message);
            return Ok(noted.answer(refused, Way::Whole));
        }
    };
    if let Call::Put(flow) = &call {
        // Held too long, it goes on: a hold that was forgotten must not stop everything.
        timeout(HOLD_MAX, tenant.until(|tenant| !tenant.look(|state| state.holds.holds(flow)))).await.ok();
    }
    let half = tenant.look(|state| state.latency) / 2;
    wait(half).await;
    let authorization = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let authorization = authorization.map(str::to_owned);
    let content = content(&call, body).await;
    let says_accept = head.headers.contains_key(ACCEPT);
    let asked = Asked { order: noted.order, call, authorization, says_accept, content };
    let decision = tenant.with(|state| state.decide(&asked, Instant::now()));
    if let Some(put) = decision.late {
        let tenant = Arc::clone(tenant);
        tasks.spawn(async move {
            if stop.run_until_cancelled(sleep(put.after)).await.is_some() {
                tenant.land(&put);
            }
        });
    }
    wait(half).await;
    match decision.reply {
        Reply::Answer(answer, way) => Ok(noted.answer(answer, way)),
        Reply::Silence(silence) => {
            wait(silence).await;
            noted.end(End::Reset, None);
            Err(ResetWanted)
        }
        Reply::Reset => {
            noted.end(End::Reset, None);
            Err(ResetWanted)
        }
    }
}

/// A wait that is none at all when it is zero: a timer would round it up to a millisecond.
async fn wait(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

/// What a method and path ask for. The flow's id is taken percent-decoded.
fn call(method: &Method, path: &str) -> Call {
    if path == TOKEN_PATH && method == Method::POST {
        return Call::Token;
    }
    let id = path.strip_prefix(FLOWS_PATH).filter(|id| !id.is_empty() && !id.contains('/'));
    let Some(id) = id else { return Call::Other };
    // A `+` in a path is a plus, unlike in a form.
    let id: Arc<str> = form::decode(&id.replace('+', "%2B")).into();
    match *method {
        Method::GET => Call::Get(id),
        Method::PUT => Call::Put(id),
        _ => Call::Other,
    }
}

/// Reads a document before the tenant is locked, and a large one beside the threads that serve others: it takes its
/// time.
async fn content(call: &Call, body: Bytes) -> Content {
    if !matches!(call, Call::Put(_)) {
        return Content::Raw(body);
    }
    if body.len() < LARGE_BYTES {
        return Content::Document(Given::read_bytes(&body));
    }
    let read = spawn_blocking(move || Given::read_bytes(&body)).await;
    Content::Document(read.expect("reading a text does not panic"))
}

/// A request in the record; dropped before its end, it was left.
#[derive(Debug)]
struct Noted {
    tenant: Arc<Tenant>,
    order: u64,
    /// As the client spelt them, for the log.
    method: Method,
    uri: Uri,
}

impl Noted {
    fn begin(tenant: Arc<Tenant>, call: Call, (method, uri): (Method, Uri)) -> Self {
        let order = tenant.with(|state| state.log.begin(call, Instant::now()));
        Self { tenant, order, method, uri }
    }

    fn end(&self, end: End, retry_after: Option<String>) {
        let is_over = self.tenant.with(|state| state.log.end(self.order, end, retry_after, Instant::now()));
        if let Some(took) = is_over {
            self.tell(end, took);
        }
    }

    /// Tells whoever watches the tenant: a line for each request, without what it carried.
    fn tell(&self, end: End, took: Duration) {
        let (status, sentence) = match end {
            End::Answered(status) => (Some(status), "the practice tenant answered"),
            End::Reset => (None, "the practice tenant reset the connection"),
            End::Open | End::Unanswered => (None, "the client left before it was answered"),
        };
        tracing::info!(
            http.method = %self.method,
            http.path = %self.uri.path(),
            http.status = status,
            http.took_us = took.as_micros(),
            "{sentence}"
        );
    }

    fn answer(&self, answer: Answer, way: Way) -> Response<Sent> {
        self.end(End::Answered(answer.status.as_u16()), answer.retry_after().map(str::to_owned));
        answer.into_response(way)
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        // Only the first end counts, so this is one only for a request that was dropped on its way.
        self.end(End::Unanswered, None);
    }
}

#[cfg(test)]
mod tests {
    use super::{Call, Method, call};

    #[test]
    fn paths_name_their_calls() {
        let check =
            |method: Method, path: &str, wanted: Call| assert_eq!(call(&method, path), wanted, "{path}");
        check(Method::POST, "/oauth/token", Call::Token);
        check(Method::GET, "/oauth/token", Call::Other);
        check(Method::GET, "/api/v2/flows/a1", Call::Get("a1".into()));
        check(Method::PUT, "/api/v2/flows/a%3A1+%2b", Call::Put("a:1++".into()));
        check(Method::DELETE, "/api/v2/flows/a1", Call::Other);
        check(Method::GET, "/api/v2/flows/", Call::Other);
        check(Method::GET, "/api/v2/flows/a/b", Call::Other);
    }
}
