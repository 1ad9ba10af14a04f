//! What goes when it is old.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use sqlx::{Row as _, query};

use super::write::encode;
use super::{Commit, Effect, JournalError};

type Result<T> = std::result::Result<T, JournalError>;

/// How many rows of each table go at a time, and how long a commit may take for it: senders wait for that commit too.
const PORTION: u32 = 50;
const AT_LONGEST: Duration = Duration::from_millis(5);

impl Commit<'_> {
    /// Drops settled changes, then deliveries that have none left. `failed` changes stay until someone
    /// ends them; marks stay for ever.
    pub(super) async fn prune(&mut self, before: Timestamp, at_most: u32) -> Result<Effect> {
        let begun = Instant::now();
        let (mut left, mut more) = (at_most, true);
        while more && left > 0 && begun.elapsed() < AT_LONGEST {
            let portion = left.min(PORTION);
            more = self.prune_portion(before.as_millisecond(), portion).await? == u64::from(portion);
            left -= portion;
        }
        Ok(Effect::Pruned { more })
    }

    /// Drops at most so many rows of each table: how many it were of the table that had most.
    async fn prune_portion(&mut self, before: i64, at_most: u32) -> Result<u64> {
        let changes = query(
            "DELETE FROM changes WHERE seq IN (
                 SELECT seq FROM changes
                 WHERE settled_at < ? AND state IN ('published', 'unchanged', 'superseded', 'discarded')
                 ORDER BY settled_at LIMIT ?)
             RETURNING delivery",
        )
        .bind(before)
        .bind(at_most)
        .fetch_all(self.sql())
        .await?;
        let deliveries: Vec<i64> = changes.iter().map(|row| row.get(0)).collect();
        query(
            "DELETE FROM deliveries WHERE id IN (SELECT value FROM json_each(?))
             AND NOT EXISTS (SELECT 1 FROM changes WHERE delivery = deliveries.id)",
        )
        .bind(encode(&deliveries))
        .execute(self.sql())
        .await?;
        let rejected = query(
            "DELETE FROM deliveries WHERE id IN (
                 SELECT id FROM deliveries WHERE state = 'rejected' AND received_at < ?
                 ORDER BY received_at LIMIT ?)",
        )
        .bind(before)
        .bind(at_most)
        .execute(self.sql())
        .await?;
        let attempts = query(
            "DELETE FROM attempts WHERE id IN (
                 SELECT id FROM attempts WHERE outcome IS NOT NULL AND ended_at < ?
                 ORDER BY ended_at LIMIT ?)",
        )
        .bind(before)
        .bind(at_most)
        .execute(self.sql())
        .await?;
        Ok(attempts.rows_affected().max(rejected.rows_affected()).max(changes.len() as u64))
    }
}
