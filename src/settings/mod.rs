//! Settings: read from their layers, checked, and handed to each room as its own type.
//!
//! Only the wiring imports this. Each command asks for the part it needs, so that `nodes` works without a
//! webhook secret. Every problem of that part is reported at once, with the key's name and what to do.
//!
//! A service that runs has its settings [`Followed`]: they are read again when a file of theirs says something else.

mod dot_env;
mod environment;
mod file;
mod files;
mod followed;
mod keys;
mod layers;
mod problems;
mod read;
mod routes;
mod secrets;
mod sources;
mod thing;
mod warnings;

use std::net::SocketAddr;

use secrecy::SecretString;
use tracing_subscriber::filter::Targets;

use crate::source::Sources;
use crate::{admin, journal, queue, receiver, route, tenant, worker};
use files::Files;
pub use followed::{Followed, Look};
pub use keys::{CONFIG_VARIABLE, KEYS, Key};
pub use layers::Layers;
pub use problems::{Problem, Problems};
use read::Read;

/// The name of the source that the single settings make.
pub const SOURCE: &str = "config";

/// What the service needs.
#[derive(Debug)]
pub struct Settings {
    /// Where webhooks are received.
    pub listen: SocketAddr,
    /// What a request there may cost; no key sets any of it.
    pub receiver: receiver::Settings,
    /// The admin listener.
    pub admin: admin::Settings,
    /// Who may call.
    pub sources: Sources,
    /// What to say about them at start-up.
    pub warnings: Vec<String>,
    /// What deliveries mean.
    pub routes: route::Settings,
    /// Where they are kept.
    pub journal: journal::Location,
    /// How many may wait.
    pub queue: queue::Settings,
    /// How long they are kept.
    pub worker: worker::Settings,
    /// Where they are published.
    pub tenant: tenant::Settings,
    /// Whether it publishes, or only tells what it would publish; no setting says so but `serve --observe`.
    pub purpose: journal::Purpose,
    /// What is logged, if that is set.
    pub log: Option<Targets>,
}

impl Settings {
    /// What the service needs, out of `layers`.
    ///
    /// # Errors
    /// [`Problems`], all at once.
    pub fn service(layers: &Layers) -> Result<Self, Problems> {
        Self::read(layers).0
    }

    /// The same, with the files that all of it was read from.
    fn read(layers: &Layers) -> (Result<Self, Problems>, Files) {
        let mut read = Read::begin(layers);
        let callers = read.callers();
        let native = read.native();
        let routes = read.described_routes(&callers, &native);
        let listen = read.listen();
        read.check_tokens(&callers, listen);
        let warnings = warnings::all(layers, &callers, &native, &routes);
        let settings = Self {
            listen,
            receiver: receiver::Settings::default(),
            admin: read.admin(),
            sources: sources::named(callers),
            warnings,
            routes: route::Settings { native, routes },
            journal: read.journal(),
            queue: read.queue(),
            worker: read.worker(),
            tenant: read.tenant(),
            purpose: journal::Purpose::default(),
            log: read.log(),
        };
        read.check_apart(settings.listen, settings.admin.listen);
        (read.problems.or(settings), read.files)
    }

    /// What a command that only speaks with the tenant needs.
    ///
    /// # Errors
    /// [`Problems`], all at once.
    pub fn tenant(layers: &Layers) -> Result<tenant::Settings, Problems> {
        let mut read = Read::begin(layers);
        let tenant = read.tenant();
        read.problems.or(tenant)
    }

    /// Flow, node and URL for where a command names none.
    ///
    /// # Errors
    /// [`Problems`], all at once.
    pub fn routes(layers: &Layers) -> Result<route::Native, Problems> {
        let mut read = Read::begin(layers);
        let routes = read.native();
        read.problems.or(routes)
    }

    /// Who may call, for a command that signs as they do.
    ///
    /// # Errors
    /// [`Problems`], all at once.
    pub fn sources(layers: &Layers) -> Result<Sources, Problems> {
        let mut read = Read::begin(layers);
        let sources = sources::named(read.callers());
        read.problems.or(sources)
    }

    /// Who may call, and what their deliveries mean.
    ///
    /// # Errors
    /// [`Problems`], all at once.
    pub fn deliveries(layers: &Layers) -> Result<(Sources, route::Settings), Problems> {
        let mut read = Read::begin(layers);
        let callers = read.callers();
        let native = read.native();
        let routes = read.described_routes(&callers, &native);
        read.problems.or((sources::named(callers), route::Settings { native, routes }))
    }

    /// Where webhooks are received.
    ///
    /// # Errors
    /// [`Problems`], all at once.
    pub fn listen(layers: &Layers) -> Result<SocketAddr, Problems> {
        let mut read = Read::begin(layers);
        let listen = read.listen();
        read.problems.or(listen)
    }

    /// Where the admin API listens, for a command that asks it: the token is not looked at.
    ///
    /// # Errors
    /// [`Problems`], all at once.
    pub fn admin_listen(layers: &Layers) -> Result<SocketAddr, Problems> {
        let mut read = Read::begin(layers);
        let listen = read.admin_listen();
        read.problems.or(listen)
    }

    /// The admin API's bearer token, if one is set.
    ///
    /// # Errors
    /// [`Problems`], all at once.
    pub fn admin_token(layers: &Layers) -> Result<Option<SecretString>, Problems> {
        let mut read = Read::begin(layers);
        let token = read.admin_token();
        read.problems.or(token)
    }

    /// What is logged, if that is set.
    ///
    /// # Errors
    /// [`Problems`] when it is not a filter. All other settings report it too, so that who asks for those
    /// may go on without it until then.
    pub fn log(layers: &Layers) -> Result<Option<Targets>, Problems> {
        let mut read = Read { problems: Problems::default(), ..Read::begin(layers) };
        let filter = read.log();
        read.problems.or(filter)
    }
}
