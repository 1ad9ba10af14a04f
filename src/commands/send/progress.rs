//! The progress line: on a terminal, rewritten in place.

use std::io::{self, IsTerminal as _, Write as _};

/// Goes back to the line's beginning and erases it (ECMA-48, `EL`).
const ERASE: &str = "\r\x1b[K";

/// How far it has come. Shown on standard error, and only if that is a terminal.
pub(super) struct Progress {
    is_shown: bool,
    files: usize,
    sent: usize,
    settled: usize,
}

impl Progress {
    pub(super) fn begin(files: usize) -> Self {
        let progress = Self { is_shown: io::stderr().is_terminal(), files, sent: 0, settled: 0 };
        progress.show();
        progress
    }

    pub(super) fn sent(&mut self) {
        self.sent += 1;
        self.show();
    }

    pub(super) fn settled(&mut self) {
        self.settled += 1;
    }

    /// Writes the line over the one that is there.
    pub(super) fn show(&self) {
        self.write(&format!("{ERASE}sent {} of {}, {} settled", self.sent, self.files, self.settled));
    }

    /// Makes room for other lines.
    pub(super) fn erase(&self) {
        self.write(ERASE);
    }

    fn write(&self, text: &str) {
        if self.is_shown {
            let mut terminal = io::stderr().lock();
            // A terminal that has gone away is no reason to stop sending.
            _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
        }
    }
}
