//! What goes when it is old.

use jiff::Timestamp;
use sqlx::{Row as _, query};

use super::{Commit, JournalError};

impl Commit<'_> {
    /// Drops settled changes, then deliveries that have none left. `failed` changes stay until someone
    /// ends them; marks stay for ever.
    pub(super) async fn prune(&mut self, before: Timestamp, at_most: u32) -> Result<(), JournalError> {
        let before = before.as_millisecond();
        let gone = query(
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
        for row in gone {
            query(
                "DELETE FROM deliveries WHERE id = ?1
                 AND NOT EXISTS (SELECT 1 FROM changes WHERE delivery = ?1)",
            )
            .bind(row.get::<i64, _>(0))
            .execute(self.sql())
            .await?;
        }
        query(
            "DELETE FROM deliveries WHERE id IN (
                 SELECT id FROM deliveries WHERE state = 'rejected' AND received_at < ? LIMIT ?)",
        )
        .bind(before)
        .bind(at_most)
        .execute(self.sql())
        .await?;
        query(
            "DELETE FROM attempts WHERE id IN (
                 SELECT id FROM attempts WHERE outcome IS NOT NULL AND ended_at < ?1 LIMIT ?2)",
        )
        .bind(before)
        .bind(at_most)
        .execute(self.sql())
        .await?;
        Ok(())
    }
}
