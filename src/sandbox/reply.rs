//! What goes back to a client: whole answers, torn ones, and none.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Sleep, sleep};

/// An answer that is given word for word, in place of the tenant's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canned {
    code: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Canned {
    /// An answer of that status without a body. A code that HTTP does not know becomes 500.
    pub fn status(code: u16) -> Self {
        Self { code, headers: Vec::new(), body: Bytes::new() }
    }

    /// The same with `Retry-After`, in any spelling; repeated, it goes out twice.
    #[must_use]
    pub fn retry_after(self, value: &str) -> Self {
        self.header("retry-after", value)
    }

    /// The same with one more header; one that HTTP cannot carry is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The same with a JSON body.
    #[must_use]
    pub fn json(self, body: impl Into<Bytes>) -> Self {
        self.header("content-type", "application/json").body(body)
    }
}

/// What the tenant decided to answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// An answer with a JSON text.
    pub(super) fn json_text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { status, headers, body: body.into() }
    }

    /// An answer with a JSON value.
    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
        Self::json_text(status, body.to_string())
    }

    /// A refusal in the flow API's shape.
    pub(super) fn refusal(status: StatusCode, code: &str, message: &str) -> Self {
        Self::json(status, &json!({"message": message, "code": code, "status": status.as_u16()}))
    }

    /// The same with one more header.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
        self
    }

    /// `Retry-After`, if it has one.
    pub(super) fn retry_after(&self) -> Option<&str> {
        self.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok())
    }

    /// The answer as it goes out.
    pub(super) fn into_response(self, way: Way) -> Response<Sent> {
        let mut response = Response::new(Sent { rest: self.body, way, torn: false, next_byte: None });
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if way == Way::Torn {
            let whole = response.body().rest.len();
            response.headers_mut().insert(CONTENT_LENGTH, whole.into());
            response.body_mut().rest.truncate(whole / 2);
        }
        response
    }
}

impl From<Canned> for Answer {
    fn from(canned: Canned) -> Self {
        let status = StatusCode::from_u16(canned.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let empty = Self { status, headers: HeaderMap::new(), body: canned.body };
        canned.headers.iter().fold(empty, |answer, (name, value)| match name.parse() {
            Ok(name) => answer.with(name, value),
            Err(_) => answer,
        })
    }
}

/// What a client gets.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// An answer.
    Answer(Answer, Way),
    /// A connection reset.
    Reset,
    /// Nothing for so long, then a connection reset.
    Silence(Duration),
}

/// How a body goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As it should.
    Whole,
    /// It ends after half of what its `Content-Length` says, and the connection with it.
    Torn,
    /// Without a `Content-Length`.
    InChunks,
    /// Byte by byte, each after so long.
    Trickling(Duration),
}

/// A body on its way out.
#[derive(Debug)]
pub(super) struct Sent {
    rest: Bytes,
    way: Way,
    torn: bool,
    /// When the next byte of a trickle is due.
    next_byte: Option<Pin<Box<Sleep>>>,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Way::Trickling(each) = self.way
            && !self.rest.is_empty()
        {
            let due = self.next_byte.get_or_insert_with(|| Box::pin(sleep(each)));
            ready!(due.as_mut().poll(context));
            self.next_byte = None;
            return Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(1)))));
        }
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest)))));
        }
        if self.way == Way::Torn && !self.torn {
            // Pending once: hyper flushes what it has before it finds the body too short and gives up.
            self.torn = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.way != Way::Torn
    }

    fn size_hint(&self) -> SizeHint {
        match self.way {
            Way::Whole | Way::Trickling(_) => SizeHint::with_exact(self.rest.len() as u64),
            Way::Torn | Way::InChunks => SizeHint::default(),
        }
    }
}
