//! What must never happen, looked for in the record: a test asserts that each list is empty.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::diff::{Collateral, VariableChange, diff};
use super::record::{By, End, Record, Request};

/// How much earlier than the tenant noticed it a client may have gone away.
///
/// A client that gives up and asks again on another connection can be heard before the end of the first
/// one is; that is no overlap.
pub const GONE_NOTICED_WITHIN: Duration = Duration::from_millis(100);

/// What one saved PUT changed of what the flow held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutDiff {
    /// The flow's id.
    pub flow: String,
    /// The version that the PUT made, as it is spelt.
    pub version: String,
    /// The variables that changed, appeared or disappeared.
    pub changed: Vec<VariableChange>,
    /// Every other byte that differs: what a client of the contract never touches.
    pub collateral: Vec<Collateral>,
}

/// The address of a variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VariableAddress {
    /// The flow's id.
    pub flow: String,
    /// The node's id.
    pub node: String,
    /// The variable's name.
    pub variable: String,
}

impl Record {
    /// What each saved PUT changed, compared with what the flow held when it was saved.
    ///
    /// It is the client's text that is compared, not what the tenant made of it.
    pub fn put_diffs(&self) -> Vec<PutDiff> {
        let puts = self.commits.iter().filter(|commit| commit.by != By::Human);
        puts.map(|commit| {
            let found = diff(&commit.before, &commit.given);
            let (flow, version) = (commit.flow.clone(), commit.version.clone());
            PutDiff { flow, version, changed: found.changed, collateral: found.collateral }
        })
        .collect()
    }

    /// Every byte outside the values of variables that a saved PUT changed.
    pub fn collateral(&self) -> Vec<String> {
        let diffs = self.put_diffs().into_iter();
        let lines = diffs.flat_map(|put| {
            let (flow, version) = (put.flow, put.version);
            put.collateral.into_iter().map(move |found| format!("{flow} version {version}: {found}"))
        });
        self.forgotten_notice().into_iter().chain(lines).collect()
    }

    /// Every value that a person had set, or variable that a person had deleted, and that a saved PUT then
    /// changed; and every PUT that touched more than variables after a person had worked on the flow.
    ///
    /// `ours` names the variables that the client is there to write: they are not counted.
    pub fn lost_human_edits(&self, ours: impl Fn(&VariableAddress) -> bool) -> Vec<String> {
        let mut set_by_people: HashMap<VariableAddress, Option<String>> = HashMap::new();
        let mut touched_by_people: HashSet<&str> = HashSet::new();
        let mut lost = Vec::from_iter(self.forgotten_notice());
        for commit in &self.commits {
            let found = diff(&commit.before, &commit.given);
            let address = |change: &VariableChange| VariableAddress {
                flow: commit.flow.clone(),
                node: change.node.clone(),
                variable: change.variable.clone(),
            };
            let at = format!("{} version {}", commit.flow, commit.version);
            match commit.by {
                By::Human => {
                    touched_by_people.insert(&commit.flow);
                    set_by_people
                        .extend(found.changed.iter().map(|change| (address(change), change.after.clone())));
                }
                By::Client(_) => {
                    for change in found.changed.iter().filter(|change| !ours(&address(change))) {
                        if set_by_people.remove(&address(change)).is_some() {
                            lost.push(format!("{at}: {}", shown(change)));
                        }
                    }
                    if touched_by_people.contains(commit.flow.as_str()) {
                        lost.extend(found.collateral.iter().map(|found| format!("{at}: {found}")));
                    }
                }
            }
        }
        lost
    }

    /// The most requests about one flow that were open at the same time; 1 means none overlapped.
    ///
    /// A request that its client left counts until [`GONE_NOTICED_WITHIN`] before the tenant noticed.
    pub fn max_in_flight_per_flow(&self) -> usize {
        let mut edges: BTreeMap<&str, Vec<(Instant, i8)>> = BTreeMap::new();
        for request in &self.requests {
            let Some(flow) = request.call.flow() else { continue };
            let edges = edges.entry(flow).or_default();
            edges.push((request.received_at, 1));
            edges.extend(left_at(request).map(|at| (at, -1)));
        }
        let most = |mut edges: Vec<(Instant, i8)>| {
            // At the same instant the end comes first: the tenant notes it before the client can know.
            edges.sort();
            let mut open = 0_isize;
            let counts = edges.into_iter().map(|(_, step)| {
                open += isize::from(step);
                open
            });
            counts.max().unwrap_or(0)
        };
        let most = edges.into_values().map(most).max().unwrap_or(0);
        usize::try_from(most).unwrap_or(0)
    }

