//! The receiver: `POST /hooks/{source}`, from a request to an answer that can be relied on.
//!
//! The gates are in [`mod@verified`], in the order of the contract; what passes them is a
//! [`Verified`], and nothing else is judged or stored here. Then the routes judge, the queue stores, and only what
//! is on disk is answered with 2xx.
//!
//! There is no router, no layer and no extractor: with one kind of path they took a tenth of a delivery's time, for what
//! they box and pass on by way of extensions. What there is to say becomes a response by `Line::end` alone, so that
//! nothing goes out unlogged.
//!
//! | status | when |
//! |---|---|
//! | 202 | its changes are on disk; 200 where the sender's scheme knows no other success |
//! | 200 | it was accepted before, no route wants it, or it is a handshake |
//! | 400, 422 | it is not JSON, or a route refuses it; kept as rejected, with the reason; 200 if its source wants that |
//! | 401 | nothing says that a source signed it |
//! | 404, 405, 408, 413, 415 | what came is not a delivery at all |
//! | 503 | it cannot be stored now; come back |
//!
//! Never 410 or 3xx: senders take the first as "disable the hook", and some take the second as success.

mod answer;
mod body;
mod handshake;
mod log;
mod refusal;
mod verified;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use hyper::{Request, StatusCode};
use percent_encoding::percent_decode_str;
use tokio_util::sync::CancellationToken;

use crate::change::{Admission, Delivery, NewChange, Verdict};
use crate::clock::Clock;
use crate::live::Live;
use crate::queue::Queue;
use crate::route::{Event, Judgement, Routes};
use crate::server::places::Places;
use crate::server::{Answers, Arriving};
use crate::source::{OnRejected, Sources, Verified};

use answer::Answer;
use handshake::{Handshakes, NoDelivery};
use log::Line;
use refusal::{Refusal, Unavailable};

/// A body of at most so many bytes is short, and each connection may have one: 8 KiB.
pub const SHORT_BODY_BYTES: usize = 8 * 1_024;
/// What is beyond that comes in pieces of so many bytes, 16 KiB, each of which needs a place.
pub const PIECE_BYTES: usize = 16 * 1_024;
/// The most pieces of longer bodies that we hold at once, 32 MiB: three bodies as long as settings allow, and
/// what is kept free. When all places are taken, the body that takes longest gives way to the next.
pub const PIECES: usize = 2_048;
/// How long a body may take to arrive.
pub const BODY_READ: Duration = Duration::from_secs(10);
/// How long a delivery waits for its commit before the sender is told to come back.
pub const COMMIT_WAIT: Duration = Duration::from_secs(1);
/// What is wrong with a form, and how to mend it.
const FORM: &str =
    "the body is a form, not JSON: choose the content type application/json in the webhook's settings";

/// Every status that a sender may be answered, the good ones first. Beside these there is only 431, which the
/// HTTP library gives to a head that is too long.
pub const STATUSES: [StatusCode; 11] = [
    StatusCode::ACCEPTED,
    StatusCode::OK,
    StatusCode::BAD_REQUEST,
    StatusCode::UNAUTHORIZED,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
    StatusCode::SERVICE_UNAVAILABLE,
];

/// What a request may cost us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A body of at most so many bytes is short. Default [`SHORT_BODY_BYTES`].
    pub short_body_bytes: usize,
    /// The most pieces, of [`PIECE_BYTES`], of longer bodies on their way to us at once: 503 for the one that takes
    /// longest when another comes. Default [`PIECES`].
    pub pieces: usize,
    /// How long a body may take to arrive: 408 beyond it. Default [`BODY_READ`].
    pub body_read: Duration,
    /// How long a delivery waits for its commit: 503 beyond it, though it may yet be stored, and
    /// then the sender's next attempt is a duplicate. Default [`COMMIT_WAIT`].
    pub commit_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            short_body_bytes: SHORT_BODY_BYTES,
            pieces: PIECES,
            body_read: BODY_READ,
            commit_wait: COMMIT_WAIT,
        }
    }
}

/// Who may call, and what their deliveries mean. They are swapped as one: a delivery that one state of the settings
/// verifies must not be judged by another, whose routes may not want anything of its source.
#[derive(Debug)]
pub struct Intake {
    /// Who may call.
    pub sources: Sources,
    /// What their deliveries mean.
    pub routes: Routes,
}

/// What the receiver works with.
#[derive(Debug)]
pub struct Receiver {
    /// Who may call, and what their deliveries mean.
    pub intake: Live<Intake>,
    /// Where deliveries become durable.
    pub queue: Queue,
    /// The time of day, for freshness.
    pub clock: Clock,
    /// What a request may cost.
    pub settings: Settings,
    /// Once cancelled, new deliveries are refused while those under way finish.
    pub shutting_down: CancellationToken,
}

/// Where the paths of the sources begin: `/hooks/{source}`.
const PATH: &str = "/hooks/";

/// What answers senders: the public listener has no other paths than those of the sources.
#[derive(Clone, Debug)]
pub struct Hooks(Arc<Open>);

