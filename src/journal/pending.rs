//! Which changes of each flow are pending, in memory: the file has them in the order of their arrival alone. In the
//! order of flows each that arrives would write a page of its own.
//!
//! It is made when the journal is opened, and moves behind each commit. Whoever asks it goes on to the file with what
//! it says, where a change may have ended meanwhile; one that came meanwhile is announced behind that.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::row::flow_id;
use super::{JournalError, Tally, sql};
use crate::change::{FlowId, Seq};

/// The numbers of the pending changes, flow by flow; no flow has none.
type Flows = HashMap<FlowId, BTreeSet<Seq>>;

/// The pending changes, shared by the writer, which moves them, and readers.
#[derive(Clone, Debug)]
pub(super) struct Pending(Arc<Mutex<Flows>>);

/// What a commit moves, in its order.
#[derive(Debug, Default)]
pub(super) struct Moves(Vec<(FlowId, Seq, Move)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Came,
    Ended,
}

impl Moves {
    /// These become pending.
    pub(super) fn came(&mut self, changes: impl IntoIterator<Item = (FlowId, Seq)>) {
        self.0.extend(changes.into_iter().map(|(flow, seq)| (flow, seq, Move::Came)));
    }

    /// These stop being so.
    pub(super) fn ended(&mut self, changes: impl IntoIterator<Item = (FlowId, Seq)>) {
        self.0.extend(changes.into_iter().map(|(flow, seq)| (flow, seq, Move::Ended)));
    }

    /// Those of a flow that have become pending, whether or not they still are.
    pub(super) fn of(&self, flow: &FlowId) -> impl Iterator<Item = Seq> {
        self.all_that_came().filter(move |(of, _)| *of == flow).map(|(_, seq)| seq)
    }

    /// The flows of those that have become pending, whether or not they still are.
    pub(super) fn flows(&self) -> impl Iterator<Item = &FlowId> {
        self.all_that_came().map(|(flow, _)| flow)
    }

    fn all_that_came(&self) -> impl Iterator<Item = (&FlowId, Seq)> {
        self.0.iter().filter(|(_, _, moved)| *moved == Move::Came).map(|(flow, seq, _)| (flow, *seq))
    }
}

impl Pending {
    /// As the file has them.
    pub(super) fn load(sql: &Connection) -> Result<Self, JournalError> {
        Ok(Self(Arc::new(Mutex::new(read(sql)?))))
    }

    /// Reads them anew.
    pub(super) fn reload(&self, sql: &Connection) -> Result<(), JournalError> {
        *self.lock() = read(sql)?;
        Ok(())
    }

    /// The first ones of a flow behind that number, at most so many.
    pub(super) fn behind(&self, flow: &FlowId, after: Seq, at_most: usize) -> Vec<Seq> {
        let flows = self.lock();
        let Some(seqs) = flows.get(flow) else { return Vec::new() };
        seqs.range((Bound::Excluded(after), Bound::Unbounded)).take(at_most).copied().collect()
    }

    /// All of a flow.
    pub(super) fn of(&self, flow: &FlowId) -> BTreeSet<Seq> {
        self.lock().get(flow).cloned().unwrap_or_default()
    }

    /// The flows that have any.
    pub(super) fn flows(&self) -> Vec<FlowId> {
        self.lock().keys().cloned().collect()
    }

    /// How many each flow has.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.lock().iter().for_each(|(flow, seqs)| tally.add(flow, seqs.len()));
        tally
    }

    /// Takes up what a commit has moved.
    pub(super) fn apply(&self, moves: Moves) {
        let mut flows = self.lock();
        for (flow, seq, moved) in moves.0 {
            match moved {
                Move::Came => _ = flows.entry(flow).or_default().insert(seq),
                Move::Ended => {
                    if let Some(seqs) = flows.get_mut(&flow) {
                        seqs.remove(&seq);
                        if seqs.is_empty() {
                            flows.remove(&flow);
                        }
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Flows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(sql: &Connection) -> Result<Flows, JournalError> {
    let text = "SELECT flow, seq FROM changes WHERE state = 'pending' ORDER BY seq";
    let mut flows = Flows::new();
    for (flow, seq) in sql::all(sql, text, [], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))? {
        flows.entry(flow_id(&flow)?).or_default().insert(seq);
    }
    Ok(flows)
}
