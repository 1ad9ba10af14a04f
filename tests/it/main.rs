//! The integration tests: one binary, so that it links once.

mod architecture;
mod deliveries;
mod document;
mod journal;
mod log;
mod practice_tenant;
mod queue;
mod receiver;
mod server;
mod settings;
mod verification;
mod wire;
