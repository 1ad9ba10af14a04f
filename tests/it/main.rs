//! The integration tests: one binary, so that it links once.

#![expect(clippy::panic, reason = "a helper of a test that cannot go on says so")]

mod architecture;
mod deliveries;
mod document;
mod journal;
mod log;
mod practice_tenant;
mod queue;
mod receiver;
mod server;
mod verification;
mod wire;
