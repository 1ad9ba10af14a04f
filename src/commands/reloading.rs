//! Settings that change while the service runs: looked at again and again, and read at once on SIGHUP.

use std::time::Duration;

use flowhook::service::Reloading;
use flowhook::settings::{Followed, Look, Problems, Settings};

use super::log::LogFilter;
use super::signals::Hangups;

/// How often the files are looked at. What is new is taken by the second look that finds it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why files are read.
enum Because {
    ItIsTime,
    OfTheSignal,
}

/// Has the service take what its settings become. Never ends by itself.
pub(super) async fn follow(
    mut followed: Followed,
    reloading: Reloading,
    log: LogFilter,
    hangups: &mut Hangups,
) {
    loop {
        let because = tokio::select! {
            () = hangups.next() => Because::OfTheSignal,
            () = tokio::time::sleep(LOOK_EVERY) => Because::ItIsTime,
        };
        // A disk or a server of files that does not answer must hold up nobody else.
        let reading = tokio::task::spawn_blocking(move || {
            let look = match because {
                Because::ItIsTime => followed.look(),
                Because::OfTheSignal => Look::New(followed.reload()),
            };
            (followed, look)
        });
        let look;
        (followed, look) = match reading.await {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "reading the settings broke down: restart to have new ones taken");
                return std::future::pending().await;
            }
        };
        match look {
            Look::AsBefore | Look::Settling => {}
            Look::New(Ok(settings)) => take(*settings, &reloading, &log),
            Look::New(Err(problems)) => refuse(&problems),
        }
    }
}

fn take(settings: Settings, reloading: &Reloading, log: &LogFilter) {
    log.set(settings.log.clone());
    reloading.reload(settings);
}

fn refuse(problems: &Problems) {
    let all = problems.iter().collect::<Vec<_>>().join("; ");
    tracing::error!("the settings cannot be used, and those of before stay in force: {all}");
}
