//! What the queue and the worker ask of a journal, whatever it is kept in.
//!
//! The SQLite file is one; the simulation brings another, kept in memory, and a test holds the two to the
//! same answers.

use std::collections::BTreeMap;
use std::future::Future;

use jiff::Timestamp;

use super::{Admitted, DriftCursor, Drifted, Effect, JournalError, Mark, Outset, Ready, Step, Taken};
use crate::change::{Delivery, FlowId, NodeId, Seq, Wanted, Work};

type Result<T> = std::result::Result<T, JournalError>;

/// The one way into a journal: commits, one after the other.
pub trait Write: Send {
    /// Stores steps and deliveries, in this order and all together. When it returns, they are durable. It may block the
    /// thread for as long as the disk takes.
    ///
    /// # Errors
    /// When the commit failed: then nothing of it is stored.
    fn commit(
        &mut self,
        now: Timestamp,
        steps: &[&Step],
        deliveries: &[&Delivery],
    ) -> impl Future<Output = Result<Committed>> + Send;

    /// Closes the journal in order.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// What a commit brought, entry by entry.
#[derive(Debug, Default)]
pub struct Committed {
    /// Of each step.
    pub effects: Vec<Effect>,
    /// Of each delivery.
    pub admitted: Vec<Admitted>,
}

/// The questions that the worker asks, and who compares sources and flows. Each fails only when the journal cannot be read.
pub trait Read: Clone + Send + Sync + 'static {
    /// How a flow stands at the outset of a turn.
    fn outset(&self, flow: &FlowId) -> impl Future<Output = Result<Outset>> + Send;

    /// The pending changes of a flow whose values are known, in order of arrival: the first ones, at most
    /// `at_most` of them, and no more once there are `bytes` of values.
    fn ready(
        &self,
        flow: &FlowId,
        at_most: usize,
        bytes: usize,
    ) -> impl Future<Output = Result<Ready>> + Send;

    /// The marks of these nodes of a flow, in the order of nodes and targets.
    fn marks(&self, flow: &FlowId, nodes: &[&NodeId]) -> impl Future<Output = Result<Vec<Mark>>> + Send;

    /// Flows that have marks, in the order of their ids: at most so many, behind `after`.
    fn marked_flows(
        &self,
        after: Option<&FlowId>,
        at_most: usize,
    ) -> impl Future<Output = Result<Vec<FlowId>>> + Send;

    /// What each node of a flow that has marks has of changes.
    fn works(&self, flow: &FlowId) -> impl Future<Output = Result<BTreeMap<NodeId, Work>>> + Send;

    /// What was last taken from a route's source, in the order of flows and nodes: at most so many, behind `after`.
    fn taken(
        &self,
        route: &str,
        after: Option<(&FlowId, &NodeId)>,
        at_most: usize,
    ) -> impl Future<Output = Result<Vec<Taken>>> + Send;

    /// What is recorded of drift, in the order of flows, nodes and targets: at most so many, behind `after`.
    fn drift(
        &self,
        after: Option<DriftCursor<'_>>,
        at_most: usize,
    ) -> impl Future<Output = Result<Vec<Drifted>>> + Send;

    /// What is recorded of a flow's drift.
    fn drift_of(&self, flow: &FlowId) -> impl Future<Output = Result<Vec<Drifted>>> + Send;

    /// What a node of a flow has of changes.
    fn work(&self, flow: &FlowId, node: &NodeId) -> impl Future<Output = Result<Work>> + Send;

    /// Whether an operator has paused the flow, or all flows.
    fn is_paused(&self, flow: &FlowId) -> impl Future<Output = Result<bool>> + Send;

    /// The last of the pending thin changes that wait for this, and the flows of all of them.
    fn waiting_for(&self, wanted: &Wanted)
    -> impl Future<Output = Result<Option<(Seq, Vec<FlowId>)>>> + Send;

    /// The version that one of the flow's latest changes was published in, as the tenant spelt it. A flow
    /// whose latest changes brought nothing new has none: this is asked often and must be cheap.
    fn last_published(&self, flow: &FlowId) -> impl Future<Output = Result<Option<String>>> + Send;

    /// Whether an attempt on this version of the flow was lost: its PUT may still be carried out.
    fn was_lost_at(&self, flow: &FlowId, version: &str) -> impl Future<Output = Result<bool>> + Send;

    /// Whether the tenant has served another flow than this since then.
    fn others_were_served(
        &self,
        than: &FlowId,
        since: Timestamp,
    ) -> impl Future<Output = Result<bool>> + Send;
}
