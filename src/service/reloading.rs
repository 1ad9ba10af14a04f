//! New settings for a service that runs.

use std::sync::Arc;

use secrecy::SecretString;

use crate::live::Live;
use crate::route::Routes;
use crate::settings::Settings;
use crate::source::Sources;
use crate::tenant::Tenant;

/// What of a running service new settings replace.
#[derive(Clone, Debug)]
pub struct Reloading {
    pub(super) sources: Live<Sources>,
    pub(super) routes: Live<Routes>,
    pub(super) token: Live<Option<SecretString>>,
    pub(super) tenant: Arc<Tenant>,
}

impl Reloading {
    /// Takes the sources, the routes, the admin token, the tenant's client and the pace of its calls. Everything else
    /// of the settings stays as it was at the start.
    pub fn reload(&self, settings: Settings) {
        settings.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let sources = settings.sources.names().len();
        self.routes.set(Routes::new(settings.routes));
        self.sources.set(settings.sources);
        self.token.set(settings.admin.token);
        self.tenant.reload(settings.tenant);
        tracing::info!(source.count = sources, "the settings were read again and are in force");
    }
}
