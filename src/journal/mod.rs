//! The journal: what was received and what became of it, on disk.
//!
//! # What it must hold
//!
//! * A commit is durable when it returns: SQLite in WAL mode with full synchronous, so each commit is
//!   one fsync, shared by everything in it.
//! * It belongs to one process. A lock on it and on a file beside it says so; a second process is refused.
//! * One that is damaged, or that lacks what was acknowledged, is refused: the file beside it remembers the number
//!   of the last acknowledged change.
//! * A delivery is named (source, delivery id), and the rows of deliveries are the only memory of duplicates: `ids` finds
//!   them. A filter says of most ids that no row has them, so it must have been told of every one that a row has.
//! * A change goes from `pending` to one ending; an attempt's outcome, its changes' endings and the marks
//!   that move are one transaction.
//!
//! # Its life
//!
//! [`Journal::open`] takes the lock, brings the schema up to date, and gives one [`Writer`], which the
//! queue's task owns, and a [`Reader`] that anyone may clone. Nobody else opens the file.

mod access;
mod admission;
mod bloom;
mod deliveries;
mod drift;
mod error;
mod ids;
mod lock;
mod marks;
mod observing;
mod pause;
mod pending;
mod prune;
mod query;
mod read;
mod readers;
mod rollback;
mod row;
mod settling;
mod sql;
mod sqlite;
mod step;
mod taken;
mod tally;
mod verb;
mod work;
mod write;

pub use access::{Committed, Read, Write};
pub use admission::Admitted;
pub use deliveries::{DeliveryFilter, DeliverySummary, Standing};
pub use drift::{Drift, DriftCursor, Drifted};
pub use error::{Finding, JournalError};
pub use marks::Mark;
pub use observing::Purpose;
pub use pause::{FlowFilter, FlowView, Pause, Reach};
pub use query::{ChangeFilter, ChangeView, DeliveryView};
pub use read::{Outset, Reader, Ready};
pub use rollback::{Done, Refused};
pub use sqlite::{Found, Journal, Location};
pub use step::{Attempt, Edit, Effect, Ending, Fetched, GateEnd, Outcome, Plan, Settlement, Step, Target};
pub use taken::Taken;
pub use tally::Tally;
pub use verb::{Acted, Chosen, Verb};
pub use write::{Commit, Writer};
