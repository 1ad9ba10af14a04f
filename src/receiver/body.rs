//! Reading a body within bounds.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

use super::Settings;
use super::refusal::Refusal;

/// Reads the whole body. One that declares too great a length is refused before a byte of it is
/// read (nor asked for, if the sender waits to be asked), another as soon as it passes the limit.
pub(super) async fn read(body: Body, settings: &Settings) -> Result<Bytes, Refusal> {
    let limit = settings.body_bytes;
    if body.size_hint().lower() > limit as u64 {
        return Err(Refusal::TooLarge { limit });
    }
    tokio::time::timeout(settings.body_read, collect(body, limit)).await.unwrap_or(Err(Refusal::TooSlow))
}

/// Copies the pieces together as they come: to keep them apart would cost a sender of one-byte
/// chunks next to nothing and us many times the limit.
async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Refusal::Interrupted)?;
        let Some(piece) = frame.data_ref() else { continue }; // trailers say nothing to us
        if bytes.len() + piece.len() > limit {
            return Err(Refusal::TooLarge { limit });
        }
        bytes.extend_from_slice(piece);
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use axum::body::Body;
    use bytes::Bytes;
    use hyper::body::Frame;

    use super::read;
    use crate::receiver::Settings;
    use crate::receiver::refusal::Refusal;

    const LIMIT: usize = 10;

    /// A body of which nothing ever comes.
    struct Silent;

    impl hyper::body::Body for Silent {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }
    }

    fn settings() -> Settings {
        Settings { body_bytes: LIMIT, ..Settings::default() }
    }

    #[tokio::test]
    async fn a_body_may_be_as_long_as_the_limit() {
        let body = read(Body::from(vec![b'x'; LIMIT]), &settings()).await.expect("it fits");
        assert_eq!(body.len(), LIMIT);
        let refused = read(Body::from(vec![b'x'; LIMIT + 1]), &settings()).await;
        assert!(matches!(refused, Err(Refusal::TooLarge { limit: LIMIT })), "{refused:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_given_up_at_the_deadline() {
        let begun = tokio::time::Instant::now();
        let refused = read(Body::new(Silent), &settings()).await;
        assert!(matches!(refused, Err(Refusal::TooSlow)), "{refused:?}");
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
    }
}
