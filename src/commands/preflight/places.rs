//! The flows and nodes that the settings name.

use flowhook::change::{FlowId, NodeId};
use flowhook::route::Settings;

/// A flow that the settings name, with the nodes that they name in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place<'s> {
    pub(super) flow: &'s FlowId,
    pub(super) nodes: Vec<(&'s NodeId, NamedBy<'s>)>,
}

/// What names a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NamedBy<'s> {
    /// `TARGET_NODE_ID`.
    Variable,
    /// The route of that name.
    Route(&'s str),
    /// Nothing: only the flow is named.
    Nothing,
}

/// All of them, each flow once: that of the single settings first, then those of the routes, then what is allowed
/// beside them.
pub(super) fn places(settings: &Settings) -> Vec<Place<'_>> {
    let native = &settings.native;
    let mut places = Vec::new();
    if let Some(flow) = &native.flow {
        add(&mut places, flow, native.node.as_ref(), NamedBy::Variable);
    }
    for route in &settings.routes {
        route.flows().for_each(|flow| add(&mut places, flow, route.node(), NamedBy::Route(route.name())));
    }
    for flow in native.allowed_flows.iter().flatten() {
        add(&mut places, flow, None, NamedBy::Nothing);
    }
    places
}

fn add<'s>(places: &mut Vec<Place<'s>>, flow: &'s FlowId, node: Option<&'s NodeId>, by: NamedBy<'s>) {
    let at = places.iter().position(|place| place.flow == flow).unwrap_or_else(|| {
        places.push(Place { flow, nodes: Vec::new() });
        places.len() - 1
    });
    let nodes = &mut places[at].nodes;
    nodes.extend(node.filter(|node| nodes.iter().all(|(known, _)| known != node)).map(|node| (node, by)));
}
