//! The settings of a service that publishes into a practice tenant.

use flowhook::sandbox::Sandbox;
use flowhook::settings::Layers;

/// The secret that the snippet and the demo sign with: for practice only, and known to all.
pub(super) const SECRET: &str = "whsec_cHJhY3RpY2Ugb25seTogbm90IGEgc2VjcmV0IQ==";
/// The flow in the practice tenant.
pub(super) const FLOW: &str = "a1b2c3d4-0001-4000-8000-000000000001";
/// The node that the events name.
pub(super) const NODE: &str = flowhook::sandbox::SAMPLE_NODE;
/// The event of the demo and the snippet.
pub(super) const EVENT: &str = include_str!("../../fixtures/events/full.json");

/// Points the settings at the practice tenant, whatever they said of a real one.
pub(super) fn point_at(layers: &mut Layers, sandbox: &Sandbox) {
    layers.set("CXONE_BASE_URL", sandbox.base_url());
    layers.set("CXONE_TOKEN_URL", format!("{}/oauth/token", sandbox.base_url()));
    layers.set("CXONE_CLIENT_ID", sandbox.client_id().to_owned());
    layers.set("CXONE_CLIENT_SECRET", sandbox.client_secret().to_owned());
}
