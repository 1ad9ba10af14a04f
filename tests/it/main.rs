//! The integration tests: one binary, so that it links once.

mod cli;
mod crash;
mod document;
mod load;
mod log;
mod practice_tenant;
mod program;
mod receiver;
mod sandbox_commands;
mod server;
mod shutdown;
mod statuses;
mod verification;
mod wire;
