//! The practice tenant, in this process, on a runtime of its own.

use std::time::Duration;

use anyhow::Result;
use flowhook::sandbox::{Call, Hold, Sandbox, Settings, sample_flow};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::delivery::flow_id;

pub(crate) struct Tenant {
    pub(crate) sandbox: Sandbox,
    runtime: Runtime,
}

impl Tenant {
    /// A tenant with so many flows that takes so long over each call.
    pub(crate) fn start(flows: usize, latency: Duration) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let sandbox = runtime.block_on(Sandbox::start(Settings { latency, ..Settings::default() }))?;
        for flow in (0..flows).map(flow_id) {
            sandbox.add_flow(&flow, &sample_flow(&flow, "Benchmark"))?;
        }
        Ok(Self { sandbox, runtime })
    }

    /// GETs and PUTs of flows so far.
    pub(crate) fn flow_calls(&self) -> (u64, u64) {
        let calls = self.sandbox.calls();
        (calls.get, calls.put)
    }

    /// When PUTs arrived, in order.
    pub(crate) fn puts(&self) -> Vec<std::time::Instant> {
        let record = self.sandbox.record();
        let puts = record.requests.iter().filter(|request| matches!(request.call, Call::Put(_)));
        puts.map(|request| Instant::into_std(request.received_at)).collect()
    }

    /// Holds the next update of a flow.
    pub(crate) fn hold(&self, flow: usize) -> Hold {
        self.sandbox.hold(&flow_id(flow))
    }

    /// Waits until so many PUTs have arrived.
    pub(crate) fn until_puts(&self, puts: u64) -> Result<()> {
        Ok(self.runtime.block_on(self.sandbox.wait_until(|tenant| tenant.calls().put >= puts))?)
    }
}
