//! What the worker writes about changes: the attempt before a PUT, how they end, what they wait for, and the values
//! that were fetched for them.

use std::collections::BTreeMap;

use sqlx::{Row as _, query};

use super::admission::text_of;
use super::row::flow_id;
use super::write::encode;
use super::{Attempt, Commit, Ending, Fetched, JournalError, Settlement, Tally};
use crate::change::{FlowId, Mode, Seq, State, Values, Wanted};

/// Why thin changes fail whose route has come to patch since they arrived, or to patch no more.
const OTHER_MODE: &str = "the mode of its route is another now than when it arrived: have it delivered again";

type Result<T> = std::result::Result<T, JournalError>;

impl Commit<'_> {
    pub(super) async fn attempt(&mut self, attempt: &Attempt) -> Result<()> {
        query("INSERT INTO attempts (id, flow, base_version, plan, started_at) VALUES (?, ?, ?, ?, ?)")
            .bind(&attempt.id)
            .bind(attempt.flow.as_str())
            .bind(&attempt.base_version)
            .bind(encode(&attempt.plan))
            .bind(self.now_ms)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    pub(super) async fn settle(&mut self, flow: &FlowId, settlement: &Settlement) -> Result<Tally> {
        let now = self.now_ms;
        if let Some((id, outcome)) = &settlement.attempt {
            query("UPDATE attempts SET outcome = ?, ended_at = ? WHERE id = ?")
                .bind(outcome.as_str())
                .bind(now)
                .bind(id)
                .execute(self.sql())
                .await?;
        }
        self.mark(flow, &settlement.marks).await?;
        let mut alike: BTreeMap<_, Vec<Seq>> = BTreeMap::new();
        for Ending { seq, state, reason } in &settlement.endings {
            alike.entry((*state == State::Published, state.as_str(), reason)).or_default().push(*seq);
        }
        let mut ended = 0;
        for ((is_published, state, reason), seqs) in alike {
            let done = query(
                "UPDATE changes SET state = ?, reason = ?, version = ?, attempt = ?, settled_at = ?
                 WHERE seq IN (SELECT value FROM json_each(?)) AND state = 'pending'",
            )
            .bind(state)
            .bind(reason)
            .bind(settlement.version.as_ref().filter(|_| is_published))
            .bind(settlement.attempt.as_ref().filter(|_| is_published).map(|(id, _)| id))
            .bind(now)
            .bind(encode(&seqs))
            .execute(self.sql())
            .await?;
            ended += usize::try_from(done.rows_affected()).unwrap_or(usize::MAX);
        }
        let mut tally = Tally::default();
        tally.add(flow, ended);
        Ok(tally)
    }

    pub(super) async fn hold(&mut self, seqs: &[Seq], reason: &str, for_ms: i64) -> Result<()> {
        query(
            "UPDATE changes SET reason = ?, held_ms = held_ms + ?
             WHERE seq IN (SELECT value FROM json_each(?)) AND state = 'pending'",
        )
        .bind(reason)
        .bind(for_ms)
        .bind(encode(seqs))
        .execute(self.sql())
        .await?;
        Ok(())
    }

    pub(super) async fn fetched(&mut self, wanted: &Wanted, up_to: Seq, fetched: &Fetched) -> Result<Tally> {
        match fetched {
            Fetched::Values(values) => {
                // Values that are known have a text, whatever the mode.
                let Some(value) = text_of(values, Mode::Merge) else { return Ok(Tally::default()) };
                self.fill(wanted, up_to, &value, matches!(values, Values::Patch(_))).await?;
                return self.fail_thin(wanted, up_to, OTHER_MODE).await;
            }
            Fetched::Nothing(reason) => {
                query(
                    "UPDATE changes SET reason = ?
                     WHERE state = 'pending' AND variables IS NULL AND route = ? AND fetch_url = ? AND seq <= ?",
                )
                .bind(reason)
                .bind(&*wanted.route)
                .bind(&wanted.url)
                .bind(up_to)
                .execute(self.sql())
                .await?;
            }
            Fetched::Unfit(reason) => return self.fail_thin(wanted, up_to, reason).await,
        }
        Ok(Tally::default())
    }

    /// Gives thin changes of that kind their values, and remembers what was taken for their nodes.
    async fn fill(&mut self, wanted: &Wanted, up_to: Seq, value: &str, is_patch: bool) -> Result<()> {
        let filled = query(
            "UPDATE changes SET variables = ?, reason = NULL
             WHERE state = 'pending' AND variables IS NULL AND route = ? AND fetch_url = ? AND seq <= ?
                 AND (mode = 'patch') = ?
             RETURNING flow, node, seq",
        )
        .bind(value)
        .bind(&*wanted.route)
        .bind(&wanted.url)
        .bind(up_to)
        .bind(is_patch)
        .fetch_all(self.sql())
        .await?;
        let mut last: BTreeMap<(&str, &str), Seq> = BTreeMap::new();
        for row in &filled {
            let seq = last.entry((row.get("flow"), row.get("node"))).or_default();
            *seq = (*seq).max(row.get("seq"));
        }
        for ((flow, node), seq) in last {
            self.take((&wanted.route, flow, node), seq, value).await?;
        }
        Ok(())
    }

    async fn fail_thin(&mut self, wanted: &Wanted, up_to: Seq, reason: &str) -> Result<Tally> {
        let now = self.now_ms;
        let failed = query(
            "UPDATE changes SET state = 'failed', settled_at = ?, reason = ?
             WHERE state = 'pending' AND variables IS NULL AND route = ? AND fetch_url = ? AND seq <= ? RETURNING flow",
        )
        .bind(now)
        .bind(reason)
        .bind(&*wanted.route)
        .bind(&wanted.url)
        .bind(up_to)
        .fetch_all(self.sql())
        .await?;
        let mut ended = Tally::default();
        for row in &failed {
            ended.add(&flow_id(row.get(0))?, 1);
        }
        Ok(ended)
    }
}
