//! Every setting: its two names, its default, what it is.

/// The variable that names the settings file; it is no setting of its own.
pub const CONFIG_VARIABLE: &str = "FLOWHOOK_CONFIG";

/// A setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name in the environment and in `.env`.
    pub variable: &'static str,
    /// Its place in the settings file, `table.key`.
    pub file: &'static str,
    /// What holds where it is not set; for people.
    pub default: &'static str,
    /// What it is; for people.
    pub about: &'static str,
}

const fn key(variable: &'static str, file: &'static str, default: &'static str, about: &'static str) -> Key {
    Key { variable, file, default, about }
}

macro_rules! keys {
    ($($name:ident = $variable:literal, $file:literal, $default:literal, $about:literal;)*) => {
        $(pub(super) const $name: &Key = &key($variable, $file, $default, $about);)*

        /// Every setting, in the order of the README.
        pub const KEYS: &[&Key] = &[$($name),*];
    };
}

keys! {
    BASE_URL = "CXONE_BASE_URL", "tenant.base_url", "https://us-1.api.nicecxone.com",
        "the tenant's API, in its region";
    TOKEN_URL = "CXONE_TOKEN_URL", "tenant.token_url", "{CXONE_BASE_URL}/oauth/token",
        "the tenant's token endpoint";
    CLIENT_ID = "CXONE_CLIENT_ID", "tenant.client_id", "required", "the OAuth client's id";
    CLIENT_SECRET = "CXONE_CLIENT_SECRET", "tenant.client_secret", "required",
        "the OAuth client's secret";
    CLIENT_SECRET_FILE = "CXONE_CLIENT_SECRET_FILE", "tenant.client_secret_file", "none",
        "a file that holds the secret instead";
    REQUESTS_PER_MINUTE = "CXONE_REQUESTS_PER_MINUTE", "tenant.requests_per_minute", "unlimited",
        "how many flow calls a minute we make at most";
    ALLOW_HTTP = "CXONE_ALLOW_HTTP", "tenant.allow_http", "false",
        "`true` allows plain `http://` to a tenant that is not on loopback";
    FLOW_ID = "CXONE_FLOW_ID", "route.flow_id", "none", "the flow to change when the event names none";
    NODE_ID = "TARGET_NODE_ID", "route.node_id", "none", "the node to change when the event names none";
    FETCH_URL = "EXTERNAL_API_URL", "route.fetch_url", "none",
        "where the variables of an event without `data.config` are fetched; may hold `{flow_id}`, `{node_id}` and `{revision}`, the commit of a git push";
    ALLOWED_FLOWS = "FLOWHOOK_ALLOWED_FLOWS", "route.allowed_flows", "any",
        "the flows that may be changed, comma-separated: bounds what a leaked webhook secret can do";
    RECONCILE_SECONDS = "FLOWHOOK_RECONCILE_SECONDS", "route.reconcile_seconds", "300",
        "how often what is fetched is compared with the flow when no event comes; `0` for never";
    WEBHOOK_SECRET = "FLOWHOOK_WEBHOOK_SECRET", "source.secret", "required",
        "what the configuration system signs with; several, comma-separated, while rotating";
    WEBHOOK_SECRET_FILE = "FLOWHOOK_WEBHOOK_SECRET_FILE", "source.secret_file", "none",
        "a file that holds the secrets instead, one a line";
    WEBHOOK_SCHEME = "FLOWHOOK_WEBHOOK_SCHEME", "source.scheme", "standard-webhooks",
        "how the configuration system signs: `standard-webhooks`, `github` or another preset";
    LISTEN = "FLOWHOOK_LISTEN", "server.listen", "127.0.0.1:8080", "where webhooks are received";
    ADMIN_LISTEN = "FLOWHOOK_ADMIN_LISTEN", "server.admin_listen", "127.0.0.1:8081",
        "where the admin API listens; off loopback only with a token";
    ADMIN_TOKEN = "FLOWHOOK_ADMIN_TOKEN", "server.admin_token", "none", "the admin API's bearer token";
    ADMIN_TOKEN_FILE = "FLOWHOOK_ADMIN_TOKEN_FILE", "server.admin_token_file", "none",
        "a file that holds the token instead";
    JOURNAL = "FLOWHOOK_JOURNAL", "journal.location", "sqlite:flowhook.db", "the journal, `sqlite:PATH`";
    QUEUE_CAPACITY = "FLOWHOOK_QUEUE_CAPACITY", "journal.queue_capacity", "100000",
        "how many changes may be pending before deliveries are answered 503";
    RETENTION_DAYS = "FLOWHOOK_RETENTION_DAYS", "journal.retention_days", "30",
        "how long settled deliveries and changes are kept";
    LOG = "FLOWHOOK_LOG", "log.filter", "info",
        "what is logged: `off`, `error`, `warn`, `info`, `debug`, `trace`, or `module=level,…`; without it, commands other than `serve` log from `warn`";
}

/// What only a start takes: a service that runs keeps what it has, since others have been told of it, or it holds what
/// another value would need.
pub(super) const AT_START: [&Key; 8] =
    [BASE_URL, TOKEN_URL, ALLOW_HTTP, LISTEN, ADMIN_LISTEN, JOURNAL, QUEUE_CAPACITY, RETENTION_DAYS];
