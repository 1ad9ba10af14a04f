//! What the tenant's answers mean: one table, free of I/O.

use reqwest::StatusCode;

/// Which of the two flow calls was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// `GET` of a flow.
    Read,
    /// `PUT` of a flow.
    Write,
}

/// The kinds of failure, each with one consequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Somebody else's version is current, or the flow is locked (409, 412, 423 on PUT).
    Conflict,
    /// The tenant does not take this document (400, 413, 422 on PUT).
    Refused,
    /// There is no such flow (404, 410).
    NoSuchFlow,
    /// Our client may not do this (403; with `Retry-After` some tenants mean a limit).
    Forbidden,
    /// An answer that the API does not have: a redirect, another 4xx, a page that is not JSON.
    Odd,
    /// No answer, or a server's error (5xx).
    Broken,
    /// Too many requests (429), or a pause (503 or 403 with `Retry-After`).
    Throttled,
    /// A token that was just minted is refused, or the token endpoint gives none.
    Credentials,
    /// The gate was closed before the call could be started.
    GateClosed,
}

impl Kind {
    /// Whether the failure is the whole tenant's, so that no flow's changes are to blame for it.
    pub fn is_the_tenants(self) -> bool {
        match self {
            Self::Throttled | Self::Credentials | Self::GateClosed => true,
            Self::Conflict
            | Self::Refused
            | Self::NoSuchFlow
            | Self::Forbidden
            | Self::Odd
            | Self::Broken => false,
        }
    }
}

/// What a status other than 2xx means.
pub(super) fn kind(call: Call, status: StatusCode, has_retry_after: bool) -> Kind {
    match (status.as_u16(), call) {
        (401, _) => Kind::Credentials,
        (404 | 410, _) => Kind::NoSuchFlow,
        (429, _) => Kind::Throttled,
        (409 | 412 | 423, Call::Write) => Kind::Conflict,
        (400 | 413 | 422, Call::Write) => Kind::Refused,
        (403 | 503, _) if has_retry_after => Kind::Throttled,
        (403, _) => Kind::Forbidden,
        (500..=599, _) => Kind::Broken,
        _ => Kind::Odd,
    }
}

/// Whether a PUT that was answered with this status may have landed all the same.
pub(super) fn may_have_landed(status: StatusCode) -> bool {
    status.is_server_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_meaning() {
        use Call::{Read, Write};
        let check = |status: u16, has_retry_after: bool, read: Kind, write: Kind| {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(kind(Read, status, has_retry_after), read, "GET answered {status}");
            assert_eq!(kind(Write, status, has_retry_after), write, "PUT answered {status}");
        };
        check(400, false, Kind::Odd, Kind::Refused);
        check(401, false, Kind::Credentials, Kind::Credentials);
        check(403, false, Kind::Forbidden, Kind::Forbidden);
        check(403, true, Kind::Throttled, Kind::Throttled);
        check(404, false, Kind::NoSuchFlow, Kind::NoSuchFlow);
        check(410, false, Kind::NoSuchFlow, Kind::NoSuchFlow);
        check(405, false, Kind::Odd, Kind::Odd);
        check(409, false, Kind::Odd, Kind::Conflict);
        check(412, false, Kind::Odd, Kind::Conflict);
        check(413, false, Kind::Odd, Kind::Refused);
        check(422, false, Kind::Odd, Kind::Refused);
        check(423, false, Kind::Odd, Kind::Conflict);
        check(429, false, Kind::Throttled, Kind::Throttled);
        check(429, true, Kind::Throttled, Kind::Throttled);
        check(500, false, Kind::Broken, Kind::Broken);
        check(503, false, Kind::Broken, Kind::Broken);
        check(503, true, Kind::Throttled, Kind::Throttled);
        check(504, true, Kind::Broken, Kind::Broken);
        check(302, false, Kind::Odd, Kind::Odd);
        check(418, false, Kind::Odd, Kind::Odd);
    }
}
