//! Waiting without sleeping: holding PUTs back until a test lets them go, and waiting for a condition.

use std::sync::Arc;
use std::time::Duration;

use super::tenant::Tenant;

/// How long a PUT is held at most; then it goes on as if it had been let go.
pub const HOLD_MAX: Duration = Duration::from_secs(60);
/// How long the sandbox waits for a condition.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// While it lives, no PUT of the flow is decided: they are received and wait.
#[derive(Debug)]
#[must_use = "the PUTs go on when the hold is dropped"]
pub struct Hold {
    tenant: Arc<Tenant>,
    flow: String,
}

impl Hold {
    pub(super) fn begin(tenant: Arc<Tenant>, flow: &str) -> Self {
        tenant.with(|state| state.holds.begin(flow));
        Self { tenant, flow: flow.to_owned() }
    }

    /// Lets the PUTs go, as dropping does.
    pub fn release(self) {}
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.tenant.with(|state| state.holds.end(&self.flow));
    }
}

/// What was waited for did not come within [`WAIT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was waited for did not come within {} s", WAIT_MAX.as_secs())]
pub struct NotInTime;
