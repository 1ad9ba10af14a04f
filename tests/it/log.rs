//! What a test makes the program log.
//!
//! One subscriber for the whole binary, which keeps each thread's lines apart: subscribers set for one
//! thread only can lose events, since whether anybody wants an event is remembered for all threads. A
//! test's own runtime runs all its tasks on the test's thread, so those lines are the test's.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The log of one test.
pub(crate) struct Log;

impl Log {
    /// Begins to log, if nobody has begun yet.
    pub(crate) fn of_this_thread() -> Self {
        static BEGUN: Once = Once::new();
        BEGUN.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false)
                .with_writer(|| ThisThread)
                .init();
        });
        LINES.with_borrow_mut(Vec::clear);
        Self
    }

    /// All of it up to now.
    pub(crate) fn text(&self) -> String {
        LINES.with_borrow(|lines| String::from_utf8(lines.clone()).expect("a log is UTF-8"))
    }
}

struct ThisThread;

impl io::Write for ThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
