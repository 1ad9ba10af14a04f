//! The integration tests: one binary, so that it links once.

mod architecture;
mod document;
mod log;
mod practice_tenant;
mod receiver;
mod server;
mod verification;
mod wire;
