//! What may go wrong with one call.

use std::time::Duration;

use crate::ground::Ground;

/// What becomes of a PUT whose answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Landing {
    Now,
    Never,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This answer; nothing is saved.
    Status(u16),
    /// 429, or 503 with `Retry-After`.
    Limited(u16),
    /// The token was revoked.
    Revoked,
    /// 200 with a page.
    Html,
    /// Half an answer.
    Torn,
    Reset(Landing),
    Silence(Landing),
    /// Silence, and the write lands later.
    Late,
    /// A GET shows what was there a moment ago.
    Stale,
    /// A PUT is answered 202.
    Accepted(Landing),
    /// Saved, and 204.
    Empty,
    /// Saved, and a server's error.
    CommitThen(u16),
    /// A conflict, or a lock, though the version has not moved.
    Locked(u16),
    /// The version moves, and the content does not.
    SilentDrop,
}

impl Fault {
    pub(crate) fn draw(ground: &Ground, is_put: bool) -> Self {
        let any = [
            Self::Status(500),
            Self::Status(502),
            Self::Status(403),
            Self::Limited(429),
            Self::Limited(503),
            Self::Revoked,
            Self::Html,
            Self::Torn,
            Self::Reset(Landing::Never),
            Self::Silence(Landing::Never),
        ];
        let reads = [Self::Stale, Self::Stale];
        let writes = [
            Self::Reset(Landing::Now),
            Self::Silence(Landing::Now),
            Self::Late,
            Self::Accepted(Landing::Now),
            Self::Accepted(Landing::Never),
            Self::Empty,
            Self::CommitThen(500),
            Self::CommitThen(504),
            Self::Locked(409),
            Self::Locked(412),
            Self::Locked(423),
            Self::SilentDrop,
        ];
        let own: &[Self] = if is_put { &writes } else { &reads };
        if ground.chance(0.6) { ground.pick(own) } else { ground.pick(&any) }
    }
}

/// What `Retry-After` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryAfter {
    Seconds(u64),
    /// Something that says nothing.
    Odd(&'static str),
}

impl RetryAfter {
    pub(crate) fn draw(ground: &Ground, needed: bool) -> Option<Self> {
        let some = [
            Self::Seconds(1),
            Self::Seconds(3),
            Self::Seconds(30),
            Self::Odd("0"),
            Self::Odd("-5"),
            Self::Odd("soon"),
        ];
        (needed || ground.chance(0.7)).then(|| ground.pick(&some))
    }

    pub(crate) fn text(self) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Odd(text) => text.to_owned(),
        }
    }

    /// For how long no call may be started, if it says so.
    pub(crate) fn wait(self) -> Option<Duration> {
        match self {
            Self::Seconds(seconds) => Some(Duration::from_secs(seconds)),
            Self::Odd(_) => None,
        }
    }
}