    /// Every flow call that arrived later than `tolerance` after a 429 to a flow call had left and before
    /// its `Retry-After` had passed.
    pub fn calls_started_inside_retry_after(&self, tolerance: Duration) -> Vec<String> {
        let flow_calls = || self.requests.iter().filter(|request| request.call.flow().is_some());
        let refusals = flow_calls().filter(|request| request.end == End::Answered(429));
        let closed = |refusal: &Request| Some((refusal.ended_at? + tolerance, refusal.retry_until?));
        let mut windows: Vec<(Instant, Instant)> = refusals.filter_map(closed).collect();
        windows.sort();
        let mut found = Vec::from_iter(self.forgotten_notice());
        let mut windows = windows.into_iter().peekable();
        let mut closed_until = None;
        // Arrivals are in order of time, so one pass with the latest end among the windows begun is enough.
        for request in flow_calls() {
            while let Some((_, until)) = windows.next_if(|window| window.0 < request.received_at) {
                closed_until = closed_until.max(Some(until));
            }
            if let Some(early) = closed_until.and_then(|at| at.checked_duration_since(request.received_at))
                && !early.is_zero()
            {
                let (order, call) = (request.order, &request.call);
                found.push(format!(
                    "request {order} ({call:?}) came {early:?} before the Retry-After had passed"
                ));
            }
        }
        found
    }

    /// A violation of its own: what was forgotten cannot be checked.
    fn forgotten_notice(&self) -> Option<String> {
        let forgotten = self.forgotten;
        (forgotten > 0).then(|| format!("{forgotten} old entries were forgotten and cannot be checked"))
    }
}

/// When a request stopped being open, as its client sees it.
fn left_at(request: &Request) -> Option<Instant> {
    let ended_at = request.ended_at?;
    match request.end {
        End::Unanswered => {
            let earlier = ended_at.checked_sub(GONE_NOTICED_WITHIN).unwrap_or(request.received_at);
            Some(earlier.max(request.received_at))
        }
        End::Open | End::Answered(_) | End::Reset => Some(ended_at),
    }
}

