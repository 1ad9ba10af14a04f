//! The integration tests: one binary, so that it links once.

#![expect(clippy::panic, reason = "a helper of a test that cannot go on says so")]

mod admin;
mod answers;
mod architecture;
mod backup;
mod cli;
mod config_api;
mod crash;
mod deliveries;
mod deploy;
mod document;
mod duplicates;
mod event;
mod harness;
mod journal;
mod judge;
mod load;
mod log;
mod lost;
mod order;
mod practice_tenant;
mod program;
mod publishing;
mod queue;
mod receiver;
mod restart;
mod sandbox_commands;
mod senders;
mod server;
mod settings;
mod shutdown;
mod statuses;
mod thin;
mod verification;
mod wire;
