//! The integration tests: one binary, so that it links once.

#![expect(clippy::panic, reason = "a helper of a test that cannot go on says so")]

mod admin;
mod architecture;
mod cli;
mod crash;
mod deliveries;
mod document;
mod journal;
mod log;
mod practice_tenant;
mod program;
mod queue;
mod receiver;
mod sandbox_commands;
mod senders;
mod server;
mod settings;
mod shutdown;
mod statuses;
mod verification;
mod wire;
