//! Where settings come from: a file, `.env` over it, the environment over both.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use super::dot_env::{self, DOT_ENV, DotEnv};
use super::environment::Environment;
use super::file::{self, Named};
use super::files::Files;
use super::keys::{ALLOWED_FLOWS, AT_START, CONFIG_VARIABLE, KEYS, Key};
use super::{Problem, Problems};
use crate::change::shorten;

/// What all names begin with that can only be meant for us.
const PREFIX: &str = "FLOWHOOK_";
/// Such names that are no settings: where the settings are, and where `fixtures/replay.sh` posts to.
const OTHERS: [&str; 2] = [CONFIG_VARIABLE, "FLOWHOOK_URL"];

/// All settings: the single ones as text, by their variable's name, an empty one counting as none; and the things
/// with names of their own, which only the file has.
#[derive(Default)]
pub struct Layers {
    values: BTreeMap<&'static str, Value>,
    /// The things with names.
    pub(super) named: Named,
    environment: Environment,
    dot_env: DotEnv,
    /// The file that was read, for messages.
    file: Option<PathBuf>,
    /// Whether it could not be read, so that nobody knows what else there is.
    pub(super) is_unread: bool,
    /// What was read.
    pub(super) files: Files,
    /// What cannot be read, and every key of the file that there is not: reported with whatever else is
    /// wrong for the command that asks.
    pub(super) problems: Problems,
    /// What is to be said of names that are no settings.
    pub(super) warnings: Vec<String>,
}

/// A value, and whether it was written in the settings file.
#[derive(Clone, PartialEq, Eq)]
struct Value {
    text: String,
    in_file: bool,
}

impl Layers {
    /// Reads all layers; `config` names the file, else the environment does, else there is none. What is
    /// wrong with them is told when settings are asked for.
    pub fn load(config: Option<&Path>) -> Self {
        let from_environment =
            env::var_os(CONFIG_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let file = config.map(Path::to_owned).or(from_environment);
        Self::read(file, Environment::OfProcess, Files::default())
    }

    /// Only these settings, by their variables' names.
    pub fn of<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::read(None, Environment::of(values), Files::default())
    }

    /// Only this file and, over it, these settings.
    pub fn of_file<'a>(file: &Path, values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::read(Some(file.to_owned()), Environment::of(values), Files::default())
    }

    /// The same layers as they are now.
    pub(super) fn again(&self) -> Self {
        Self::read(self.file.clone(), self.environment.clone(), Files::later())
    }

    fn read(file: Option<PathBuf>, environment: Environment, mut files: Files) -> Self {
        let mut problems = Problems::default();
        let in_file = file.as_ref().and_then(|file| file::read(file, &mut files, &mut problems));
        let is_unread = file.is_some() && in_file.is_none();
        let in_file = in_file.unwrap_or_default();
        let dot_env = match environment {
            Environment::OfProcess => dot_env::read(&mut files, &mut problems),
            Environment::Given(_) => DotEnv::default(),
        };
        let mut layers = Self { file, is_unread, named: in_file.named, files, ..Self::default() };
        for (key, text) in in_file.values {
            layers.add(key, text, true, &mut problems);
        }
        layers.note_unknown(dot_env.names(), DOT_ENV);
        let names = environment.names();
        let names = names.iter().map(String::as_str).filter(|name| !is_of_kubernetes(name));
        layers.note_unknown(names, "the environment");
        for key in KEYS {
            let text = dot_env.get(key.variable, &mut problems).map(str::to_owned);
            let over_it = environment.get(key.variable, &mut problems);
            for text in [text, over_it].into_iter().flatten() {
                layers.add(key, text, false, &mut problems);
            }
        }
        Self { environment, dot_env, problems, ..layers }
    }

    /// Sets one setting over all layers.
    pub fn set(&mut self, variable: &'static str, text: String) {
        self.values.insert(variable, Value { text, in_file: false });
    }

    /// Whether nothing at all is set.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.file.is_none()
    }

    /// Forgets every setting but these.
    pub fn keep_only(&mut self, variables: &[&str]) {
        self.values.retain(|variable, _| variables.contains(variable));
        self.named = Named::default();
    }

    /// Keeps what only a start takes as it was at the start; what is another now is named.
    pub(super) fn stay_as(&mut self, start: &Self) -> Vec<String> {
        let mut named = Vec::new();
        for key in AT_START {
            let (now, then) = (self.values.get(key.variable), start.values.get(key.variable));
            if now.map(|value| &value.text) == then.map(|value| &value.text) {
                continue;
            }
            named.push(if now.is_some() { self.name(key) } else { start.name(key) });
            match then.cloned() {
                Some(then) => _ = self.values.insert(key.variable, then),
                None => _ = self.values.remove(key.variable),
            }
        }
        named
    }

    /// The value of a setting.
    pub(super) fn get(&self, key: &Key) -> Option<&str> {
        self.values.get(key.variable).map(|value| value.text.as_str())
    }

    /// What to call a setting in a message: where it is to be found.
    pub(super) fn name(&self, key: &Key) -> String {
        match self.values.get(key.variable) {
            Some(Value { in_file: true, .. }) => self.place(key.file),
            _ => key.variable.to_owned(),
        }
    }

    /// What to call a place in the settings file in a message.
    pub(super) fn place(&self, path: &str) -> String {
        // Names in it are anybody's own.
        let path = path.split('.').map(shorten).collect::<Vec<_>>().join(".");
        match &self.file {
            Some(file) => format!("{path} in {}", file.display()),
            None => path,
        }
    }

    /// What the environment, or `.env` under it, has under any name.
    pub(super) fn variable(&self, name: &str, problems: &mut Problems) -> Option<String> {
        let text = self.environment.get(name, problems).filter(|text| !text.is_empty());
        text.or_else(|| self.dot_env.get(name, problems).map(str::to_owned))
    }

    fn add(&mut self, key: &'static Key, text: String, in_file: bool, problems: &mut Problems) {
        if !text.is_empty() {
            self.values.insert(key.variable, Value { text, in_file });
        } else if key == ALLOWED_FLOWS {
            // None at all would mean any.
            let name = if in_file { self.place(key.file) } else { key.variable.to_owned() };
            let what = "is empty, which would allow every flow: name flows, or remove it";
            problems.push(Problem::new(&name, what));
        }
    }

    /// Remembers names that look like settings of ours and are none: misspelt, they would do nothing.
    fn note_unknown<'a>(&mut self, names: impl Iterator<Item = &'a str>, place: &str) {
        let is_known = |name: &str| OTHERS.contains(&name) || KEYS.iter().any(|key| key.variable == name);
        for name in names.filter(|name| name.starts_with(PREFIX) && !is_known(name)) {
            if !self.named.refer_to(name) {
                let name = shorten(name);
                self.warnings
                    .push(format!("{name} in {place} is no setting: see the README for their names"));
            }
        }
    }
}

/// Kubernetes puts such names into every container beside a service that is called `flowhook`.
fn is_of_kubernetes(name: &str) -> bool {
    name == "FLOWHOOK_PORT" || name.starts_with("FLOWHOOK_PORT_") || name.starts_with("FLOWHOOK_SERVICE_")
}
