//! The tenant's one gate: closed until a time, because of a reason.
//!
//! A rate limit, refused credentials and an outage concern every flow at once, so they stop every flow at
//! one place. Closed, the gate lets nothing start before its end. Then one turn goes first, the probe; when
//! the tenant answers it, the others follow, at most half as many at once as before, and one more with each
//! turn that goes well.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::change::FlowId;
use crate::journal::GateEnd;

/// How many flows may be published at once.
const FLOWS_AT_ONCE: usize = 16;
/// So many flows in a row without an HTTP answer or with 5xx mean that the tenant is down.
const TROUBLED_FLOWS: usize = 3;
/// The gate's own waits, where the tenant names none.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The gate, shared by the worker and the client.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Notified when more may be admitted than before.
    moved: Notify,
}

/// What the gate knows; free of I/O, the time is an argument.
#[derive(Debug)]
struct State {
    closed: Option<Closed>,
    backoff: Backoff,
    /// How many turns may run at once while it is open.
    limit: usize,
    running: usize,
    /// The flows that got no answer or 5xx since anything last went well.
    troubled: BTreeSet<FlowId>,
    /// How many probes there have been: the number of the last one.
    probes: u64,
}

#[derive(Clone, Debug)]
struct Closed {
    until: Instant,
    /// When it would end if our client were not refused; nothing where only that closed it.
    until_at_any_rate: Option<Instant>,
    reason: String,
    /// The turn that is on its way to find out if the tenant answers again. Whatever closes the gate
    /// anew overtakes it: it may then neither call nor open.
    probe: Option<Probe>,
}

/// Which probe.
type Probe = u64;

/// Leave for one turn to make calls. Given back when dropped.
#[derive(Debug)]
pub struct Pass {
    gate: Gate,
    probe: Option<Probe>,
    went_well: bool,
    /// The next call's turn by our own pace has come already.
    paced: bool,
}

/// What closes the gate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The tenant, whoever asks it.
    Tenant,
    /// It refuses our client: another client, or another secret, ends that.
    Client,
}

/// Why no turn may start now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The gate is closed until then.
    Until(Instant),
    /// As many as may run are running, or a probe is on its way: wait for [`Gate::moved`].
    ForOthers,
}

/// The gate is closed: since why, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    /// When it ends.
    pub until: Instant,
    /// What closed it.
    pub reason: String,
}

impl Closure {
    /// Its end by the wall clock, which says `now`: what a restart has to know.
    pub fn end(&self, now: Timestamp) -> GateEnd {
        let left = self.until.saturating_duration_since(Instant::now());
        GateEnd { until: now + left, reason: self.reason.clone() }
    }
}

impl fmt::Display for Closure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return write!(f, "{}; the next call tries again", self.reason);
        }
        write!(f, "{}; no call is made for {} s", self.reason, left.as_secs_f64().ceil())
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Shared { state: Mutex::new(State::new()), moved: Notify::new() }))
    }
}

impl Gate {
    /// Asks for leave to start a turn.
    ///
    /// # Errors
    /// [`Wait`]: for what to wait before asking again.
    pub fn admit(&self) -> Result<Pass, Wait> {
        let probe = self.state().admit(Instant::now())?;
        Ok(Pass { gate: self.clone(), probe, went_well: false, paced: false })
    }

    /// Waits until more may be admitted than before.
    pub async fn moved(&self) {
        self.0.moved.notified().await;
    }

    /// Closes the gate for `wait`, or for its own growing wait where there is none.
    pub fn close(&self, reason: &str, wait: Option<Duration>) {
        self.close_because(Cause::Tenant, reason, wait);
    }

    /// Closes the gate because our client is refused.
    pub(super) fn close_to_client(&self, reason: &str, wait: Duration) {
        self.close_because(Cause::Client, reason, Some(wait));
    }

    /// We are another client now, or have another secret: the next turn finds out whether that one is taken.
    pub(super) fn client_changed(&self) {
        if self.state().client_changed(Instant::now()) {
            self.0.moved.notify_one();
        }
    }

    fn close_because(&self, cause: Cause, reason: &str, wait: Option<Duration>) {
        let closed = self.state().close(cause, Instant::now(), reason, wait, fastrand::f64());
        if let Some(wait) = closed {
            tracing::info!(
                gate.reason = reason,
                gate.wait_ms = wait.as_millis(),
                "no call to the tenant is started for now"
            );
        }
        // Whoever waits for a place must now learn of the time.
        self.0.moved.notify_one();
    }

    /// Why the gate is closed, if it is.
    pub fn closure(&self) -> Option<Closure> {
        self.state()
            .closed
            .as_ref()
            .map(|closed| Closure { until: closed.until, reason: closed.reason.clone() })
    }

