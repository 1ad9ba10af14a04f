//! Settings that are followed: read to start with, and again when what they were read from says something else.

use super::files::Files;
use super::{Layers, Problems, Settings};

/// The settings of a service that runs, and when to read them again.
pub struct Followed {
    /// As they were at the start: what only a start takes stays as it is there.
    start: Layers,
    /// What the last reading that counted found, whether or not the settings could be used.
    read: Files,
    /// What a look found that differs from that.
    settling: Option<Files>,
}

/// What a look found.
#[derive(Debug)]
pub enum Look {
    /// What the last reading found.
    AsBefore,
    /// Something else than the last look. It may be half-written, or some files may still be missing: the next look
    /// decides.
    Settling,
    /// The same as the last look, which had found something new: the settings that this makes.
    New(Result<Box<Settings>, Problems>),
}

impl Followed {
    /// Follows these settings.
    ///
    /// # Errors
    /// [`Problems`], all at once.
    pub fn begin(layers: Layers) -> Result<(Settings, Self), Problems> {
        let (settings, read) = Settings::read(&layers);
        Ok((settings?, Self { start: layers, read, settling: None }))
    }

    /// Looks whether the files say something new. Settings that cannot be used are told once: from then on they are
    /// what there was before.
    pub fn look(&mut self) -> Look {
        if !self.read.have_changed() {
            self.settling = None;
            return Look::AsBefore;
        }
        let (settings, found) = self.read_again();
        if self.settling.replace(found.clone()) != Some(found) {
            return Look::Settling;
        }
        self.read = self.settling.take().unwrap_or_default();
        Look::New(settings)
    }

    /// Reads the settings now, whatever the files said before.
    ///
    /// # Errors
    /// [`Problems`], all at once.
    pub fn reload(&mut self) -> Result<Box<Settings>, Problems> {
        let (settings, found) = self.read_again();
        (self.read, self.settling) = (found, None);
        settings
    }

    /// The settings as a service that runs takes them. They must also be good for its next start.
    fn read_again(&self) -> (Result<Box<Settings>, Problems>, Files) {
        let mut layers = self.start.again();
        let (settings, mut found) = Settings::read(&layers);
        let waiting = layers.stay_as(&self.start);
        if settings.is_err() || waiting.is_empty() {
            return (settings.map(Box::new), found);
        }
        let (settings, also_found) = Settings::read(&layers);
        found.add(also_found);
        let settings = settings.map(|mut settings| {
            let told =
                |name| format!("{name} is taken by a start only: restart flowhook to have what is there now");
            settings.warnings.extend(waiting.into_iter().map(told));
            Box::new(settings)
        });
        (settings, found)
    }
}
