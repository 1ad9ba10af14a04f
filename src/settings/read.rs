//! Reads each room's settings out of the layers, and collects what is wrong with them.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;

use jiff::SignedDuration;
use reqwest::Url;
use secrecy::SecretString;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::files::{Files, shown_path};
use super::keys::{
    ADMIN_LISTEN, ADMIN_TOKEN, ADMIN_TOKEN_FILE, ALLOW_HTTP, BASE_URL, CLIENT_ID, CLIENT_SECRET,
    CLIENT_SECRET_FILE, JOURNAL, Key, LISTEN, LOG, QUEUE_CAPACITY, REQUESTS_PER_MINUTE, RETENTION_DAYS,
    TOKEN_URL,
};
use super::{Layers, Problem, Problems};
use crate::change::{BadId, shorten};
use crate::http::{is_on_loopback, shown};
use crate::{admin, journal, queue, tenant, worker};

/// The longest retention, a hundred years: whatever the time of day, what is that long ago has a date. The
/// shortest is a day: a sender that repeats a delivery within it is told that it is a duplicate.
const RETENTION_DAYS_AT_MOST: i64 = 36_500;
const AT_LEAST_1: &str = "a number of at least 1";

/// Reads settings and collects what is wrong with them. Where a value cannot be read it goes on with any,
/// since nothing is handed out while there is a problem.
pub(super) struct Read<'l> {
    pub(super) layers: &'l Layers,
    pub(super) problems: Problems,
    /// What was read, the layers' own files included.
    pub(super) files: Files,
}

impl<'l> Read<'l> {
    /// Begins with what is wrong with the layers themselves, and with the one setting that all need.
    pub(super) fn begin(layers: &'l Layers) -> Self {
        let mut read = Self { layers, problems: layers.problems.clone(), files: layers.files.clone() };
        read.log();
        read
    }

    pub(super) fn problem(&mut self, key: &Key, what: &str) {
        self.problems.push(Problem::new(&self.layers.name(key), what));
    }

    /// What is wrong at a place in the settings file.
    pub(super) fn wrong(&mut self, path: &str, what: &str) {
        self.problems.push(Problem::new(&self.layers.place(path), what));
    }

    pub(super) fn text(&self, key: &'static Key) -> String {
        self.layers.get(key).unwrap_or(key.default).to_owned()
    }

    fn required(&mut self, key: &'static Key) -> String {
        let text = self.layers.get(key).map(str::to_owned);
        text.unwrap_or_else(|| {
            self.problem(key, &format!("is not set: it is {}", key.about));
            String::new()
        })
    }

