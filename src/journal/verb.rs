//! What operators tell the journal to do with changes: retry and discard.
//!
//! Both keep a change's sequence number and its order key, and neither asks whether a delivery is known: a
//! retried change takes its old place in the order of arrival.

use std::collections::BTreeSet;

use super::row::flow_id;
use super::sql::{self, Question};
use super::{ChangeFilter, Commit, JournalError, Refused, Tally};
use crate::change::{FlowId, Seq, State, Wanted};

type Result<T> = std::result::Result<T, JournalError>;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A failed change becomes pending again; a pending one is tried at once.
    Retry,
    /// A failed or a pending change is dropped, unless an update that carries it is in flight.
    Discard,
}

/// To which changes. Those that are neither pending nor failed are never touched.
#[derive(Clone, Debug)]
pub enum Chosen {
    /// This one.
    One(Seq),
    /// The newest ones that the filter finds, at most as many as its limit.
    Filter(ChangeFilter),
}

/// What an operator's verb did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acted {
    /// How many changes it was done to.
    pub changes: usize,
    /// How many it was not done to, because an update that carries them is in flight.
    pub in_flight: usize,
    /// Those of them that stopped being pending.
    pub ended: Tally,
    /// Those of them that became pending again.
    pub revived: Tally,
    /// The rollbacks that were made.
    pub made: Vec<Seq>,
    /// What could not be rolled back.
    pub refused: Vec<Refused>,
    /// The oldest that was looked at, if there may be older ones that the filter finds.
    pub next_cursor: Option<Seq>,
    /// The flows whose lanes are to look at once, whatever they wait for.
    pub flows: BTreeSet<FlowId>,
    /// What is to be fetched at once for thin changes.
    pub wanted: BTreeSet<Wanted>,
}

/// A change that a verb is about.
struct Found {
    seq: Seq,
    flow: FlowId,
    /// Pending or failed.
    state: State,
    /// What it waits for, if it has no values yet.
    wanted: Option<Wanted>,
}

const FOUND: &str = "SELECT c.seq, c.flow, c.route, CASE WHEN c.variables IS NULL THEN c.fetch_url END AS url
    FROM changes c JOIN deliveries d ON d.id = c.delivery WHERE ";

impl Commit<'_> {
    pub(super) fn act(&mut self, verb: Verb, chosen: &Chosen) -> Result<Acted> {
        let (found, next_cursor) = self.choose(chosen)?;
        let mut acted = Acted { next_cursor, ..Acted::default() };
        match verb {
            Verb::Retry => self.retry(found, &mut acted)?,
            Verb::Discard => self.discard(found, &mut acted)?,
        }
        Ok(acted)
    }

    fn retry(&mut self, found: Vec<Found>, acted: &mut Acted) -> Result<()> {
        for change in found {
            sql::execute(
                self.sql(),
                "UPDATE changes SET state = 'pending', reason = NULL, held_ms = 0, settled_at = NULL
                 WHERE seq = ?",
                [change.seq],
            )?;
            acted.changes += 1;
            acted.revived.add(&change.flow, usize::from(change.state == State::Failed));
            self.moves.came([(change.flow.clone(), change.seq)]);
            acted.flows.insert(change.flow);
            acted.wanted.extend(change.wanted);
        }
        Ok(())
    }

    fn discard(&mut self, found: Vec<Found>, acted: &mut Acted) -> Result<()> {
        let now = self.now_ms;
        let in_flight = self.in_flight(&found)?;
        for change in found {
            if in_flight.contains(&change.seq) {
                acted.in_flight += 1;
                continue;
            }
            sql::execute(
                self.sql(),
                "UPDATE changes SET state = 'discarded', settled_at = ? WHERE seq = ?",
                (now, change.seq),
            )?;
            acted.changes += 1;
            acted.ended.add(&change.flow, usize::from(change.state == State::Pending));
            self.moves.ended([(change.flow, change.seq)]);
        }
        Ok(())
    }

    /// The changes that updates carry whose outcome is not known, of the flows of these changes.
    fn in_flight(&self, found: &[Found]) -> Result<BTreeSet<Seq>> {
        let flows: BTreeSet<&FlowId> = found.iter().map(|change| &change.flow).collect();
        let mut seqs = BTreeSet::new();
        for flow in flows {
            seqs.extend(sql::all(
                self.sql(),
                "SELECT json_extract(ending.value, '$.seq')
                 FROM attempts, json_each(attempts.plan, '$.endings') AS ending
                 WHERE attempts.outcome IS NULL AND attempts.flow = ?",
                [flow.as_str()],
                |row| Ok(row.get::<_, Seq>(0)?),
            )?);
        }
        Ok(seqs)
    }

    /// The changes that are meant, newest first, and the cursor of those that the filter's limit left out.
    fn choose(&self, chosen: &Chosen) -> Result<(Vec<Found>, Option<Seq>)> {
        let states = [State::Pending, State::Failed];
        match chosen {
            Chosen::One(seq) => {
                let mut found = Vec::new();
                for state in states {
                    let mut question = Question::new(FOUND);
                    question.push("c.seq = ").push_bind(*seq);
                    question.push(" AND c.state = ").push_bind(state.as_str().to_owned());
                    found.extend(self.find(&question, state)?);
                }
                Ok((found, None))
            }
            Chosen::Filter(filter) => {
                let mut found = Vec::new();
                // Each state by itself, so that SQLite has its partial index for it: a long look would keep
                // senders waiting for their commit.
                for state in states.into_iter().filter(|state| filter.state.is_none_or(|only| only == *state))
                {
                    let mut question = Question::new(FOUND);
                    let one_more = ChangeFilter { limit: filter.limit.saturating_add(1), ..filter.clone() };
                    ChangeFilter { state: Some(state), ..one_more }.push_to(&mut question);
                    found.extend(self.find(&question, state)?);
                }
                found.sort_unstable_by_key(|change| std::cmp::Reverse(change.seq));
                let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
                let has_more = found.len() > limit;
                found.truncate(limit);
                let next_cursor = found.last().filter(|_| has_more).map(|change| change.seq);
                Ok((found, next_cursor))
            }
        }
    }

    fn find(&self, question: &Question, state: State) -> Result<Vec<Found>> {
        question.all(self.sql(), |row| {
            let flow = flow_id(&row.get::<_, String>("flow")?)?;
            let wanted = match row.get::<_, Option<String>>("url")? {
                Some(url) => Some(Wanted { route: row.get("route")?, url }),
                None => None,
            };
            Ok(Found { seq: row.get("seq")?, flow, state, wanted })
        })
    }
}
