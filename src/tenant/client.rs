//! Who we are to the tenant.

use secrecy::{ExposeSecret as _, SecretString};

/// An OAuth client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: SecretString,
}

impl Client {
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.secret.expose_secret() == other.secret.expose_secret()
    }
}
