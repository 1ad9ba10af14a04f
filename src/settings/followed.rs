//! Settings that are followed: read to start with, and again when what they were read from says something else.

use super::files::Files;
use super::{Layers, Problems, Settings};
use crate::tenant;

/// The settings of a service that runs, and when to read them again.
pub struct Followed {
    /// As they were at the start: what only a start takes stays as it is there.
    start: Layers,
    /// The tenant as it was handed out last, which is in force.
    tenant: tenant::Settings,
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
        let settings = settings?;
        let tenant = settings.tenant.clone();
        Ok((settings, Self { start: layers, tenant, read, settling: None }))
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
        Look::New(self.handed_out(settings))
    }

    /// Reads the settings now, whatever the files said before.
    ///
    /// # Errors
    /// [`Problems`], all at once.
    pub fn reload(&mut self) -> Result<Box<Settings>, Problems> {
        let (settings, found) = self.read_again();
        (self.read, self.settling) = (found, None);
        self.handed_out(settings)
    }

    /// Remembers what is in force from now on.
    fn handed_out(&mut self, settings: Result<Box<Settings>, Problems>) -> Result<Box<Settings>, Problems> {
        settings.inspect(|settings| self.tenant = settings.tenant.clone())
    }

    /// The settings as a service that runs takes them. They must also be good for its next start.
    fn read_again(&self) -> (Result<Box<Settings>, Problems>, Files) {
        let mut layers = self.start.again();
        let (settings, mut found) = Settings::read(&layers);
        let waiting = layers.stay_as(&self.start);
        let awaited = match settings {
            Ok(settings) if !waiting.is_empty() => settings.tenant,
            settings => return (settings.map(Box::new), found),
        };
        let (settings, also_found) = Settings::read(&layers);
        found.add(also_found);
        let settings = settings.map(|mut settings| {
            let told =
                |name| format!("{name} is taken by a start only: restart flowhook to have what is there now");
            settings.warnings.extend(waiting.into_iter().map(told));
            // The client of another host is no business of the one that we still speak with.
            if !awaited.is_at(&settings.tenant) {
                settings.tenant.client_id.clone_from(&self.tenant.client_id);
                settings.tenant.client_secret = self.tenant.client_secret.clone();
                settings.warnings.push("the tenant's client stays as it is until then too".to_owned());
            }
            Box::new(settings)
        });
        (settings, found)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use secrecy::ExposeSecret as _;
    use tempfile::TempDir;

    use super::{Followed, Look};
    use crate::settings::Layers;

    const GOOD: &str = "[source]\nsecret_file = \"{folder}/secret\"\n[journal]\nqueue_capacity = 7\n";
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    struct Files(TempDir);

    impl Files {
        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// Writes a file, or removes it where there is no text.
        fn write(&self, name: &str, text: &str) {
            let text = text.replace("{folder}", &self.0.path().display().to_string());
            let written = if text.is_empty() {
                fs::remove_file(self.path(name))
            } else {
                fs::write(self.path(name), text)
            };
            written.expect("the folder is ours");
        }

        fn followed() -> (Self, Followed) {
            let files = Self(tempfile::tempdir().expect("a folder"));
            files.write("settings.toml", GOOD);
            files.write("secret", SECRET);
            let client = [("CXONE_CLIENT_ID", "id"), ("CXONE_CLIENT_SECRET", "s")];
            let layers = Layers::of_file(&files.path("settings.toml"), client);
            let (_settings, followed) = Followed::begin(layers).expect("good settings");
            (files, followed)
        }
    }

    fn word(look: &Look) -> &'static str {
        match look {
            Look::AsBefore => "as before",
            Look::Settling => "settling",
            Look::New(Ok(_)) => "good",
            Look::New(Err(_)) => "bad",
        }
    }

    #[test]
    fn what_is_new_counts_when_two_looks_in_a_row_find_the_same() {
        let check = |steps: &[(&str, &str, &str)]| {
            let (files, mut followed) = Files::followed();
            for (step, (name, text, expected)) in steps.iter().enumerate() {
                if !name.is_empty() {
                    files.write(name, text);
                }
                assert_eq!(word(&followed.look()), *expected, "step {step} of {steps:?}");
            }
        };
        let longer = format!("{SECRET}\n{SECRET}");
        let (half, moved) = (&GOOD[..GOOD.len() / 2], GOOD.replace("/secret", "/other"));
        check(&[("", "", "as before"), ("secret", SECRET, "as before")]);
        check(&[("secret", &longer, "settling"), ("", "", "good"), ("", "", "as before")]);
        check(&[("secret", &longer, "settling"), ("secret", SECRET, "as before"), ("", "", "as before")]);
        check(&[
            ("settings.toml", half, "settling"),
            ("settings.toml", &GOOD.replace('7', "8"), "settling"),
            ("", "", "good"),
        ]);
        check(&[
            ("settings.toml", half, "settling"),
            ("", "", "bad"),
            ("", "", "as before"),
            ("settings.toml", GOOD, "settling"),
            ("", "", "good"),
        ]);
        check(&[
            ("secret", "", "settling"),
            ("", "", "bad"),
            ("", "", "as before"),
            ("secret", SECRET, "settling"),
            ("", "", "good"),
        ]);
        // What the settings name is there before it is all there.
        check(&[
            ("settings.toml", &moved, "settling"),
            ("other", &SECRET[..9], "settling"),
            ("other", SECRET, "settling"),
            ("", "", "good"),
        ]);
        check(&[("settings.toml", "", "settling"), ("", "", "bad")]);
    }

    #[test]
    fn who_asks_has_them_read_at_once_and_what_was_told_then_is_not_told_again() {
        let (files, mut followed) = Files::followed();
        files.write("secret", "");
        assert!(followed.reload().is_err() && followed.reload().is_err());
        assert_eq!(word(&followed.look()), "as before");
        files.write("secret", SECRET);
        assert!(followed.reload().is_ok());
        assert_eq!(word(&followed.look()), "as before");
    }

    #[test]
    fn what_only_a_start_takes_stays_as_it_was_and_is_named() {
        let (files, mut followed) = Files::followed();
        files.write("settings.toml", &GOOD.replace('7', "8"));
        let settings = followed.reload().expect("good settings");
        assert_eq!(settings.queue.capacity, 7);
        let [warning] = settings.warnings.as_slice() else { panic!("one warning: {:?}", settings.warnings) };
        assert!(
            warning.starts_with("journal.queue_capacity in ") && warning.contains("restart"),
            "{warning}"
        );
        files.write("settings.toml", GOOD);
        assert!(followed.reload().expect("good settings").warnings.is_empty());
    }

    #[test]
    fn while_another_host_waits_for_a_restart_the_client_stays_the_one_of_this_host() {
        let check = |host: &str| {
            let files = Files(tempfile::tempdir().expect("a folder"));
            let settings = |tenant: &str| {
                format!("{GOOD}[tenant]\nclient_secret_file = \"{{folder}}/client\"\n{tenant}")
            };
            let write = |tenant: &str, secret: &str| {
                files.write("settings.toml", &settings(tenant));
                files.write("client", secret);
            };
            let in_force = |settings: &crate::settings::Settings| {
                let tenant = &settings.tenant;
                (tenant.client_id.clone(), tenant.client_secret.expose_secret().to_owned())
            };
            let expected = |id: &str, secret: &str| (id.to_owned(), secret.to_owned());
            files.write("secret", SECRET);
            write("client_id = \"a\"", "first");
            let layers = Layers::of_file(&files.path("settings.toml"), []);
            let (begun, mut followed) = Followed::begin(layers).expect("good settings");
            assert_eq!(in_force(&begun), expected("a", "first"));
            write("client_id = \"a\"", "second");
            assert_eq!(in_force(&followed.reload().expect("good settings")), expected("a", "second"));
            write(&format!("client_id = \"b\"\n{host}"), "of another host");
            let waiting = followed.reload().expect("good settings");
            assert_eq!(in_force(&waiting), expected("a", "second"), "{host}");
            assert!(waiting.warnings.iter().any(|told| told.contains("client stays")), "{waiting:?}");
            write("client_id = \"b\"", "third");
            assert_eq!(in_force(&followed.reload().expect("good settings")), expected("b", "third"));
        };
        check("base_url = \"https://other.example\"");
        check("token_url = \"https://other.example/token\"");
    }

    #[test]
    fn a_pipe_is_read_at_the_start_only() {
        let (files, mut followed) = Files::followed();
        files.write("secret", "");
        // Nobody writes into it: who opens it waits for ever.
        let path = files.path("secret");
        let made = std::process::Command::new("mkfifo").arg(path).status().expect("there is a `mkfifo`");
        assert!(made.success());
        let problems = followed.reload().expect_err("it cannot be read").to_string();
        assert!(problems.contains("no regular file") && problems.contains("restart"), "{problems}");
        assert_eq!(word(&followed.look()), "as before");
    }
}
