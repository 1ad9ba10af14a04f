//! Reading a body within bounds.

use axum::BoxError;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body;

use super::refusal::{Refusal, Unavailable};
use super::{PIECE_BYTES, Settings};
use crate::server::places::Places;

/// A body that does not fit grows by at least one of so many parts of itself.
const GROWTH: usize = 4;

/// Reads the whole body. One that declares too great a length is refused before a byte of it is
/// read (nor asked for, if the sender waits to be asked), another as soon as it passes the limit.
///
/// For what is beyond a few KiB it takes one of `pieces` after the other, as it comes: they bound what those bodies
/// take together that nobody has verified.
pub(super) async fn read(
    body: impl Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    limit: usize,
    settings: &Settings,
    pieces: &Places,
) -> Result<Bytes, Refusal> {
    if body.size_hint().lower() > limit as u64 {
        return Err(Refusal::TooLarge { limit });
    }
    let gathering = Gathering { body, bytes: Vec::new(), limit };
    let whole = gathering.whole(settings.short_body_bytes, pieces);
    tokio::time::timeout(settings.body_read, whole).await.unwrap_or(Err(Refusal::TooSlow))
}

/// A body, and as much of it as has come.
struct Gathering<B> {
    body: B,
    bytes: Vec<u8>,
    limit: usize,
}

