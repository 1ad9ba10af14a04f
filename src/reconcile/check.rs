//! Looking at flows because somebody asks.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::failing::Failing;
use super::look::{Look, Looker};
use crate::change::FlowId;
use crate::journal::{JournalError, Read};

/// How many flows one check looks at, and for how long: who asks waits for the answer.
const FLOWS_AT_MOST: usize = 100;
const WITHIN: Duration = Duration::from_secs(10);
/// Why a flow was not looked at for which there was no time.
const NO_TIME: &str = "there was no time for it: ask for it alone";

/// Looks at flows when somebody wants to know now.
#[derive(Clone, Debug)]
pub struct Checker<R> {
    looker: Looker<R>,
    failing: Failing,
}

/// What came of looking at flows. What differs in them is in the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many were looked at.
    pub flows: usize,
    /// Those that were not, or not all of them, and why.
    pub left: Vec<(FlowId, String)>,
    /// Whether there are more flows than one check looks at.
    pub more: bool,
    /// The routes whose sources cannot be compared with the flows, and why: what they say now is not known.
    pub unread: Vec<(Arc<str>, String)>,
}

impl<R: Read> Checker<R> {
    pub(super) fn new(looker: Looker<R>, failing: Failing) -> Self {
        Self { looker, failing }
    }

    /// Looks at a flow, or at the first ones that something was applied to.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn check(&self, flow: Option<FlowId>) -> Result<Checked, JournalError> {
        let mut flows = match flow {
            Some(flow) => vec![flow],
            None => self.looker.reader.marked_flows(None, FLOWS_AT_MOST + 1).await?,
        };
        let (more, unread) = (flows.len() > FLOWS_AT_MOST, self.failing.all());
        let mut checked = Checked { more, unread, ..Checked::default() };
        flows.truncate(FLOWS_AT_MOST);
        let until = Instant::now() + WITHIN;
        let mut closed = None;
        for flow in flows {
            if let Some(why) = &closed {
                checked.left.push((flow, String::clone(why)));
                continue;
            }
            match tokio::time::timeout_at(until, self.looker.look(&flow)).await {
                Ok(looked) => match looked? {
                    Look::Seen(comparison) => {
                        checked.flows += 1;
                        checked.left.extend(comparison.left.map(|why| (flow, why)));
                    }
                    Look::Left(why) => checked.left.push((flow, why)),
                    Look::Closed(why) => {
                        checked.left.push((flow, why.clone()));
                        closed = Some(why);
                    }
                },
                Err(_elapsed) => {
                    checked.left.push((flow, NO_TIME.to_owned()));
                    closed = Some(NO_TIME.to_owned());
                }
            }
        }
        Ok(checked)
    }
}
