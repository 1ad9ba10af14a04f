//! A source as settings write it down.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::terms::{BODY_BYTES, BODY_BYTES_MAX, Method, OnRejected, TOLERANCE_S, TOLERANCE_S_MAX, Terms};
use super::{BadSource, Scheme, Secret, Source};

/// What stands in `[sources.NAME]`, its secrets as the texts that they are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The name of a preset or of one of `[schemes]`.
    pub scheme: String,
    /// Any of them verifies, the first signs.
    pub secrets: Vec<SecretString>,
    /// How far the time of signing may be from ours, either way.
    #[serde(default = "tolerance_s")]
    pub tolerance_seconds: i64,
    /// The longest body.
    #[serde(default = "body_bytes")]
    pub body_bytes: usize,
    /// How deliveries come.
    #[serde(default = "methods")]
    pub methods: Vec<Method>,
    /// What is answered to a delivery that cannot be carried out.
    #[serde(default)]
    pub rejected: OnRejected,
    /// Whether a token may come in the clear over a network: whoever reads it once can send anything for ever.
    #[serde(default)]
    pub allow_http: bool,
}

fn tolerance_s() -> i64 {
    TOLERANCE_S
}

fn body_bytes() -> usize {
    BODY_BYTES
}

fn methods() -> Vec<Method> {
    vec![Method::Post]
}

impl Definition {
    /// The source of that name; `custom` are the schemes that there are beside the presets.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn source(&self, name: &str, custom: &[Scheme]) -> Result<Source, Vec<BadSource>> {
        let mut problems = Vec::new();
        let terms = self.terms(name).map_err(|bad| problems.extend(bad)).ok();
        // What a good secret is, only the scheme says.
        let scheme = Scheme::find(&self.scheme, custom)
            .map_err(|why| problems.push(BadSource::Scheme { name: name.into(), why }))
            .ok();
        let secrets = scheme.as_ref().map_or_else(Vec::new, |scheme| {
            let mut secrets = Vec::new();
            for (index, text) in self.secrets.iter().enumerate() {
                match Secret::parse(scheme, text.expose_secret()) {
                    Ok(secret) => secrets.push(secret),
                    Err(why) => {
                        let (name, number) = (name.into(), index + 1);
                        problems.push(BadSource::Secret { name, number, why });
                    }
                }
            }
            secrets
        });
        // Those that are bad have been told of one by one.
        if let (Some(scheme), Some(terms), true) = (scheme, terms, problems.is_empty()) {
            return Source::new(name, scheme, secrets)
                .map(|source| source.on(terms))
                .map_err(|bad| vec![bad]);
        }
        problems.extend(super::check_name(name).err());
        Err(problems)
    }

    fn terms(&self, name: &str) -> Result<Terms, Vec<BadSource>> {
        let Self { tolerance_seconds, body_bytes, methods, rejected, .. } = self;
        let number = |key, most: u64| BadSource::Number { name: name.into(), key, most };
        let checks = [
            (!(1..=TOLERANCE_S_MAX).contains(tolerance_seconds))
                .then(|| number("tolerance_seconds", TOLERANCE_S_MAX.unsigned_abs())),
            (!(1..=BODY_BYTES_MAX).contains(body_bytes)).then(|| number("body_bytes", BODY_BYTES_MAX as u64)),
            methods.is_empty().then(|| BadSource::NoMethod { name: name.into() }),
        ];
        let problems: Vec<_> = checks.into_iter().flatten().collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let (tolerance_s, body_bytes) = (*tolerance_seconds, *body_bytes);
        Ok(Terms { tolerance_s, body_bytes, methods: methods.clone(), rejected: *rejected })
    }
}
