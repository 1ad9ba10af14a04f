//! The bounded queue between the receiver and the journal.

use crate::change::{Admission, Delivery};

/// The receiver's end of the queue.
#[derive(Clone, Debug)]
pub struct Queue;

/// Why a delivery was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The queue of deliveries that wait for their commit is full.
    #[error("the queue is full")]
    QueueFull,
    /// Too many changes are pending.
    #[error("the backlog is full")]
    BacklogFull,
    /// The writer has stopped.
    #[error("the journal is closed")]
    Closed,
}

/// A delivery that waits for its commit.
#[derive(Debug)]
pub struct Receipt;

/// The commit failed: nothing was stored.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the journal did not store it")]
pub struct NotStored;

impl Queue {
    /// Puts a delivery into the queue, with room reserved for all its changes.
    ///
    /// # Errors
    /// [`NotTaken`]: nothing was stored and the sender should come back later.
    pub fn submit(&self, delivery: Delivery) -> Result<Receipt, NotTaken> {
        let _ = delivery;
        Err(NotTaken::Closed)
    }
}

impl Receipt {
    /// Waits for the commit that holds the delivery.
    ///
    /// # Errors
    /// [`NotStored`] when the commit failed.
    pub async fn committed(self) -> Result<Admission, NotStored> {
        Err(NotStored)
    }
}
