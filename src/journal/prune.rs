//! What goes when it is old.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Params, params};

use super::write::encode;
use super::{Commit, Effect, JournalError, ids, sql};

type Result<T> = std::result::Result<T, JournalError>;

/// How many rows of each table go at a time, and how long a commit may take for it: senders wait for that commit too.
const PORTION: u32 = 25;
const AT_LONGEST: Duration = Duration::from_millis(2);

impl Commit<'_> {
    /// Drops settled changes, then deliveries that have none left. `failed` changes stay until someone
    /// ends them; marks stay for ever.
    pub(super) fn prune(&mut self, before: Timestamp, at_most: u32) -> Result<Effect> {
        let begun = Instant::now();
        let (mut left, mut more) = (at_most, true);
        while more && left > 0 && begun.elapsed() < AT_LONGEST {
            let portion = left.min(PORTION);
            more = self.prune_portion(before.as_millisecond(), portion)?
                == usize::try_from(portion).unwrap_or(0);
            left -= portion;
        }
        Ok(Effect::Pruned { more })
    }

    /// Drops at most so many rows of each table: how many it were of the table that had most.
    fn prune_portion(&mut self, before: i64, at_most: u32) -> Result<usize> {
        let changes: Vec<i64> = sql::all(
            self.sql(),
            "DELETE FROM changes WHERE seq IN (
                 SELECT seq FROM changes
                 WHERE settled_at < ? AND state <> 'pending' AND state <> 'failed'
                 ORDER BY settled_at LIMIT ?)
             RETURNING delivery",
            params![before, at_most],
            |row| Ok(row.get(0)?),
        )?;
        self.drop_deliveries(
            "DELETE FROM deliveries WHERE id IN (SELECT value FROM json_each(?))
             AND NOT EXISTS (
                 SELECT 1 FROM changes WHERE seq BETWEEN first_change AND last_change AND delivery = deliveries.id)
             RETURNING id, source, delivery_id",
            [encode(&changes)],
        )?;
        let rejected = self.drop_deliveries(
            "DELETE FROM deliveries WHERE id IN (
                 SELECT id FROM deliveries WHERE state = 'rejected' AND received_at < ?
                 ORDER BY received_at LIMIT ?)
             RETURNING id, source, delivery_id",
            params![before, at_most],
        )?;
        let attempts = sql::execute(
            self.sql(),
            "DELETE FROM attempts WHERE id IN (
                 SELECT id FROM attempts WHERE outcome IS NOT NULL AND ended_at < ?
                 ORDER BY ended_at LIMIT ?)",
            params![before, at_most],
        )?;
        Ok(attempts.max(rejected).max(changes.len()))
    }

    /// Drops deliveries, and forgets their ids: how many it were.
    fn drop_deliveries(&mut self, text: &str, params: impl Params) -> Result<usize> {
        let dropped = sql::all(self.sql(), text, params, |row| {
            let hash = ids::hash(&row.get::<_, String>(1)?, &row.get::<_, String>(2)?);
            Ok((hash, row.get(0)?))
        })?;
        dropped.iter().for_each(|(hash, row)| self.ids_moved.remove(*hash, *row));
        Ok(dropped.len())
    }
}
