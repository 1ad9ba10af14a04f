//! A person who keeps editing while the service works: a background task that saves small edits.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::human::Human;
use super::tenant::Tenant;

/// The variable that a designer edits.
pub const DESIGNER_VARIABLE: &str = "designer_note";
/// How many edits a designer makes before going home.
pub const DESIGNER_EDITS_MAX: usize = 1_000_000;

/// A designer at work. Dropped, the designer stops too.
#[derive(Debug)]
#[must_use = "a designer who is dropped stops"]
pub struct Designer {
    /// Ends the work when it is dropped.
    guard: DropGuard,
    work: JoinHandle<Vec<DesignerEdit>>,
}

/// An edit that a designer tried to save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesignerEdit {
    /// The flow's id.
    pub flow: String,
    /// The value that [`DESIGNER_VARIABLE`] got: a number that grows by one with every edit.
    pub value: u64,
    /// The version that the edit made, or why it was not saved.
    pub version: Result<String, String>,
}

impl Designer {
    /// A designer who edits the node of each flow in turn, then rests for `every`.
    pub(super) fn begin(
        tenant: Arc<Tenant>,
        flows: Vec<String>,
        node: String,
        every: Duration,
        (tasks, stop): (&TaskTracker, CancellationToken),
    ) -> Self {
        let stopped = stop.clone();
        let work = tasks.spawn(async move {
            let mut ticks = tokio::time::interval(every.max(Duration::from_millis(1)));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut edits = Vec::new();
            while edits.len() < DESIGNER_EDITS_MAX {
                tokio::select! {
                    () = stopped.cancelled() => break,
                    _ = ticks.tick() => {}
                }
                for flow in &flows {
                    let value = edits.len() as u64 + 1;
                    let edit = Human::set(&node, DESIGNER_VARIABLE, &value.to_string());
                    let version = tenant.edit(flow, &edit).map_err(|error| error.to_string());
                    edits.push(DesignerEdit { flow: flow.clone(), value, version });
                }
            }
            edits
        });
        Self { guard: stop.drop_guard(), work }
    }

    /// Ends the work; returns every edit in order.
    pub async fn stop(self) -> Vec<DesignerEdit> {
        drop(self.guard);
        self.work.await.unwrap_or_default()
    }
}
