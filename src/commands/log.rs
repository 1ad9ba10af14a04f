//! The log: where it goes, and what of it.

mod lines;

use std::io::{self, Write as _};

use anstream::adapter::strip_str;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;

pub(crate) use lines::Farewell;
use lines::Lines;

/// What is logged, to be set while the program runs.
#[derive(Clone)]
pub(crate) struct LogFilter {
    handle: Handle<Targets, Registry>,
    /// What holds where no setting says so.
    default: Targets,
}

impl LogFilter {
    /// Begins to log. Logs go to standard error, so that standard output is the command's own; in colour if that is
    /// a terminal and nothing speaks against it (`NO_COLOR`). All is written once the [`Farewell`] is dropped,
    /// if somebody reads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn begin(filter: Option<Targets>, default: Targets) -> io::Result<(Self, Farewell)> {
        let (lines, farewell) = Lines::begin(io::stderr())?;
        let lines =
            tracing_subscriber::fmt::layer().with_writer(lines).with_ansi(is_coloured()).with_target(false);
        let (filter, handle) = reload::Layer::new(filter.unwrap_or_else(|| default.clone()));
        tracing_subscriber::registry().with(filter).with(lines).init();
        Ok((Self { handle, default }, farewell))
    }

    /// Logs by this from now on; by the default where it is none.
    pub(crate) fn set(&self, filter: Option<Targets>) {
        // It fails only once nobody logs any more.
        _ = self.handle.reload(filter.unwrap_or_else(|| self.default.clone()));
    }
}

/// Prints the program's last words to standard error, once the [`Farewell`] is dropped: in the log's way, so that
/// nobody waits for ever for who does not read.
pub(crate) fn say_last(words: &str) {
    let words = if is_coloured() { words.to_owned() } else { strip_str(words).to_string() };
    // There is nobody to tell that standard error cannot be written.
    _ = match Lines::begin(io::stderr()) {
        Ok((lines, _farewell)) => lines.make_writer().write_all(words.as_bytes()),
        Err(_no_thread) => io::stderr().write_all(words.as_bytes()),
    };
}

/// Whether standard error is a terminal that nobody refuses colours for.
fn is_coloured() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}
