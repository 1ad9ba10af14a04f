//! The practice tenant, in this process, on a runtime of its own.

use std::time::{Duration, Instant};

use anyhow::Result;
use flowhook::sandbox::{Call, Hold, Sandbox, Settings, large_flow, sample_flow};
use tokio::runtime::Runtime;

use crate::delivery::flow_id;
use crate::process::{SETTLING, until};

/// As many nodes tell how long one is.
const SOME_NODES: usize = 1_000;

pub(crate) struct Tenant {
    pub(crate) sandbox: Sandbox,
    runtime: Runtime,
}

/// A PUT as the tenant saw it.
pub(crate) struct Put {
    /// When its head had arrived; a small document comes along with it.
    pub(crate) arrived: Instant,
    /// From then until it was answered.
    pub(crate) took: Duration,
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

    /// Gives a flow a document about so many bytes long; how long it is.
    pub(crate) fn enlarge(&self, flow: usize, bytes: usize) -> Result<usize> {
        let id = flow_id(flow);
        let document = large_flow(&id, bytes * SOME_NODES / large_flow(&id, SOME_NODES).len());
        self.sandbox.add_flow(&id, &document)?;
        Ok(document.len())
    }

    /// GETs and PUTs of flows so far.
    pub(crate) fn flow_calls(&self) -> (u64, u64) {
        let calls = self.sandbox.calls();
        (calls.get, calls.put)
    }

    /// The PUTs of a flow that were answered, in order.
    pub(crate) fn puts(&self, flow: usize) -> Vec<Put> {
        let id = flow_id(flow);
        let requests = self.sandbox.record().requests.into_iter();
        let puts = requests.filter(|request| matches!(&request.call, Call::Put(flow) if **flow == id));
        let answered = puts.filter_map(|put| Some((put.received_at, put.ended_at?)));
        answered.map(|(arrived, ended)| Put { arrived: arrived.into_std(), took: ended - arrived }).collect()
    }

    /// Holds the next update of a flow.
    pub(crate) fn hold(&self, flow: usize) -> Hold {
        self.sandbox.hold(&flow_id(flow))
    }

    /// Waits until so many PUTs of a flow have arrived.
    pub(crate) fn until_puts(&self, flow: usize, puts: usize) -> Result<()> {
        let id = flow_id(flow);
        let is_wanted = |call: &Call| matches!(call, Call::Put(flow) if **flow == id);
        Ok(self.runtime.block_on(self.sandbox.wait_for_requests(puts, is_wanted))?)
    }

    /// Waits until so many PUTs of whichever flows have arrived.
    pub(crate) fn until_all_puts(&self, puts: u64) -> Result<()> {
        until(SETTLING, || Ok(self.flow_calls().1 >= puts))
    }
}
