//! Who may call: the schemes and sources of the settings file, and the source `config` of the single settings.

use std::net::SocketAddr;

use toml::Value;

use super::SOURCE;
use super::keys::{WEBHOOK_SCHEME, WEBHOOK_SECRET, WEBHOOK_SECRET_FILE};
use super::read::Read;
use super::secrets::{SEVERAL, has_several_lines};
use crate::source::{BadSource, Definition, Scheme, SchemeDefinition, Secret, Source, Sources};

/// A source, and what the settings say of it beside that.
pub(super) struct Caller {
    pub(super) source: Source,
    /// What to call the key of its scheme in a message.
    pub(super) scheme_key: String,
    /// Whether its token may come in the clear.
    pub(super) allows_http: bool,
    /// What is to be said about it at start-up.
    pub(super) warnings: Vec<String>,
}

impl Read<'_> {
    /// Everybody who may call.
    pub(super) fn callers(&mut self) -> Vec<Caller> {
        let named = &self.layers.named.sources;
        let schemes = self.schemes();
        let sources = self.things("sources", named);
        let single = [WEBHOOK_SECRET, WEBHOOK_SECRET_FILE, WEBHOOK_SCHEME];
        let has_single = single.iter().any(|key| self.layers.get(key).is_some());
        let mut callers: Vec<Caller> =
            sources.into_iter().filter_map(|(name, members)| self.caller(name, members, &schemes)).collect();
        if has_single && named.contains_key(SOURCE) {
            let set = single.into_iter().filter(|key| self.layers.get(key).is_some());
            let set: Vec<String> = set.map(|key| self.layers.name(key)).collect();
            let what = format!(
                "is set beside {}, which make a source of that name too: remove one",
                set.join(" and ")
            );
            self.wrong(&format!("sources.{SOURCE}"), &what);
        } else if has_single || (named.is_empty() && !self.layers.is_unread) {
            callers.extend(self.single_caller());
        }
        callers
    }

    /// A token that comes in the clear over a network is no secret for long.
    pub(super) fn check_tokens(&mut self, callers: &[Caller], listen: SocketAddr) {
        let is_read_by_others = |caller: &&Caller| {
            caller.source.scheme().is_token() && !caller.allows_http && !listen.ip().is_loopback()
        };
        for caller in callers.iter().filter(is_read_by_others) {
            let (key, scheme) = (&caller.scheme_key, caller.source.scheme().name());
            let name = caller.source.name();
            let instead =
                if self.layers.named.sources.contains_key(&**name) { "" } else { "make it a table: " };
            let what = format!(
                "is `{scheme}`, whose senders show their secret to whoever is between, and {listen} is not loopback: \
                 listen on loopback behind a proxy with TLS, or {instead}set `allow_http = true` in [sources.{name}]"
            );
            self.problems.push(super::Problem::new(key, &what));
        }
    }

    /// The schemes beside the presets.
    fn schemes(&mut self) -> Vec<Scheme> {
        let mut schemes = Vec::new();
        let named = &self.layers.named.schemes;
        for (name, members) in self.things("schemes", named) {
            let path = format!("schemes.{name}");
            let Some(definition) = self.shape::<SchemeDefinition>(&path, members) else { continue };
            match Scheme::custom(name, &definition) {
                Ok(scheme) => schemes.push(scheme),
                Err(bad) => {
                    bad.faults().for_each(|fault| self.wrong(&path, &format!("cannot be used: {fault}")));
                }
            }
        }
        schemes
    }

    /// A source of the settings file.
    fn caller(&mut self, name: &str, mut members: toml::Table, schemes: &[Scheme]) -> Option<Caller> {
        let path = format!("sources.{name}");
        let secrets = members.get("secrets").cloned();
        let secrets = secrets.map(|list| self.lines(&format!("{path}.secrets"), &list));
        let is_secretless = matches!(secrets, Some(None));
        let (places, texts): (Vec<_>, Vec<_>) = secrets.flatten().unwrap_or_default().into_iter().unzip();
        if members.contains_key("secrets") {
            members
                .insert("secrets".to_owned(), Value::Array(texts.into_iter().map(Value::String).collect()));
        }
        let definition: Definition = self.shape(&path, members)?;
        let source = match definition.source(name, schemes) {
            Ok(source) => source,
            Err(problems) => {
                let told_already =
                    |bad: &BadSource| is_secretless && matches!(bad, BadSource::NoSecret { .. });
                let is_bad_scheme = |bad: &BadSource| {
                    matches!(bad, BadSource::Scheme { .. })
                        && self.layers.named.schemes.contains_key(&definition.scheme)
                };
                for bad in problems.iter().filter(|bad| !told_already(bad) && !is_bad_scheme(bad)) {
                    let (key, what) = told(&path, bad, &places);
                    self.wrong(&key, &what);
                }
                return None;
            }
        };
        let place = self.layers.place(&path);
        let warnings = source.warnings().map(|warning| format!("{place}: {warning}")).collect();
        let scheme_key = self.layers.place(&format!("{path}.scheme"));
        Some(Caller { source, scheme_key, allows_http: definition.allow_http, warnings })
    }

    /// The source of the single settings.
    fn single_caller(&mut self) -> Option<Caller> {
        let scheme = Scheme::parse(&self.text(WEBHOOK_SCHEME));
        let scheme =
            scheme.map_err(|error| self.problem(WEBHOOK_SCHEME, &format!("names no scheme: {error}"))).ok();
        let missing =
            self.layers.get(WEBHOOK_SECRET).is_none() && self.layers.get(WEBHOOK_SECRET_FILE).is_none();
        if missing {
            self.problem(WEBHOOK_SECRET, &format!("is not set: it is {}", WEBHOOK_SECRET.about));
        }
        let in_file = self.layers.get(WEBHOOK_SECRET).is_none();
        let separator = if in_file { '\n' } else { ',' };
        let key = if in_file { WEBHOOK_SECRET_FILE } else { WEBHOOK_SECRET };
        // What a good secret is, only the scheme says.
        let text = self.secret_text(WEBHOOK_SECRET, WEBHOOK_SECRET_FILE);
        let (text, scheme) = text.zip(scheme)?;
        if !in_file && has_several_lines(&text) {
            self.problem(key, SEVERAL);
            return None;
        }
        let mut secrets = Vec::new();
        for (index, text) in text.trim_end_matches(['\r', '\n']).split(separator).enumerate() {
            let line = if in_file { text.strip_suffix('\r').unwrap_or(text) } else { text };
            match Secret::parse(&scheme, line) {
                Ok(secret) => secrets.push(secret),
                Err(error) => self.problem(key, &format!("is wrong at number {}: {error}", index + 1)),
            }
        }
        if secrets.is_empty() {
            return None;
        }
        let source = Source::new(SOURCE, scheme, secrets);
        let source = source.map_err(|error| self.problem(key, &format!("cannot be used: {error}"))).ok()?;
        let warnings = source.warnings().map(|warning| format!("{}: {warning}", key.variable)).collect();
        let scheme_key = self.layers.name(WEBHOOK_SCHEME);
        Some(Caller { source, scheme_key, allows_http: false, warnings })
    }
}

