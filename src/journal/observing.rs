//! Whether the journal is one of a service that only observes.
//!
//! What such a service accepts is never published: not by it, and not by a later one that publishes, to which it
//! would be a week old. And what was accepted to be published must not end because somebody wants to observe. So
//! a journal says which of the two it is, and changes sides only when nothing would be lost by it.

use sqlx::{Row as _, query};

use super::{Commit, Journal, JournalError};

type Result<T> = std::result::Result<T, JournalError>;

/// What is noted with changes that a service which observes has not come to.
const LEFT_OVER: &str = "observed: it was still pending when observing ended, and is not published";
/// What is noted with those that it found something wrong with, before what that is.
const LEFT_FAILED: &str = "observed: it had failed when observing ended, and is not published: ";

/// What a service does with changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// It publishes them.
    #[default]
    Publish,
    /// It tells what it would publish.
    Observe,
}

impl Purpose {
    /// The word for it in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Observe => "observe",
        }
    }
}

impl Journal {
    /// Takes the journal for a purpose; how many pending changes end by that.
    ///
    /// # Errors
    /// [`JournalError::ToBePublished`] when it is to be observed and holds what is to be published.
    pub async fn take_for(&mut self, purpose: Purpose, now: jiff::Timestamp) -> Result<usize> {
        let mut commit = self.writer.begin(now).await?;
        let was = commit.purpose().await?;
        let ended = match (was, purpose) {
            (Purpose::Publish, Purpose::Observe) => commit.begin_observing().await.map(|()| 0)?,
            (Purpose::Observe, Purpose::Publish) => commit.end_observing().await?,
            (Purpose::Publish, Purpose::Publish) | (Purpose::Observe, Purpose::Observe) => 0,
        };
        commit.finish().await?;
        Ok(ended)
    }
}

impl Commit<'_> {
    async fn purpose(&mut self) -> Result<Purpose> {
        let row = query("SELECT since FROM observing").fetch_one(self.sql()).await?;
        let since: Option<i64> = row.get(0);
        Ok(since.map_or(Purpose::Publish, |_| Purpose::Observe))
    }

    async fn begin_observing(&mut self) -> Result<()> {
        let row = query("SELECT COUNT(*) FROM changes WHERE state = 'pending'").fetch_one(self.sql()).await?;
        let pending: i64 = row.get(0);
        if pending > 0 {
            return Err(JournalError::ToBePublished { pending });
        }
        let now = self.now_ms;
        query("UPDATE observing SET since = ?").bind(now).execute(self.sql()).await?;
        Ok(())
    }

    async fn end_observing(&mut self) -> Result<usize> {
        let now = self.now_ms;
        let pending = query(
            "UPDATE changes SET state = 'discarded', reason = ?, settled_at = ? WHERE state = 'pending'",
        )
        .bind(LEFT_OVER)
        .bind(now)
        .execute(self.sql())
        .await?;
        // Retried later they would be published. Those that failed before it began are for a person to decide on.
        let failed = query(
            "UPDATE changes SET state = 'discarded', reason = ? || COALESCE(reason, ''), settled_at = ?
             WHERE state = 'failed' AND delivery IN
                 (SELECT id FROM deliveries WHERE received_at >= (SELECT since FROM observing))",
        )
        .bind(LEFT_FAILED)
        .bind(now)
        .execute(self.sql())
        .await?;
        // What was taken meanwhile never reached a flow.
        query("DELETE FROM taken WHERE taken_at >= (SELECT since FROM observing)")
            .execute(self.sql())
            .await?;
        query("UPDATE observing SET since = NULL").execute(self.sql()).await?;
        let ended = pending.rows_affected() + failed.rows_affected();
        Ok(usize::try_from(ended).unwrap_or(usize::MAX))
    }
}