    /// The value, or its default, parsed.
    fn parsed<T: FromStr>(&mut self, key: &'static Key, expected: &str) -> Option<T> {
        let text = self.text(key);
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.problem(key, &format!("must be {expected}, not `{}`", shorten(&text)));
        }
        parsed
    }

    /// The value, or its default, as a number within bounds.
    pub(super) fn number<N: FromStr + PartialOrd>(
        &mut self,
        key: &'static Key,
        expected: &str,
        bounds: RangeInclusive<N>,
    ) -> Option<N> {
        let text = self.text(key);
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        if number.is_none() {
            self.problem(key, &format!("must be {expected}, not `{}`", shorten(&text)));
        }
        number
    }

    /// The value, or what the file holds that the other key names.
    pub(super) fn secret_text(&mut self, key: &'static Key, file: &'static Key) -> Option<String> {
        let path = match (self.layers.get(key), self.layers.get(file)) {
            (Some(text), None) => return Some(text.to_owned()),
            (None, None) => return None,
            (Some(_), Some(_)) => {
                self.problem(key, &format!("and {} are both set: remove one", file.variable));
                return None;
            }
            (None, Some(path)) => path.to_owned(),
        };
        match self.files.read_secret(Path::new(&path)) {
            Ok(text) => Some(text),
            Err(error) => {
                let what = "write the secret there, readable for this user";
                let shown = shown_path(&path);
                self.problem(file, &format!("names a file{shown} that cannot be read: {error}; {what}"));
                None
            }
        }
    }

    /// A secret of one line.
    fn secret(&mut self, key: &'static Key, file: &'static Key) -> Option<SecretString> {
        let text = self.secret_text(key, file)?;
        let line = text.trim_end_matches(['\r', '\n']);
        if line.is_empty() || line.contains('\n') {
            match self.layers.get(file) {
                Some(_) => self.problem(file, "must name a file with the secret on one line"),
                None => self.problem(key, "must be one line"),
            }
            return None;
        }
        Some(line.to_owned().into())
    }

    pub(super) fn log(&mut self) -> Option<Targets> {
        let text = self.layers.get(LOG)?.to_owned();
        // A word alone would be taken for a module, so that a misspelt level silenced everything else.
        let is_clear = |part: &str| part.contains('=') || part.trim().parse::<LevelFilter>().is_ok();
        let filter = text.split(',').all(is_clear).then(|| text.parse().ok()).flatten();
        if filter.is_none() {
            let expected = "`error`, `warn`, `info`, `debug`, `trace`, `off` or `module=level,…`";
            self.problem(LOG, &format!("must be {expected}, not `{}`", shorten(&text)));
        }
        filter
    }

    pub(super) fn id<T>(&mut self, key: &Key, parsed: Option<Result<T, BadId>>) -> Option<T> {
        parsed?.map_err(|bad| self.problem(key, &format!("cannot be used: {bad}"))).ok()
    }

    pub(super) fn tenant(&mut self) -> tenant::Settings {
        let allow_http = self.parsed(ALLOW_HTTP, "`true` or `false`").unwrap_or_default();
        let base_url = self.tenant_url(BASE_URL, allow_http);
        let token_url = match self.layers.get(TOKEN_URL) {
            Some(_) => self.tenant_url(TOKEN_URL, allow_http),
            None => format!("{base_url}/oauth/token"),
        };
        let client_id = self.required(CLIENT_ID);
        let client_secret = self.secret(CLIENT_SECRET, CLIENT_SECRET_FILE);
        if self.layers.get(CLIENT_SECRET).is_none() && self.layers.get(CLIENT_SECRET_FILE).is_none() {
            self.required(CLIENT_SECRET);
        }
        let is_paced = self.layers.get(REQUESTS_PER_MINUTE).is_some();
        let requests_per_minute =
            is_paced.then(|| self.number(REQUESTS_PER_MINUTE, AT_LEAST_1, 1..=u32::MAX)).flatten();
        tenant::Settings {
            token_url,
            base_url,
            client_id,
            client_secret: client_secret.unwrap_or_default(),
            requests_per_minute,
        }
    }

    /// A URL that gets our credentials: not in the clear, unless it stays on this machine or it is allowed.
    fn tenant_url(&mut self, key: &'static Key, allow_http: bool) -> String {
        let text = self.text(key).trim().to_owned();
        let Some(url) = self.url(key, &text) else { return text };
        if url.scheme() == "http" && !is_on_loopback(&text) && !allow_http {
            self.problem(
                key,
                &format!("is plain http, which would show the client's secret to the network: use https, or set {}=true", ALLOW_HTTP.variable),
            );
        }
        // They would be shown with the URL, and paths are appended to it.
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            self.problem(
                key,
                &format!("has a user, a password, a query or a fragment: remove it, since {} and {} say who we are", CLIENT_ID.variable, CLIENT_SECRET.variable),
            );
        }
        text.trim_end_matches('/').to_owned()
    }

    pub(super) fn url(&mut self, key: &'static Key, text: &str) -> Option<Url> {
        let url =
            Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if url.is_none() {
            self.problem(key, &format!("must be an http or https URL, not `{}`", shorten(&shown(text))));
        }
        url
    }

    pub(super) fn listen(&mut self) -> SocketAddr {
        self.parsed(LISTEN, "an address such as 127.0.0.1:8080").unwrap_or_else(unspecified)
    }

    pub(super) fn admin_listen(&mut self) -> SocketAddr {
        self.parsed(ADMIN_LISTEN, "an address such as 127.0.0.1:8081").unwrap_or_else(unspecified)
    }

    pub(super) fn admin_token(&mut self) -> Option<SecretString> {
        self.secret(ADMIN_TOKEN, ADMIN_TOKEN_FILE)
    }

    pub(super) fn admin(&mut self) -> admin::Settings {
        let listen = self.admin_listen();
        let token = self.admin_token();
        if token.is_none() && !listen.ip().is_loopback() {
            self.problem(
                ADMIN_LISTEN,
                &format!("is `{listen}`, which others can reach: set {} too", ADMIN_TOKEN.variable),
            );
        }
        admin::Settings { listen, token }
    }

    /// Two listeners need two addresses.
    pub(super) fn check_apart(&mut self, listen: SocketAddr, admin: SocketAddr) {
        if listen == admin && listen.port() != 0 {
            let what = format!("is `{admin}`, as {} is: choose another port", LISTEN.variable);
            self.problem(ADMIN_LISTEN, &what);
        }
    }

    pub(super) fn journal(&mut self) -> journal::Location {
        self.text(JOURNAL).parse().unwrap_or_else(|error: String| {
            self.problem(JOURNAL, &format!("cannot be used: {error}"));
            journal::Location::sqlite("")
        })
    }

    pub(super) fn queue(&mut self) -> queue::Settings {
        let capacity = self.number(QUEUE_CAPACITY, AT_LEAST_1, 1..=usize::MAX);
        queue::Settings { capacity: capacity.unwrap_or(1) }
    }

    pub(super) fn worker(&mut self) -> worker::Settings {
        let expected = format!("a number of days from 1 to {RETENTION_DAYS_AT_MOST}");
        let days = self.number(RETENTION_DAYS, &expected, 1..=RETENTION_DAYS_AT_MOST).unwrap_or(1);
        worker::Settings { retention: SignedDuration::from_hours(days * 24) }
    }
}

fn unspecified() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