/// The sources by their names.
pub(super) fn named(callers: Vec<Caller>) -> Sources {
    Sources::new(callers.into_iter().map(|caller| caller.source))
        .expect("a table has no key twice, and `config` is in it or made of single settings, never both")
}

/// Which key is wrong, and what is; `places` are those of the secrets.
fn told(path: &str, bad: &BadSource, places: &[String]) -> (String, String) {
    let (key, what) = match bad {
        BadSource::Name { .. } | BadSource::Reserved { .. } | BadSource::Twice { .. } => {
            return (path.to_owned(), format!("cannot be used: {bad}"));
        }
        BadSource::Secret { number, why, .. } => {
            let place = number.checked_sub(1).and_then(|at| places.get(at));
            let place = place.map_or_else(|| format!("{path}.secrets"), Clone::clone);
            return (place, format!("is wrong: {why}"));
        }
        BadSource::Scheme { why, .. } => ("scheme", format!("names no scheme: {why}")),
        BadSource::NoSecret { .. } => ("secrets", "is empty: give what the sender signs with".to_owned()),
        BadSource::TooManySecrets { .. } => ("secrets", format!("cannot be used: {bad}")),
        BadSource::NoMethod { .. } => {
            ("methods", "is empty: name `POST`, or how else its deliveries come".to_owned())
        }
        BadSource::Number { key, most, .. } => (*key, format!("must be a whole number from 1 to {most}")),
    };
    (format!("{path}.{key}"), what)
}