/// How far a body has come.
enum So {
    Whole,
    Far,
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Gathering<B> {
    async fn whole(mut self, short_bytes: usize, pieces: &Places) -> Result<Bytes, Refusal> {
        if let So::Far = self.beyond(short_bytes).await? {
            // Of all its places this one is the first in the line: who loses it gives back the others too.
            let place = pieces.take().await;
            let rest = place.until_shown_out(self.rest(short_bytes, pieces)).await;
            rest.ok_or_else(|| Refusal::unavailable(Unavailable::GaveWay))??;
        }
        Ok(self.bytes.into())
    }

    /// Reads on in the place of a first piece, and takes one for each further piece.
    async fn rest(&mut self, short_bytes: usize, pieces: &Places) -> Result<(), Refusal> {
        let mut further = Vec::new();
        let room = |further: usize| short_bytes + (1 + further) * PIECE_BYTES;
        while let So::Far = self.beyond(self.limit.min(room(further.len()))).await? {
            further.push(pieces.take().await);
        }
        Ok(())
    }

    /// Copies the pieces together as they come, to the end or until they are more than so many bytes: to keep
    /// them apart would cost a sender of one-byte chunks next to nothing and us many times the limit.
    async fn beyond(&mut self, bytes: usize) -> Result<So, Refusal> {
        while self.bytes.len() <= bytes {
            let Some(frame) = self.body.frame().await else { return Ok(So::Whole) };
            let frame = frame.map_err(|error| Refusal::Interrupted(error.into()))?;
            let Some(piece) = frame.data_ref() else { continue }; // trailers say nothing to us
            if self.bytes.len() + piece.len() > self.limit {
                return Err(Refusal::TooLarge { limit: self.limit });
            }
            self.make_room_for(piece.len());
            self.bytes.extend_from_slice(piece);
        }
        Ok(So::Far)
    }

    /// By itself it would grow to twice what it holds; by a part of that, unverified bodies take less together.
    fn make_room_for(&mut self, more: usize) {
        if self.bytes.capacity() - self.bytes.len() < more {
            self.bytes.reserve_exact(more.max(self.bytes.len() / GROWTH));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use axum::body::Body;
    use bytes::Bytes;
    use hyper::body::Frame;
    use tokio::task::JoinSet;
    use tokio::time::{Sleep, sleep};

    use super::read;
    use crate::receiver::Settings;
    use crate::receiver::refusal::{Refusal, Unavailable};
    use crate::server::places::Places;
    use crate::source::{BODY_BYTES, BODY_BYTES_MAX};

    const LIMIT: usize = 10;
    const SHORT: usize = 4;
    const KIB: usize = 1_024;
    /// How often something comes of a body that comes bit by bit.
    const BIT_EVERY: Duration = Duration::from_millis(50);

    /// A body of which so many bytes come at once, and then nothing any more.
    struct Stalled(usize);

    impl hyper::body::Body for Stalled {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            match std::mem::take(&mut self.0) {
                0 => Poll::Pending,
                bytes => Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; bytes]))))),
            }
        }
    }

    fn settings() -> Settings {
        Settings { short_body_bytes: SHORT, ..Settings::default() }
    }

    async fn read_alone(body: Body) -> Result<Bytes, Refusal> {
        read(body, LIMIT, &settings(), &Places::new("tests", 1)).await
    }

    #[tokio::test]
    async fn a_body_may_be_as_long_as_the_limit() {
        for bytes in [0, SHORT, SHORT + 1, LIMIT] {
            let body = read_alone(Body::from(vec![b'x'; bytes])).await.expect("it fits");
            assert_eq!(body.len(), bytes);
        }
        let refused = read_alone(Body::from(vec![b'x'; LIMIT + 1])).await;
        assert!(matches!(refused, Err(Refusal::TooLarge { limit: LIMIT })), "{refused:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_given_up_at_the_deadline() {
        for bytes in [0, SHORT, LIMIT] {
            let begun = tokio::time::Instant::now();
            let refused = read_alone(Body::new(Stalled(bytes))).await;
            assert!(matches!(refused, Err(Refusal::TooSlow)), "{refused:?}");
            assert_eq!(begun.elapsed(), Duration::from_secs(10));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_body_that_dawdles_gives_way_to_the_next_long_one() {
        let (settings, places) = (settings(), Places::new("tests", 1));
        let dawdling = read(Body::new(Stalled(SHORT + 1)), LIMIT, &settings, &places);
        let next = read(Body::from(vec![b'x'; LIMIT]), LIMIT, &settings, &places);
        let (dawdling, next) = tokio::join!(dawdling, next);
        let is_to_come_back = matches!(dawdling, Err(Refusal::Unavailable { why: Unavailable::GaveWay, .. }));
        assert!(is_to_come_back, "{dawdling:?}");
        assert_eq!(next.expect("it is whole").len(), LIMIT);
    }

    /// A body that comes bit by bit.
    struct Gradual {
        bits: usize,
        bit_bytes: usize,
        next: Pin<Box<Sleep>>,
    }

    impl hyper::body::Body for Gradual {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            if self.bits == 0 {
                return Poll::Ready(None);
            }
            ready!(self.next.as_mut().poll(cx));
            self.bits -= 1;
            self.next = Box::pin(sleep(BIT_EVERY));
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; self.bit_bytes])))))
        }
    }

    /// How many are refused of so many bodies, of so many bits each, that come at once.
    async fn refused(bodies: usize, bits: usize, bit_bytes: usize, limit: usize) -> usize {
        let places = Arc::new(Places::new("tests", Settings::default().pieces));
        let mut senders = JoinSet::new();
        for _ in 0..bodies {
            let places = Arc::clone(&places);
            senders.spawn(async move {
                let body = Body::new(Gradual { bits, bit_bytes, next: Box::pin(sleep(BIT_EVERY)) });
                read(body, limit, &Settings::default(), &places).await.map(|body| body.len())
            });
        }
        senders.join_all().await.into_iter().filter(Result::is_err).count()
    }

    #[tokio::test(start_paused = true)]
    async fn two_hundred_bodies_of_100_kib_that_come_at_once_over_a_long_way_are_all_taken() {
        assert_eq!(refused(200, 10, 10 * KIB, BODY_BYTES).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn three_bodies_as_long_as_settings_allow_that_come_at_once_are_all_taken() {
        assert_eq!(refused(3, BODY_BYTES_MAX / (256 * KIB), 256 * KIB, BODY_BYTES_MAX).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_body_needs_no_place_among_the_long_ones() {
        let (settings, places) = (settings(), Places::new("tests", 1));
        let _taken = places.take().await;
        let begun = tokio::time::Instant::now();
        let body = read(Body::from(vec![b'x'; SHORT]), LIMIT, &settings, &places).await.expect("it is whole");
        assert_eq!((body.len(), begun.elapsed()), (SHORT, Duration::ZERO));
    }
}
