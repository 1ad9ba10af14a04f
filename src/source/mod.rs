//! Sources: who may call us, and how we know that it was them.
//!
//! A [`Source`] is a configuration system with the [`Scheme`] by which it signs and the secrets that it
//! signs with. [`Source::verify`] is the only way to a [`Verified`] delivery, and everything behind the
//! receiver takes nothing else: what has no signature cannot be parsed, stored or looked up.
//!
//! A scheme is data: a [`SchemeDefinition`], of those that come with us in `presets.toml` or of somebody's own. Another
//! sender is another definition, not another code path. Where a sender does what none did before, it takes a new
//! variant of one knob ([`key`], [`algorithm`], [`encoding`], [`id`], [`time`], [`content`], [`handshake`]), and an arm
//! where that knob is turned. What a definition must hold so that a signature means something is in [`build`].

mod algorithm;
mod bad_source;
mod build;
mod content;
mod definition;
mod encoding;
mod explain;
mod fault;
mod handshake;
mod id;
mod key;
mod kind;
mod presets;
mod refusal;
mod request;
mod row;
mod scheme;
mod scheme_definition;
mod secret;
mod sign;
mod template;
mod terms;
mod time;
mod verified;
mod verify;
mod warning;

use std::collections::HashMap;

pub use bad_source::BadSource;
pub use definition::Definition;
pub use explain::Check;
pub use handshake::{HANDSHAKE_BYTES, HandshakeReply};
pub use key::BadSecret;
pub use refusal::{BadDeliveryId, DELIVERY_ID_MAX_BYTES, VerifyError};
pub use scheme::{BadScheme, Scheme, UnknownScheme};
pub use scheme_definition::SchemeDefinition;
pub use secret::{SECRET_MIN_BYTES, Secret, ShortSecret};
pub use sign::CannotSign;
pub use terms::{BODY_BYTES, BODY_BYTES_MAX, Method, OnRejected, TOLERANCE_S, TOLERANCE_S_MAX, Terms};
pub use verified::Verified;
pub use verify::Step;
pub use warning::Warning;

use crate::change::{SourceName, shorten};

/// The most secrets that one source may have: the current one, the next, and some to spare. Each of
/// them costs a MAC over the body of every request, wrong ones too.
pub const SECRETS_MAX: usize = 4;
/// The longest name of a source, in bytes.
pub const NAME_MAX_BYTES: usize = 64;
/// Names of what makes changes by itself, in whose name nobody can call.
pub const RESERVED: [&str; 2] = ["operator", "reconcile"];

/// A configuration system that calls us. Its `Debug` shows no secret.
#[derive(Debug)]
pub struct Source {
    name: SourceName,
    scheme: Scheme,
    /// 1 to [`SECRETS_MAX`]; the first signs, any verifies.
    secrets: Vec<Secret>,
    terms: Terms,
}

impl Source {
    /// A source of that name, whose requests are signed by `scheme` with any one of `secrets`.
    ///
    /// # Errors
    /// [`BadSource`] when the name could not stand in `/hooks/{source}`, and when there is no secret
    /// (there is no mode in which signatures are optional) or more than [`SECRETS_MAX`].
    pub fn new(name: &str, scheme: Scheme, secrets: Vec<Secret>) -> Result<Self, BadSource> {
        check_name(name)?;
        match secrets.len() {
            0 => Err(BadSource::NoSecret { name: name.into() }),
            1..=SECRETS_MAX => Ok(Self { name: name.into(), scheme, secrets, terms: Terms::default() }),
            given => Err(BadSource::TooManySecrets { name: name.into(), given }),
        }
    }

    /// On other terms than the usual ones.
    #[must_use]
    pub fn on(self, terms: Terms) -> Self {
        Self { terms, ..self }
    }

    /// Its name, as in `POST /hooks/{source}`.
    pub fn name(&self) -> &SourceName {
        &self.name
    }

    /// How it signs.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// What is agreed with it beside that.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What is to be said about how it signs at start-up.
    pub fn warnings(&self) -> impl Iterator<Item = Warning> {
        let dated = self.scheme.is_dated().then(|| Warning::Dated(self.scheme.clone()));
        dated.into_iter().chain(self.secrets.iter().filter_map(Secret::shortness).map(Warning::Short))
    }
}

fn check_name(name: &str) -> Result<(), BadSource> {
    let follows = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_name = name.len() <= NAME_MAX_BYTES
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && name.bytes().all(follows);
    if !is_name {
        return Err(BadSource::Name { name: shorten(name) });
    }
    if RESERVED.contains(&name) { Err(BadSource::Reserved { name: name.into() }) } else { Ok(()) }
}

/// All sources of the service, by name.
#[derive(Debug, Default)]
pub struct Sources(HashMap<SourceName, Source>);

impl Sources {
    /// The sources, each under its own name.
    ///
    /// # Errors
    /// [`BadSource::Twice`] when two have the same name.
    pub fn new(sources: impl IntoIterator<Item = Source>) -> Result<Self, BadSource> {
        let mut by_name = HashMap::new();
        for source in sources {
            if let Some(twin) = by_name.insert(source.name.clone(), source) {
                return Err(BadSource::Twice { name: twin.name.as_ref().into() });
            }
        }
        Ok(Self(by_name))
    }

    /// The source of that name.
    pub fn find(&self, name: &str) -> Option<&Source> {
        self.0.get(name)
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.names().into_iter().filter_map(|name| self.find(name))
    }

    /// The names of all of them, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.keys().map(AsRef::as_ref).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::{BadSource, SECRETS_MAX, Scheme, Secret, Source, Sources};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn source(name: &str, secrets: usize) -> Result<Source, BadSource> {
        let scheme = Scheme::standard_webhooks();
        let secrets = (0..secrets).map(|_| Secret::parse(&scheme, SECRET).expect("a good secret")).collect();
        Source::new(name, scheme, secrets)
    }

    #[test]
    fn a_source_has_one_to_four_secrets() {
        assert_eq!(source("config", 0).err(), Some(BadSource::NoSecret { name: "config".into() }));
        assert!(source("config", 1).is_ok());
        assert!(source("config", SECRETS_MAX).is_ok());
        assert_eq!(
            source("config", SECRETS_MAX + 1).err(),
            Some(BadSource::TooManySecrets { name: "config".into(), given: 5 })
        );
    }

    #[test]
    fn a_name_must_be_able_to_stand_in_a_path() {
        let check = |name: &str, fits: bool| assert_eq!(source(name, 1).is_ok(), fits, "`{name}`");
        check("config", true);
        check("Config-2_eu", true);
        check(&"n".repeat(64), true);
        check(&"n".repeat(65), false);
        check("", false);
        check("-config", false);
        check("con/fig", false);
        check("..", false);
        check("con fig", false);
        check("naïve", false);
        check("operator", false);
        check("reconcile", false);
    }

    #[test]
    fn two_sources_cannot_share_a_name() {
        let two = ["config", "config"].map(|name| source(name, 1).expect("a good source"));
        assert_eq!(Sources::new(two).err(), Some(BadSource::Twice { name: "config".into() }));
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", Sources::new(source("config", 2)).expect("one source"));
        assert!(shown.contains("config") && shown.contains("REDACTED"), "{shown}");
        let key = [0x31, 0xf2, 0x90].map(|byte: u8| byte.to_string()).join(", ");
        assert!(!shown.contains(&SECRET[6..]) && !shown.contains(&key), "{shown}");
    }
}
