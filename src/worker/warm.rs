//! Warm documents: what our last PUT of a flow returned, kept as the base of the next one.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::change::FlowId;
use crate::flow::Document;

/// How long an unused document is kept.
const IDLE: Duration = Duration::from_secs(300);
/// How many bytes of documents are kept.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The kept documents. A document is taken out for a turn and put back after it.
#[derive(Debug, Default)]
pub(super) struct Warm {
    documents: BTreeMap<FlowId, (Document, Instant)>,
    bytes: usize,
}

impl Warm {
    /// Takes the flow's document out, if it is not too old.
    pub(super) fn take(&mut self, flow: &FlowId, now: Instant) -> Option<Document> {
        let (document, since) = self.documents.remove(flow)?;
        self.bytes -= document.text().len();
        (now.duration_since(since) < IDLE).then_some(document)
    }

    /// Keeps the flow's document; the ones unused for longest make room for it.
    pub(super) fn put(&mut self, flow: FlowId, document: Document, now: Instant) {
        self.take(&flow, now);
        self.bytes += document.text().len();
        self.documents.insert(flow, (document, now));
        while self.bytes > MAX_BYTES || self.oldest().is_some_and(|(_, since)| now - since >= IDLE) {
            let Some((oldest, _)) = self.oldest() else { break };
            self.take(&oldest, now);
        }
    }

    fn oldest(&self) -> Option<(FlowId, Instant)> {
        let kept = self.documents.iter().map(|(flow, (_, since))| (flow, *since));
        kept.min_by_key(|(_, since)| *since).map(|(flow, since)| (flow.clone(), since))
    }
}
