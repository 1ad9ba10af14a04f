//! The way of the log's lines to whoever reads them.
//!
//! A thread of their own writes them, those of a few milliseconds together. So a request costs no system call for its
//! line, and nobody who logs waits for who reads: if that one stops reading, lines are lost and counted, and
//! deliveries go on. At an orderly end nothing is lost; `kill -9` takes the last few milliseconds of the log, but
//! nothing of the journal.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long lines wait for others to be written with.
const GATHER: Duration = Duration::from_millis(5);
/// The most bytes of lines that wait: a few thousand lines.
const WAITING_BYTES: usize = 1_024 * 1_024;
/// How long the end waits for a reader that does not read.
const FAREWELL: Duration = Duration::from_secs(2);

/// Lines on their way. Each is written to it in one piece.
#[derive(Debug, Default)]
pub(super) struct Lines {
    waiting: Mutex<Waiting>,
    /// There are lines where there were none, or the end has come, or it is over.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// How many lines found no room since it was last told.
    lost: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// What waits is still written.
    Ending,
    Over,
}

/// The end of the log: dropped, it waits until all lines are written.
#[derive(Debug)]
#[must_use]
pub(crate) struct Farewell(Arc<Lines>);

impl Lines {
    /// Begins to write to `out`.
    pub(super) fn begin(mut out: impl Write + Send + 'static) -> io::Result<(Arc<Self>, Farewell)> {
        let lines = Arc::new(Self::default());
        let ours = Arc::clone(&lines);
        thread::Builder::new().name("log".to_owned()).spawn(move || ours.write_all_to(&mut out))?;
        Ok((Arc::clone(&lines), Farewell(lines)))
    }

    fn write_all_to(&self, out: &mut impl Write) {
        let mut batch = Vec::new();
        while let Some(lost) = self.next(&mut batch) {
            // Where a log that cannot be written could be told is the log.
            _ = out.write_all(&batch);
            batch.clear();
            if lost > 0 {
                tracing::warn!(log.lost = lost, "lines of the log were lost, as nobody read it in time");
            }
        }
    }

    /// Takes what waits, a moment after the first of it, and how many lines were lost; none when it is over.
    fn next(&self, batch: &mut Vec<u8>) -> Option<usize> {
        let is_idle = |waiting: &mut Waiting| waiting.bytes.is_empty() && waiting.state == State::Open;
        let waiting = self.changed.wait_while(self.lock(), is_idle).unwrap_or_else(PoisonError::into_inner);
        let is_open = |waiting: &mut Waiting| waiting.state == State::Open;
        let gathered = self.changed.wait_timeout_while(waiting, GATHER, is_open);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        if waiting.bytes.is_empty() {
            waiting.state = State::Over;
            self.changed.notify_all();
            return None;
        }
        std::mem::swap(batch, &mut waiting.bytes);
        Some(std::mem::take(&mut waiting.lost))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.lock();
        if waiting.bytes.len() + line.len() > WAITING_BYTES {
            waiting.lost += 1;
        } else {
            if waiting.bytes.is_empty() {
                self.changed.notify_all();
            }
            waiting.bytes.extend_from_slice(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.state = State::Ending;
        self.0.changed.notify_all();
        let is_on = |waiting: &mut Waiting| waiting.state != State::Over;
        drop(self.0.changed.wait_timeout_while(waiting, FAREWELL, is_on));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::{Lines, WAITING_BYTES};

    /// Whatever is written, as it is written; whoever writes waits until it is read.
    struct Pipe(SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0
                .send(bytes.to_vec())
                .map(|()| bytes.len())
                .map_err(|_gone| io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pipe() -> (Pipe, Receiver<Vec<u8>>) {
        let (pipe, end) = sync_channel(0);
        (Pipe(pipe), end)
    }

    fn add(mut lines: &Lines, line: &[u8]) {
        lines.write_all(line).expect("whoever logs hears of no trouble");
    }

    #[test]
    fn all_lines_are_written_in_order_before_the_end() {
        let (pipe, end) = pipe();
        let reader = std::thread::spawn(move || end.iter().collect::<Vec<_>>());
        let (lines, farewell) = Lines::begin(pipe).expect("a thread");
        (0..1_000).for_each(|number| add(&lines, format!("{number}\n").as_bytes()));
        drop(farewell);
        let read = reader.join().expect("it reads").concat();
        let expected: String = (0..1_000).map(|number| format!("{number}\n")).collect();
        assert_eq!(String::from_utf8(read), Ok(expected));
    }

    #[test]
    fn nobody_waits_for_a_reader_that_does_not_read_and_what_is_too_much_is_counted() {
        let (pipe, end) = pipe();
        let (lines, farewell) = Lines::begin(pipe).expect("a thread");
        let line = [b'x'; 1_024];
        // The first is in the writer's hands, sooner or later.
        (0..3 * WAITING_BYTES / line.len()).for_each(|_| add(&lines, &line));
        let lost = lines.lock().lost;
        assert!(lost > 0 && lines.lock().bytes.len() <= WAITING_BYTES);
        let reader = std::thread::spawn(move || end.iter().map(|read| read.len()).sum::<usize>());
        drop(farewell);
        assert!(reader.join().expect("it reads") <= 2 * WAITING_BYTES);
    }

    #[test]
    fn a_reader_that_has_gone_away_costs_its_lines_and_nothing_else() {
        let (pipe, end) = pipe();
        drop(end);
        let (lines, farewell) = Lines::begin(pipe).expect("a thread");
        add(&lines, b"one\n");
        drop(farewell);
        assert!(lines.lock().bytes.is_empty());
    }
}
