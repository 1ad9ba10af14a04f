//! Warm documents: what our last PUT of a flow returned, kept as the base of the next one.

use std::collections::{BTreeMap, BTreeSet};
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
    /// The same flows, the one unused for longest first: with very many, none is looked for.
    ages: BTreeSet<(Instant, FlowId)>,
    bytes: usize,
}

impl Warm {
    /// Takes the flow's document out, if it is not too old.
    pub(super) fn take(&mut self, flow: &FlowId, now: Instant) -> Option<Document> {
        let (document, since) = self.documents.remove(flow)?;
        self.ages.remove(&(since, flow.clone()));
        self.bytes -= document.text().len();
        (now.duration_since(since) < IDLE).then_some(document)
    }

    /// Keeps the flow's document; the ones unused for longest make room for it.
    pub(super) fn put(&mut self, flow: FlowId, document: Document, now: Instant) {
        self.take(&flow, now);
        self.bytes += document.text().len();
        self.ages.insert((now, flow.clone()));
        self.documents.insert(flow, (document, now));
        while let Some((since, oldest)) = self.ages.first().cloned()
            && (self.bytes > MAX_BYTES || now - since >= IDLE)
        {
            self.take(&oldest, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(id: &str) -> FlowId {
        FlowId::parse(id).expect("an id")
    }

    /// A document of so many bytes.
    fn document(version: u32, bytes: usize) -> Document {
        let head = format!(r#"{{"version":{version},"nodes":[],"x":""#);
        let filler = "x".repeat(bytes - head.len() - 2);
        Document::parse(format!("{head}{filler}\"}}")).expect("a flow")
    }

    /// The flows whose documents are still there, with their versions; takes them all.
    fn left(warm: &mut Warm, flows: &[&str]) -> Vec<String> {
        let now = Instant::now();
        let taken =
            flows.iter().filter_map(|id| Some(format!("{id} {}", warm.take(&flow(id), now)?.version())));
        taken.collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_document_is_kept_for_one_taking() {
        let mut warm = Warm::default();
        warm.put(flow("a"), document(1, 100), Instant::now());
        assert_eq!(left(&mut warm, &["b", "a", "a"]), ["a 1"]);
        assert_eq!(warm.bytes, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_newer_document_replaces_the_older_one() {
        let mut warm = Warm::default();
        warm.put(flow("a"), document(1, 1000), Instant::now());
        warm.put(flow("a"), document(2, 100), Instant::now());
        assert_eq!(warm.bytes, 100);
        assert_eq!(left(&mut warm, &["a"]), ["a 2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn five_idle_minutes_cool_a_document() {
        let mut warm = Warm::default();
        warm.put(flow("a"), document(1, 100), Instant::now());
        tokio::time::advance(IDLE.saturating_sub(Duration::from_millis(1))).await;
        warm.put(flow("b"), document(2, 100), Instant::now());
        assert_eq!(warm.documents.len(), 2);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(left(&mut warm, &["a", "b"]), ["b 2"]);
        assert_eq!(warm.bytes, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_put_clears_away_what_has_cooled() {
        let mut warm = Warm::default();
        warm.put(flow("a"), document(1, 100), Instant::now());
        warm.put(flow("b"), document(1, 100), Instant::now());
        tokio::time::advance(IDLE).await;
        warm.put(flow("c"), document(1, 100), Instant::now());
        assert_eq!((warm.documents.len(), warm.bytes), (1, 100));
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_bytes_run_out_the_longest_unused_makes_room() {
        let mut warm = Warm::default();
        for (id, version) in [("z", 1), ("a", 2), ("m", 3)] {
            warm.put(flow(id), document(version, MAX_BYTES / 2 - 10), Instant::now());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(warm.bytes <= MAX_BYTES);
        assert_eq!(left(&mut warm, &["z", "a", "m"]), ["a 2", "m 3"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_document_over_the_bound_is_not_kept() {
        let mut warm = Warm::default();
        warm.put(flow("a"), document(1, MAX_BYTES + 1), Instant::now());
        assert_eq!((warm.documents.len(), warm.ages.len(), warm.bytes), (0, 0, 0));
    }
}
