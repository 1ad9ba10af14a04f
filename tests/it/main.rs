//! The integration tests: one binary, so that it links once.

#![expect(clippy::panic, reason = "a helper of a test that cannot go on says so")]

mod admin;
mod answers;
mod architecture;
mod check;
mod cli;
mod config_api;
mod crash;
mod deliveries;
mod document;
mod duplicates;
mod event;
mod generated;
mod github;
mod fixtures;
mod harness;
mod hub_signature;
mod journal;
mod judge;
mod load;
mod log;
mod lost;
mod octokit;
mod order;
mod pages;
mod practice_tenant;
mod practising;
mod program;
mod publishing;
mod queue;
mod receiver;
mod replay;
mod restart;
mod sandbox_alone;
mod sandbox_commands;
mod senders;
mod server;
mod settings;
mod shutdown;
mod statuses;
mod thin;
mod verification;
mod wire;
