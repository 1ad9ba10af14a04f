//! Whether the journal is one of a service that only observes.
//!
//! What such a service accepts is never published: not by it, and not by a later one that publishes, to which it
//! would be a week old. And what was accepted to be published must not end because somebody wants to observe. So
//! a journal says which of the two it is, and changes sides only when nothing would be lost by it.

use super::{Commit, Journal, JournalError, sql};

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
        let commit = self.writer.begin(now)?;
        let was = commit.purpose()?;
        let ended = match (was, purpose) {
            (Purpose::Publish, Purpose::Observe) => commit.begin_observing().map(|()| 0)?,
            (Purpose::Observe, Purpose::Publish) => commit.end_observing()?,
            (Purpose::Publish, Purpose::Publish) | (Purpose::Observe, Purpose::Observe) => 0,
        };
        commit.finish()?;
        if ended > 0 {
            self.writer.reload()?;
        }
        Ok(ended)
    }
}

impl Commit<'_> {
    fn purpose(&self) -> Result<Purpose> {
        let since: Option<i64> = sql::value(self.sql(), "SELECT since FROM observing", ())?;
        Ok(since.map_or(Purpose::Publish, |_| Purpose::Observe))
    }

    fn begin_observing(&self) -> Result<()> {
        let pending: i64 =
            sql::value(self.sql(), "SELECT COUNT(*) FROM changes WHERE state = 'pending'", ())?;
        if pending > 0 {
            return Err(JournalError::ToBePublished { pending });
        }
        sql::execute(self.sql(), "UPDATE observing SET since = ?", [self.now_ms])?;
        Ok(())
    }

    fn end_observing(&self) -> Result<usize> {
        let now = self.now_ms;
        let pending = sql::execute(
            self.sql(),
            "UPDATE changes SET state = 'discarded', reason = ?, settled_at = ? WHERE state = 'pending'",
            (LEFT_OVER, now),
        )?;
        // Retried later they would be published. Those that failed before it began are for a person to decide on.
        let failed = sql::execute(
            self.sql(),
            "UPDATE changes SET state = 'discarded', reason = ? || COALESCE(reason, ''), settled_at = ?
             WHERE state = 'failed' AND delivery IN
                 (SELECT id FROM deliveries WHERE received_at >= (SELECT since FROM observing))",
            (LEFT_FAILED, now),
        )?;
        // What was taken meanwhile never reached a flow.
        sql::execute(self.sql(), "DELETE FROM taken WHERE taken_at >= (SELECT since FROM observing)", ())?;
        sql::execute(self.sql(), "UPDATE observing SET since = NULL", ())?;
        Ok(pending + failed)
    }
}
