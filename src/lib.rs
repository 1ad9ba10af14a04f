//! flowhook carries configuration changes into live NICE CXone flows.
//!
//! # The journey of one event
//!
//! ```text
//! configuration system ──signed POST──▶ receiver ──verified──▶ route ──changes──▶ queue ──one fsync──▶ journal
//!                                           │ 2xx only now ◀────────────────────────────────────────────┘
//!                                                                                     │ flow ids
//! CXone tenant ◀──GET / PUT, paced── tenant ◀──one edited document── worker: a lane per flow
//! ```
//!
//! A request's signature is checked over its raw bytes ([`source`]) by the [`receiver`]; nothing unverified
//! is parsed. A [`route`] turns the event into changes. They enter a bounded [`queue`], whose one writer
//! commits them to the [`journal`] in groups; the sender gets its 2xx when its event is on disk. The
//! [`worker`] keeps a lane per flow: at most one update of a flow is in flight, and what arrives meanwhile
//! is folded into the next one. A publish reads the [`flow`], edits only the bytes of the variables, and
//! PUTs it under the version it read, through the [`tenant`] client's gate and pace.
//!
//! An operator's word (retry, discard, rollback, pause, resume) comes in through [`admin`] and goes into the same
//! commits: what it pauses or discards meanwhile stops even the publish that is about to leave.
//!
//! An event that never came is found by [`reconcile`]: what a route's source says now is compared with what was last
//! taken from it, and what has moved goes through the same queue. What a person did to a flow it only reports.
//!
//! # What an acknowledged event may count on
//!
//! * It is on disk before the sender hears of success, and survives `kill -9`.
//! * Each of its changes gets one true ending: published, unchanged, superseded, failed or discarded.
//! * Every byte outside the edited node's `configuration` goes back as it came.
//! * The service never works against itself: one update per flow at a time, so no 409 of our own making.
//!
//! # The rooms, in reading order
//!
//! Imports run downwards only; a test reads this table and holds every file to it. The rooms of
//! a floor do not import each other, but for [`service`], which is wired as the [`settings`] say.
//!
//! | floor | rooms |
//! |---|---|
//! | 7 | `main.rs`, `cli.rs` |
//! | 6 | `commands/` |
//! | 5 | `exit.rs` |
//! | 4 | [`service`], [`settings`] |
//! | 3 | [`receiver`], [`worker`], [`reconcile`], [`admin`] |
//! | 2 | [`source`], [`route`], [`queue`], [`tenant`], [`config_api`], [`server`] |
//! | 1 | [`json`], [`journal`], [`flow`] |
//! | 0 | [`change`], [`clock`], [`backoff`], [`http`], [`live`] |
//! | beside | [`sandbox`]: the practice tenant, which only the commands and the tests know |

pub mod admin;
pub mod backoff;
pub mod change;
pub mod clock;
pub mod config_api;
pub mod flow;
pub mod http;
pub mod journal;
mod json;
pub mod live;
pub mod queue;
pub mod receiver;
pub mod reconcile;
pub mod route;
pub mod sandbox;
pub mod server;
pub mod service;
pub mod settings;
pub mod source;
pub mod tenant;
pub mod worker;