    /// A flow got no answer, or 5xx.
    pub(super) fn trouble(&self, flow: &FlowId, reason: &str) {
        let tripped = self.state().trouble(flow);
        if tripped {
            self.close(&format!("the tenant does not answer ({reason})"), None);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// Whether a call may be started now.
    pub(super) fn may_call(&self) -> bool {
        self.gate.state().may_call(Instant::now(), self.probe)
    }

    /// The next call has waited for its turn.
    pub(super) fn is_paced(&mut self) {
        self.paced = true;
    }

    /// Whether this call has waited for its turn; the one after it has not.
    pub(super) fn take_pace(&mut self) -> bool {
        std::mem::take(&mut self.paced)
    }

    /// The tenant answered: what closed the gate is over, and nobody is in trouble.
    pub(super) fn answered(&mut self) {
        self.went_well = true;
        let opened = self.gate.state().answered(self.probe);
        if opened {
            tracing::info!("the tenant answers again");
            self.gate.0.moved.notify_one();
        }
        self.probe = None;
    }

    /// The gate this pass is for.
    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.state().finish(self.probe, self.went_well);
        self.gate.0.moved.notify_one();
    }
}

impl Closed {
    fn is_probed_by(&self, probe: Option<Probe>) -> bool {
        probe.is_some() && self.probe == probe
    }
}

impl State {
    fn new() -> Self {
        Self {
            closed: None,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            limit: FLOWS_AT_ONCE,
            running: 0,
            troubled: BTreeSet::new(),
            probes: 0,
        }
    }

    /// Whether a turn may start, and whether it is a probe.
    fn admit(&mut self, now: Instant) -> Result<Option<Probe>, Wait> {
        let probe = match &mut self.closed {
            Some(closed) if now < closed.until => return Err(Wait::Until(closed.until)),
            Some(closed) if closed.probe.is_some() => return Err(Wait::ForOthers),
            Some(closed) => {
                self.probes += 1;
                closed.probe = Some(self.probes);
                closed.probe
            }
            None if self.running >= self.limit => return Err(Wait::ForOthers),
            None => None,
        };
        self.running += 1;
        Ok(probe)
    }

    fn may_call(&self, now: Instant, probe: Option<Probe>) -> bool {
        self.closed.as_ref().is_none_or(|closed| closed.is_probed_by(probe) && now >= closed.until)
    }

    /// Closes it; for how long, if it was open.
    fn close(
        &mut self,
        cause: Cause,
        now: Instant,
        reason: &str,
        wait: Option<Duration>,
        jitter: f64,
    ) -> Option<Duration> {
        let wait = match wait {
            Some(wait) => wait,
            // One burst of refusals is one failure: only what finds the gate open or probing lengthens it.
            None if self.closed.as_ref().is_some_and(|closed| now < closed.until) => return None,
            None => self.backoff.next(jitter),
        };
        let until = now + wait;
        let until_at_any_rate = (cause == Cause::Tenant).then_some(until);
        match &mut self.closed {
            Some(closed) => {
                closed.until = closed.until.max(until);
                closed.until_at_any_rate = closed.until_at_any_rate.max(until_at_any_rate);
                reason.clone_into(&mut closed.reason);
                closed.probe = None;
                None
            }
            None => {
                self.limit = (self.limit / 2).max(1);
                let reason = reason.to_owned();
                self.closed = Some(Closed { until, until_at_any_rate, reason, probe: None });
                Some(wait)
            }
        }
    }

    /// Says whether the end is earlier by it.
    fn client_changed(&mut self, now: Instant) -> bool {
        let Some(closed) = &mut self.closed else { return false };
        let end = closed.until_at_any_rate.unwrap_or(now);
        let is_earlier = end < closed.until;
        closed.until = closed.until.min(end);
        is_earlier
    }

    fn trouble(&mut self, flow: &FlowId) -> bool {
        self.troubled.insert(flow.clone());
        let tripped = self.troubled.len() >= TROUBLED_FLOWS || self.closed.is_some();
        if tripped {
            self.troubled.clear();
        }
        tripped
    }

    /// Says whether the gate was opened by it.
    fn answered(&mut self, probe: Option<Probe>) -> bool {
        self.troubled.clear();
        let opens = self.closed.as_ref().is_some_and(|closed| closed.is_probed_by(probe));
        if opens {
            self.closed = None;
            self.backoff.reset();
        }
        opens
    }

