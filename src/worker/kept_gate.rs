//! The gate's end, kept in the journal: a tenant that asked for time has it across restarts too.

use std::time::Duration;

use crate::clock::Clock;
use crate::journal::{GateEnd, Step};
use crate::queue::{Ledger, NotStored};
use crate::tenant::{Closure, Gate, LONGEST_WAIT};

/// Keeps a closed gate's end in the journal, so that the next start waits for it too.
///
/// # Errors
/// [`NotStored`] when the journal did not take it.
pub async fn keep_gate(closure: &Closure, ledger: &Ledger, clock: &Clock) -> Result<(), NotStored> {
    ledger.record(Step::Gate(closure.end(clock.now()))).await.map(drop)
}

/// Closes the gate again as the journal has it: a tenant that asked us to wait before a restart still wants it.
pub fn restore_gate(gate: &Gate, end: Option<GateEnd>, clock: &Clock) {
    if let Some(end) = end
        && let Ok(left) = Duration::try_from(end.until.duration_since(clock.now()))
        && !left.is_zero()
    {
        // A clock that was set back must not keep it closed for longer than a tenant can ask for.
        gate.close(&end.reason, Some(left.min(LONGEST_WAIT)));
    }
}