impl Hooks {
    /// Opens a receiver to senders.
    pub fn new(receiver: Receiver) -> Self {
        let pieces = Places::new("pieces of long bodies", receiver.settings.pieces);
        Self(Arc::new(Open { pieces, handshakes: Handshakes::default(), receiver }))
    }
}

impl Answers for Hooks {
    /// Answers whatever is sent, and logs what became of it.
    async fn answer(&self, request: Request<Arriving>, peer: SocketAddr) -> Response {
        let mut line = Line::of(request.uri().clone(), peer);
        match self.0.answer(request, &mut line).await {
            Ok(answer) => line.end(answer),
            Err(no_delivery) => line.end(no_delivery),
        }
    }
}

/// A receiver that is open to senders.
#[derive(Debug)]
struct Open {
    receiver: Receiver,
    /// Places for the pieces of bodies that are long and that nobody has verified yet.
    pieces: Places,
    /// How many handshakes of each source were answered that nobody has verified.
    handshakes: Handshakes,
}

/// The name of the source whose path this is. Nothing in a name needs to be escaped, and anything may be (RFC 3986,
/// section 2.3).
fn source_in(path: &str) -> Option<Cow<'_, str>> {
    let name = path.strip_prefix(PATH).filter(|name| !name.is_empty() && !name.contains('/'))?;
    Some(percent_decode_str(name).decode_utf8_lossy())
}

impl Open {
    async fn answer(&self, request: Request<Arriving>, line: &mut Line) -> Result<Answer, NoDelivery> {
        let receiver = &self.receiver;
        let name = source_in(request.uri().path()).ok_or(Refusal::NoSuchPath)?;
        if receiver.shutting_down.is_cancelled() {
            return Err(Refusal::unavailable(Unavailable::ShuttingDown).into());
        }
        // As the settings are now, whatever becomes of them while the body comes.
        let intake = receiver.intake.get();
        let source = intake.sources.find(&name).ok_or(Refusal::NoSuchSource)?;
        drop(name);
        let delivery = self.verified(source, request, line).await?;
        let event = Event {
            source: delivery.source(),
            headers: delivery.headers(),
            body: delivery.body(),
            at: delivery.received_at(),
        };
        let answer = match intake.routes.judge(&event) {
            Judgement::Changes(changes) => receiver.accept(&delivery, changes).await?,
            Judgement::Ignored => Answer::Ignored,
            Judgement::NotJson(_) if delivery.is_form() => {
                receiver.reject(&delivery, FORM.to_owned(), Refusal::NotJson).await?
            }
            Judgement::NotJson(reason) => receiver.reject(&delivery, reason, Refusal::NotJson).await?,
            Judgement::Refused(reason) => receiver.reject(&delivery, reason, Refusal::ByRoute).await?,
        };
        Ok(answer)
    }
}

impl Receiver {
    async fn accept(&self, delivery: &Verified, changes: Vec<NewChange>) -> Result<Answer, Refusal> {
        let id = delivery.id().to_owned();
        match self.store(delivery, Verdict::Changes(changes)).await? {
            Admission::Accepted { changes } => {
                Ok(Answer::Accepted { id, changes, status: delivery.scheme().accepted() })
            }
            Admission::Duplicate => Ok(Answer::Duplicate { id }),
            // The journal rejects nothing by itself; if it says so, nothing of ours is pending.
            Admission::Rejected | Admission::Stale => Err(Refusal::unavailable(Unavailable::NotStored)),
        }
    }

    /// Keeps a delivery that cannot be carried out, so that a person can see it, and refuses it, unless its sender
    /// is not to know; if it cannot even be kept, the sender has to come back.
    async fn reject(
        &self,
        delivery: &Verified,
        reason: String,
        refusal: fn(String) -> Refusal,
    ) -> Result<Answer, Refusal> {
        let (id, body) = (delivery.id().to_owned(), delivery.body().clone());
        match self.store(delivery, Verdict::Rejected { reason: reason.clone(), body }).await? {
            // What was accepted under this id stays accepted, whatever this attempt looks like.
            Admission::Duplicate => Ok(Answer::Duplicate { id }),
            Admission::Accepted { .. } | Admission::Rejected | Admission::Stale => {
                match delivery.rejected() {
                    OnRejected::Refused => Err(refusal(reason)),
                    OnRejected::Success => Ok(Answer::Rejected { id, reason }),
                }
            }
        }
    }

    /// Queues a delivery and waits until it is on disk.
    async fn store(&self, delivery: &Verified, verdict: Verdict) -> Result<Admission, Refusal> {
        let receipt = self
            .queue
            .submit(Delivery {
                source: Arc::clone(delivery.source()),
                id: delivery.id().to_owned(),
                received_at: delivery.received_at(),
                verdict,
            })
            .map_err(|not_taken| Refusal::unavailable(Unavailable::NotTaken(not_taken)))?;
        let late = || Refusal::unavailable(Unavailable::Late);
        let committed = tokio::time::timeout(self.settings.commit_wait, receipt.committed());
        committed
            .await
            .map_err(|_elapsed| late())?
            .map_err(|_not_stored| Refusal::unavailable(Unavailable::NotStored))
    }
}