    fn finish(&mut self, probe: Option<Probe>, went_well: bool) {
        self.running -= 1;
        match &mut self.closed {
            // A probe that made no call leaves the question open for the next one.
            Some(closed) if closed.is_probed_by(probe) => closed.probe = None,
            Some(_) => {}
            None if went_well => self.limit = (self.limit + 1).min(FLOWS_AT_ONCE),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn flow(id: &str) -> FlowId {
        FlowId::parse(id).expect("a flow id")
    }

    fn closed_for(wait: Option<Duration>) -> (State, Instant) {
        let now = Instant::now();
        let mut state = State::new();
        state.close(Cause::Tenant, now, "429", wait, 1.0);
        (state, now)
    }

    #[test]
    fn nothing_starts_before_the_end_and_then_one_probe_goes_first() {
        let (mut gate, now) = closed_for(Some(5 * SECOND));
        assert_eq!(gate.admit(now + 4 * SECOND), Err(Wait::Until(now + 5 * SECOND)));
        assert_eq!(gate.admit(now + 5 * SECOND), Ok(Some(1)));
        assert_eq!(gate.admit(now + 5 * SECOND), Err(Wait::ForOthers));
        assert!(gate.may_call(now + 5 * SECOND, Some(1)) && !gate.may_call(now + 5 * SECOND, None));
    }

    #[test]
    fn after_the_probe_half_as_many_follow_and_one_more_with_each_success() {
        let (mut gate, now) = closed_for(Some(SECOND));
        assert_eq!(gate.admit(now + SECOND), Ok(Some(1)));
        assert!(gate.answered(Some(1)));
        gate.finish(None, true);
        let admitted = (0..FLOWS_AT_ONCE).take_while(|_| gate.admit(now + SECOND).is_ok()).count();
        assert_eq!(admitted, FLOWS_AT_ONCE / 2 + 1);
        gate.finish(None, true);
        assert_eq!(gate.limit, FLOWS_AT_ONCE / 2 + 2);
    }

    #[test]
    fn a_burst_of_refusals_halves_once_and_the_longest_wait_holds() {
        let (mut gate, now) = closed_for(Some(3 * SECOND));
        gate.close(Cause::Tenant, now, "429", Some(SECOND), 1.0);
        gate.close(Cause::Tenant, now, "429", None, 1.0);
        assert_eq!(gate.limit, FLOWS_AT_ONCE / 2);
        assert_eq!(gate.admit(now + 2 * SECOND), Err(Wait::Until(now + 3 * SECOND)));
    }

    #[test]
    fn a_refused_probe_closes_the_gate_for_longer() {
        let (mut gate, now) = closed_for(None);
        assert_eq!(gate.admit(now + SECOND), Ok(Some(1)));
        gate.close(Cause::Tenant, now + SECOND, "429", None, 1.0);
        gate.finish(Some(1), false);
        assert_eq!(gate.admit(now + SECOND), Err(Wait::Until(now + 3 * SECOND)));
        assert_eq!(gate.limit, FLOWS_AT_ONCE / 2);
    }

    #[test]
    fn another_client_ends_what_the_refusal_of_ours_began_and_nothing_of_the_tenants() {
        let now = Instant::now();
        let check = |closures: &[(Cause, u32)], expected: u32| {
            let mut gate = State::new();
            for (cause, seconds) in closures {
                gate.close(*cause, now, "closed", Some(*seconds * SECOND), 1.0);
            }
            let end = closures.iter().map(|(_, seconds)| *seconds).max().unwrap_or(0);
            assert_eq!(gate.client_changed(now), expected < end);
            let at = |end: u32| if end == 0 { Ok(Some(1)) } else { Err(Wait::Until(now + end * SECOND)) };
            assert_eq!(gate.admit(now), at(expected));
        };
        check(&[(Cause::Client, 5)], 0);
        check(&[(Cause::Tenant, 5)], 5);
        check(&[(Cause::Tenant, 3), (Cause::Client, 5)], 3);
        check(&[(Cause::Client, 3), (Cause::Tenant, 5)], 5);
        check(&[(Cause::Client, 5), (Cause::Tenant, 3)], 3);
        assert!(!State::new().client_changed(now));
    }

    #[test]
    fn a_probe_that_makes_no_call_lets_the_next_one_try() {
        let (mut gate, now) = closed_for(Some(SECOND));
        assert_eq!(gate.admit(now + SECOND), Ok(Some(1)));
        gate.finish(Some(1), false);
        assert_eq!(gate.admit(now + SECOND), Ok(Some(2)));
    }

    #[test]
    fn three_flows_in_a_row_without_an_answer_close_it_and_one_answer_forgives() {
        let mut gate = State::new();
        assert!(!gate.trouble(&flow("a")) && !gate.trouble(&flow("a")) && !gate.trouble(&flow("b")));
        gate.answered(None);
        assert!(!gate.trouble(&flow("c")) && !gate.trouble(&flow("a")));
        assert!(gate.trouble(&flow("b")));
    }

    #[test]
    fn a_probe_that_goes_well_does_not_open_what_was_closed_for_longer_meanwhile() {
        let gate = Gate::default();
        gate.close("429", Some(Duration::ZERO));
        let mut probe = gate.admit().expect("its time has come");
        // A call that was under way from before is answered 429 while the probe waits for its own answer.
        gate.close("429", Some(10 * SECOND));
        probe.answered();
        drop(probe);
        assert!(gate.closure().is_some());
        assert!(matches!(gate.admit(), Err(Wait::Until(_))), "nothing starts before the end");
    }

    #[test]
    fn a_probe_that_was_overtaken_by_a_closure_makes_room_for_no_third() {
        let gate = Gate::default();
        gate.close("429", Some(Duration::ZERO));
        let overtaken = gate.admit().expect("its time has come");
        gate.close("429", Some(Duration::ZERO));
        let probe = gate.admit().expect("another closure, another probe");
        assert!(!overtaken.may_call() && probe.may_call());
        drop(overtaken);
        assert_eq!(gate.admit().err(), Some(Wait::ForOthers));
    }
}
