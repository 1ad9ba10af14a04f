//! The integration tests: one binary, so that it links once.

mod server;
mod verification;
mod wire;
