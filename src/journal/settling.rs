//! What the worker writes about changes: the attempt before a PUT, how they end, what they wait for, and the values
//! that were fetched for them.

use std::collections::BTreeMap;

use rusqlite::params;

use super::admission::text_of;
use super::row::flow_id;
use super::write::encode;
use super::{Attempt, Commit, Ending, Fetched, JournalError, Settlement, Tally, sql};
use crate::change::{FlowId, Mode, Seq, State, Values, Wanted};

/// Why thin changes fail whose route has come to patch since they arrived, or to patch no more.
const OTHER_MODE: &str = "the mode of its route is another now than when it arrived: have it delivered again";

type Result<T> = std::result::Result<T, JournalError>;

impl Commit<'_> {
    pub(super) fn attempt(&self, attempt: &Attempt) -> Result<()> {
        sql::execute(
            self.sql(),
            "INSERT INTO attempts (id, flow, base_version, plan, started_at) VALUES (?, ?, ?, ?, ?)",
            params![
                attempt.id,
                attempt.flow.as_str(),
                attempt.base_version,
                encode(&attempt.plan),
                self.now_ms
            ],
        )?;
        Ok(())
    }

    pub(super) fn settle(&mut self, flow: &FlowId, settlement: &Settlement) -> Result<Tally> {
        if let Some((id, outcome)) = &settlement.attempt {
            sql::execute(
                self.sql(),
                "UPDATE attempts SET outcome = ?, ended_at = ? WHERE id = ?",
                params![outcome.as_str(), self.now_ms, id],
            )?;
        }
        self.mark(flow, &settlement.marks)?;
        let mut alike: BTreeMap<_, Vec<Seq>> = BTreeMap::new();
        for Ending { seq, state, reason } in &settlement.endings {
            alike.entry((*state == State::Published, state.as_str(), reason)).or_default().push(*seq);
        }
        let mut ended = 0;
        for ((is_published, state, reason), seqs) in alike {
            ended += sql::execute(
                self.sql(),
                // As for what arrives, no page's state before the statement is noted.
                "UPDATE OR ROLLBACK changes SET state = ?, reason = ?, version = ?, attempt = ?, settled_at = ?
                 WHERE seq IN (SELECT value FROM json_each(?)) AND state = 'pending'",
                params![
                    state,
                    reason,
                    settlement.version.as_ref().filter(|_| is_published),
                    settlement.attempt.as_ref().filter(|_| is_published).map(|(id, _)| id),
                    self.now_ms,
                    encode(&seqs)
                ],
            )?;
        }
        self.moves.ended(settlement.endings.iter().map(|ending| (flow.clone(), ending.seq)));
        let mut tally = Tally::default();
        tally.add(flow, ended);
        Ok(tally)
    }

    pub(super) fn hold(&self, seqs: &[Seq], reason: &str, for_ms: i64) -> Result<()> {
        sql::execute(
            self.sql(),
            "UPDATE changes SET reason = ?, held_ms = held_ms + ?
             WHERE seq IN (SELECT value FROM json_each(?)) AND state = 'pending'",
            params![reason, for_ms, encode(seqs)],
        )?;
        Ok(())
    }

    pub(super) fn fetched(&mut self, wanted: &Wanted, up_to: Seq, fetched: &Fetched) -> Result<Tally> {
        match fetched {
            Fetched::Values(values) => {
                // Values that are known have a text, whatever the mode.
                let Some(value) = text_of(values, Mode::Merge) else { return Ok(Tally::default()) };
                self.fill(wanted, up_to, &value, matches!(values, Values::Patch(_)))?;
                return self.fail_thin(wanted, up_to, OTHER_MODE);
            }
            Fetched::Nothing(reason) => {
                sql::execute(
                    self.sql(),
                    "UPDATE changes SET reason = ?
                     WHERE state = 'pending' AND variables IS NULL AND route = ? AND fetch_url = ? AND seq <= ?",
                    params![reason, &*wanted.route, wanted.url, up_to],
                )?;
            }
            Fetched::Unfit(reason) => return self.fail_thin(wanted, up_to, reason),
        }
        Ok(Tally::default())
    }

    /// Gives thin changes of that kind their values, and remembers what was taken for their nodes.
    fn fill(&self, wanted: &Wanted, up_to: Seq, value: &str, is_patch: bool) -> Result<()> {
        let filled = sql::all(
            self.sql(),
            "UPDATE changes SET variables = ?, reason = NULL
             WHERE state = 'pending' AND variables IS NULL AND route = ? AND fetch_url = ? AND seq <= ?
                 AND (mode = 'patch') = ?
             RETURNING flow, node, seq",
            params![value, &*wanted.route, wanted.url, up_to, is_patch],
            |row| Ok(((row.get::<_, String>(0)?, row.get::<_, String>(1)?), row.get(2)?)),
        )?;
        let mut last: BTreeMap<(String, String), Seq> = BTreeMap::new();
        for (place, seq) in filled {
            let last = last.entry(place).or_default();
            *last = (*last).max(seq);
        }
        for ((flow, node), seq) in last {
            self.take((&wanted.route, &flow, &node), seq, value)?;
        }
        Ok(())
    }

    fn fail_thin(&mut self, wanted: &Wanted, up_to: Seq, reason: &str) -> Result<Tally> {
        let failed = sql::all(
            self.sql(),
            "UPDATE changes SET state = 'failed', settled_at = ?, reason = ?
             WHERE state = 'pending' AND variables IS NULL AND route = ? AND fetch_url = ? AND seq <= ?
             RETURNING flow, seq",
            params![self.now_ms, reason, &*wanted.route, wanted.url, up_to],
            |row| Ok((flow_id(&row.get::<_, String>(0)?)?, row.get(1)?)),
        )?;
        let ended = failed.iter().map(|(flow, _)| flow).collect();
        self.moves.ended(failed);
        Ok(ended)
    }
}