fn shown(change: &VariableChange) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    let (before, after) = (value(&change.before), value(&change.after));
    format!("{}.{} went from {before} to {after}", change.node, change.variable)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::super::record::{Call, Commit};
    use super::{By, End, Record, Request};

    fn commit(by: By, before: &str, given: &str) -> Commit {
        let doc = |variables: &str| -> Arc<str> {
            format!(r#"{{"flow":{{"nodes":[{{"id":"n","configuration":{{"variables":[{variables}]}}}}]}}}}"#)
                .into()
        };
        let (before, given) = (doc(before), doc(given));
        let (flow, version) = ("f".to_owned(), "2".to_owned());
        Commit { flow, version, by, at: Instant::now(), before, given: Arc::clone(&given), stored: given }
    }

    #[test]
    fn a_persons_value_that_a_put_changed_is_lost_once() {
        let (a1, a2, b1) =
            (r#"{"name":"a","value":1}"#, r#"{"name":"a","value":2}"#, r#"{"name":"b","value":1}"#);
        let both = format!("{a2},{b1}");
        let check = |steps: &[(By, &str, &str)], wanted: &[&str]| {
            let commits = steps.iter().map(|&(by, before, given)| commit(by, before, given)).collect();
            let record = Record { commits, ..Record::default() };
            assert_eq!(record.lost_human_edits(|at| at.variable == "b"), wanted, "{steps:?}");
        };
        let client = By::Client(0);
        check(&[(By::Human, a1, a2), (client, a2, &both)], &[]);
        check(&[(By::Human, a1, a2), (client, a2, a1)], &["f version 2: n.a went from 2 to 1"]);
        check(&[(By::Human, a1, a2), (client, a2, b1)], &["f version 2: n.a went from 2 to nothing"]);
        check(&[(By::Human, a1, ""), (client, "", a1)], &["f version 2: n.a went from nothing to 1"]);
        check(&[(client, a1, a2)], &[]);
        check(&[(By::Human, "", b1), (client, b1, "")], &[]);
        check(&[(By::Human, a1, a2), (By::Human, a2, a1), (client, a1, a1)], &[]);
        let respelt = a2.replace(':', ": ");
        let lost =
            r#"f version 2: in the configuration of `n`: `"a","value":2}]` became ` "a","value": 2}]`"#;
        check(&[(By::Human, a1, a2), (client, a2, &respelt)], &[lost]);
    }

    #[test]
    fn what_was_forgotten_is_a_violation() {
        let record = Record { forgotten: 3, ..Record::default() };
        let notice = ["3 old entries were forgotten and cannot be checked"];
        assert_eq!(record.lost_human_edits(|_| true), notice);
        assert_eq!(record.collateral(), notice);
        assert_eq!(record.calls_started_inside_retry_after(Duration::ZERO), notice);
    }

    /// Requests from `(flow, received, ended, end)` in milliseconds; a 429 says `Retry-After: 1`.
    fn requests(made: &[(&str, u64, u64, End)]) -> Record {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let request = |(order, &(flow, received, ended, end)): (usize, &(&str, u64, u64, End))| Request {
            order: order as u64,
            call: if flow.is_empty() { Call::Token } else { Call::Get(flow.into()) },
            received_at: at(received),
            ended_at: Some(at(ended)),
            end,
            retry_after: None,
            retry_until: (end == End::Answered(429)).then(|| at(ended + 1000)),
            in_flight: 0,
        };
        Record { requests: made.iter().enumerate().map(request).collect(), ..Record::default() }
    }

    #[test]
    fn overlap_is_counted_per_flow_and_a_client_that_left_gets_the_benefit_of_the_doubt() {
        let check = |made: &[(&str, u64, u64, End)], wanted: usize| {
            assert_eq!(requests(made).max_in_flight_per_flow(), wanted, "{made:?}");
        };
        let ok = End::Answered(200);
        check(&[], 0);
        check(&[("", 0, 9, ok), ("", 0, 9, ok)], 0);
        check(&[("a", 0, 5, ok), ("a", 5, 9, ok)], 1);
        check(&[("a", 0, 5, ok), ("b", 4, 9, ok)], 1);
        check(&[("a", 0, 5, ok), ("a", 4, 9, End::Reset), ("a", 4, 5, ok)], 3);
        check(&[("a", 0, 500, End::Unanswered), ("a", 450, 900, ok)], 1);
        check(&[("a", 0, 500, End::Unanswered), ("a", 390, 900, ok)], 2);
    }

    #[test]
    fn a_call_inside_a_retry_after_is_found() {
        let check = |made: &[(&str, u64, u64, End)], wanted: &[u64]| {
            let found = requests(made).calls_started_inside_retry_after(Duration::from_millis(50));
            let wanted: Vec<_> = wanted.iter().map(|order| format!("request {order} ")).collect();
            assert_eq!(found.len(), wanted.len(), "{made:?}: {found:?}");
            let all = found.iter().zip(&wanted).all(|(found, wanted)| found.starts_with(wanted.as_str()));
            assert!(all, "{made:?}: {found:?}");
        };
        let (ok, busy) = (End::Answered(200), End::Answered(429));
        check(&[("a", 0, 10, busy), ("b", 1010, 1020, ok)], &[]);
        check(&[("a", 0, 10, busy), ("b", 1009, 1020, ok)], &[1]);
        check(&[("a", 0, 10, busy), ("b", 60, 70, ok), ("b", 61, 70, ok), ("", 62, 70, ok)], &[2]);
        check(&[("a", 0, 900, busy), ("a", 5, 10, busy), ("a", 1100, 1200, ok)], &[2]);
        check(&[("", 0, 10, busy), ("a", 500, 510, ok)], &[]);
    }
}
