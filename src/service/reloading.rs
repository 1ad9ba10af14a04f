//! New settings for a service that runs.

use std::sync::Arc;

use secrecy::SecretString;

use crate::live::Live;
use crate::receiver::Intake;
use crate::route::{self, Routes};
use crate::settings::Settings;
use crate::source::Sources;
use crate::tenant::Tenant;

/// What of a running service new settings replace.
#[derive(Clone, Debug)]
pub struct Reloading {
    pub(super) intake: Live<Intake>,
    /// For whoever asks for them beside deliveries.
    pub(super) routes: Live<Routes>,
    pub(super) token: Live<Option<SecretString>>,
    pub(super) tenant: Arc<Tenant>,
}

impl Reloading {
    /// What the settings at the start say of it.
    pub(super) fn new(
        sources: Sources,
        routes: route::Settings,
        token: Option<SecretString>,
        tenant: &Arc<Tenant>,
    ) -> Self {
        let routes = Routes::new(routes);
        Self {
            routes: Live::new(routes.clone()),
            intake: Live::new(Intake { sources, routes }),
            token: Live::new(token),
            tenant: Arc::clone(tenant),
        }
    }

    /// Takes the sources, the routes, the admin token, the tenant's client and the pace of its calls. Everything else
    /// of the settings stays as it was at the start.
    pub fn reload(&self, settings: Settings) {
        settings.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let (sources, described) = (settings.sources.names().len(), settings.routes.routes.len());
        let routes = Routes::new(settings.routes);
        // First, so that whoever fetches for a new route finds it.
        self.routes.set(routes.clone());
        self.intake.set(Intake { sources: settings.sources, routes });
        self.token.set(settings.admin.token);
        self.tenant.reload(settings.tenant);
        tracing::info!(
            source.count = sources,
            route.count = described,
            "the settings were read again and are in force"
        );
    }
}
