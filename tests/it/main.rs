//! The integration tests: one binary, so that it links once.

mod answers;
mod config_api;
mod document;
mod duplicates;
mod event;
mod harness;
mod judge;
mod load;
mod log;
mod lost;
mod order;
mod practice_tenant;
mod publishing;
mod receiver;
mod restart;
mod server;
mod thin;
mod verification;
mod wire;
