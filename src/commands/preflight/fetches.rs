//! What is fetched from configuration systems, as far as the settings say all that it takes.

use flowhook::change::{FlowId, NodeId};
use flowhook::config_api::ConfigApi;
use flowhook::http::Manner;
use flowhook::route::{Revision, Route, SCHEMA, Settings, fill};

use super::{Finding, Verdict};
use crate::exit::{Exit, Failed};

/// How many routes' answers are looked at.
const ROUTES_AT_MOST: usize = 20;

/// Looks at each answer, and tells of it at once.
pub(super) async fn look(settings: &Settings, mut tell: impl FnMut(Finding)) {
    let fetching = settings.routes.iter().filter(|route| route.fetching().is_some());
    let (first, others) = (fetching.clone().take(ROUTES_AT_MOST), fetching.skip(ROUTES_AT_MOST).count());
    if settings.native.fetch_url.is_none() && settings.routes.iter().all(|route| route.fetching().is_none()) {
        return;
    }
    let api = match ConfigApi::new() {
        Ok(api) => api,
        Err(error) => return tell(Finding::failed("fetch", &Failed::new(Exit::Other, error))),
    };
    if let Some(finding) = of_the_built_in(settings, &api).await {
        tell(finding);
    }
    for route in first {
        if let Some(finding) = of_a_route(route, &api).await {
            tell(finding);
        }
    }
    if others > 0 {
        tell(Finding::new("fetch", Verdict::Skipped, format!("{others} more routes fetch their values")));
    }
}

async fn of_the_built_in(settings: &Settings, api: &ConfigApi) -> Option<Finding> {
    const SUBJECT: &str = "fetch";
    let native = &settings.native;
    let template = native.fetch_url.as_deref()?;
    let Some(url) = filled(template, native.flow.as_ref(), native.node.as_ref()) else {
        let why = "EXTERNAL_API_URL has placeholders, and CXONE_FLOW_ID and TARGET_NODE_ID do not fill them";
        return Some(Finding::new(SUBJECT, Verdict::Skipped, why));
    };
    let answer = api.fetch(&url, &Manner::default()).await;
    let answer = answer.map_err(|error| Failed::new(Exit::Unreachable, error));
    let read = answer.and_then(|config| SCHEMA.variables("the answer", &config).map_err(Failed::input));
    Some(match read {
        Ok(_variables) => Finding::new(SUBJECT, Verdict::Ok, "EXTERNAL_API_URL answers the variables"),
        Err(fault) => Finding::failed(SUBJECT, &fault),
    })
}

async fn of_a_route(route: &Route, api: &ConfigApi) -> Option<Finding> {
    let subject = format!("fetch of route {}", route.name());
    let (template, fetching) = route.url().zip(route.fetching())?;
    let Some(url) = filled(template.as_str(), route.flows().next(), route.node()) else {
        let why = "its events name the flow or the node that its `fetch.url` has placeholders for";
        return Some(Finding::new(subject, Verdict::Skipped, why));
    };
    let answer = api.fetch(&url, &fetching.manner).await;
    let answer = answer.map_err(|error| Failed::new(Exit::Unreachable, error));
    let read = answer.and_then(|answer| fetching.read(&answer).map_err(Failed::input));
    Some(match read {
        Ok(_values) => Finding::new(subject, Verdict::Ok, "`fetch.url` answers what the route takes"),
        Err(fault) => Finding::failed(subject, &fault),
    })
}

/// The URL, unless an event has to say what goes into it.
fn filled(template: &str, flow: Option<&FlowId>, node: Option<&NodeId>) -> Option<String> {
    match (flow, node) {
        (Some(flow), Some(node)) => Some(fill(template, flow, node, &Revision::HEAD)),
        _ if template.contains('{') => None,
        _ => Some(template.to_owned()),
    }
}
