//! What a practice tenant is started with.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::limit::Limit;

/// The scopes of the flow API: reading and writing.
pub const SCOPES: &str = "flow:flows:read flow:flows:write";

/// What a practice tenant is started with. The defaults are for practice only: its secret is known to all.
#[derive(Clone)]
pub struct Settings {
    /// Where it listens; by default `127.0.0.1:0`, a free port on loopback.
    pub listen: SocketAddr,
    /// The one client's id; by default `sandbox-client`.
    pub client_id: String,
    /// The one client's secret; by default `sandbox-secret`.
    pub client_secret: String,
    /// How the client may authenticate at the token endpoint; by default either way.
    pub client_auth: ClientAuth,
    /// What the client may be granted, separated by spaces; by default [`SCOPES`].
    pub scope: String,
    /// How long a token lives; by default 3600 s.
    pub token_lifetime: Duration,
    /// How long a request takes, decided at half time; by default not at all.
    pub latency: Duration,
    /// The limit on flow calls; by default none.
    pub limit: Option<Limit>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            client_id: "sandbox-client".to_owned(),
            client_secret: "sandbox-secret".to_owned(),
            client_auth: ClientAuth::Either,
            scope: SCOPES.to_owned(),
            token_lifetime: Duration::from_secs(3600),
            latency: Duration::ZERO,
            limit: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Settings");
        shown.field("listen", &self.listen).field("client_id", &self.client_id);
        shown.field("latency", &self.latency).field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// How a client authenticates at the token endpoint (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// Any of the two.
    Either,
    /// `client_id` and `client_secret` in the form.
    Form,
    /// HTTP Basic, id and secret form-encoded first.
    Basic,
}
