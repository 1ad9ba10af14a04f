//! The way of the log's lines to whoever reads them.
//!
//! A thread of their own writes them, those of a few milliseconds together. So a request costs no system call for its
//! line, and nobody who logs waits for who reads: if that one stops reading, lines are lost and counted, first those
//! that matter least, and deliveries go on. How many were lost is told as soon as something can be written again. At
//! an orderly end nothing else is lost, unless nobody reads; `kill -9` takes the last few milliseconds of the log, but
//! nothing of the journal.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long lines wait for others to be written with.
const GATHER: Duration = Duration::from_millis(5);
/// Between two attempts to write where nothing can be taken just now and nobody says when.
const AGAIN: Duration = Duration::from_millis(5);
/// The most bytes of lines that wait: a few thousand lines. As many may be in the writer's hands.
const WAITING_BYTES: usize = 1_024 * 1_024;
/// What of these is kept free for errors alone, and as much again for errors and warnings: a flood of requests, which
/// are `INFO`, or `WARN` where they are refused, takes no room from what is more serious.
const RESERVED_BYTES: usize = 128 * 1_024;
/// How long the end waits for a reader that does not read.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where lines are handed in.
#[derive(Debug)]
pub(super) struct Lines(Arc<Buffer>);

/// The end of the log: dropped, it waits until all lines are written, or for [`FAREWELL`].
#[derive(Debug)]
#[must_use]
pub(crate) struct Farewell(Arc<Buffer>);

/// The way in for lines of one level; each is written to it in one piece.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    buffer: &'a Buffer,
    /// The most bytes that may wait with such a line.
    room: usize,
}

/// Lines on their way.
#[derive(Debug, Default)]
struct Buffer {
    waiting: Mutex<Waiting>,
    /// There is something to write where there was nothing, or the end has come, or it is over.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// How many lines found no room since the writer last took what waits.
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

impl Lines {
    /// Begins to write to `out`.
    pub(super) fn begin(mut out: impl Write + Send + 'static) -> io::Result<(Self, Farewell)> {
        let buffer = Arc::new(Buffer::default());
        let ours = Arc::clone(&buffer);
        thread::Builder::new().name("log".to_owned()).spawn(move || ours.write_all_to(&mut out))?;
        Ok((Self(Arc::clone(&buffer)), Farewell(buffer)))
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Entry<'a>;

    fn make_writer(&'a self) -> Entry<'a> {
        self.0.entry(Level::ERROR)
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Entry<'a> {
        self.0.entry(*event.level())
    }
}

impl Write for Entry<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.buffer.lock();
        if waiting.is_nothing() {
            self.buffer.changed.notify_all();
        }
        if waiting.bytes.len() + line.len() > self.room {
            waiting.lost += 1;
        } else {
            waiting.bytes.extend_from_slice(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Waiting {
    fn is_nothing(&self) -> bool {
        self.bytes.is_empty() && self.lost == 0
    }
}

impl Buffer {
    fn entry(&self, level: Level) -> Entry<'_> {
        let reserved = match level {
            Level::ERROR => 0,
            Level::WARN => RESERVED_BYTES,
            _ => 2 * RESERVED_BYTES,
        };
        Entry { buffer: self, room: WAITING_BYTES - reserved }
    }

    fn write_all_to(&self, out: &mut impl Write) {
        let mut batch = Vec::new();
        let mut lost = 0;
        while let Some(without_room) = self.next(&mut batch) {
            lost = write_and_tell(out, &batch, lost + without_room);
            batch.clear();
        }
    }

    /// Takes what waits, a moment after the first of it, and how many lines found no room; none when it is over.
    fn next(&self, batch: &mut Vec<u8>) -> Option<usize> {
        let is_idle = |waiting: &mut Waiting| waiting.is_nothing() && waiting.state == State::Open;
        let waiting = self.changed.wait_while(self.lock(), is_idle).unwrap_or_else(PoisonError::into_inner);
        let is_open = |waiting: &mut Waiting| waiting.state == State::Open;
        let gathered = self.changed.wait_timeout_while(waiting, GATHER, is_open);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        if waiting.is_nothing() {
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

impl Drop for Farewell {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.state = State::Ending;
        self.0.changed.notify_all();
        let is_on = |waiting: &mut Waiting| waiting.state != State::Over;
        drop(self.0.changed.wait_timeout_while(waiting, FAREWELL, is_on));
    }
}

/// Writes lines, and then how many are lost by now; how many are still to be told.
fn write_and_tell(out: &mut impl Write, lines: &[u8], lost: usize) -> usize {
    let lost = lost + write(out, lines);
    // Whatever the log's filter says: the lost lines had passed it.
    let is_told = lost == 0 || write(out, notice(lost).as_bytes()) == 0;
    if is_told { 0 } else { lost }
}

/// Writes lines, however long that takes; how many of them could not be written.
fn write(out: &mut impl Write, mut lines: &[u8]) -> usize {
    while !lines.is_empty() {
        match out.write(lines) {
            Ok(written @ 1..) => lines = &lines[written..],
            // Whoever shares a terminal or a pipe with us may have set it non-blocking.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(AGAIN),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Where a log that cannot be written could be told is the log.
            Ok(0) | Err(_) => break,
        }
    }
    lines.iter().filter(|byte| **byte == b'\n').count()
}

/// The line that tells how many were lost, in the log's form.
fn notice(lost: usize) -> String {
    let now = Timestamp::now();
    format!(
        "{now:.6}  WARN lines of the log were lost, as they could not be written in time log.lost={lost}\n"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::{self, ErrorKind, Write};
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use tracing::Level;

    use super::{Buffer, Lines, State, WAITING_BYTES};

    const KIBIBYTE: [u8; 1_024] = [b'x'; 1_024];

    /// Whatever is written, as it is written; whoever writes waits until it is read.
    struct Pipe(SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map(|()| bytes.len()).map_err(|_gone| ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pipe() -> (Pipe, Receiver<Vec<u8>>) {
        let (pipe, end) = sync_channel(0);
        (Pipe(pipe), end)
    }

    /// Takes as much at a time, or fails so, and then takes all.
    #[derive(Default)]
    struct Moody {
        moods: VecDeque<Result<usize, ErrorKind>>,
        taken: Vec<u8>,
    }

    impl Write for Moody {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = self.moods.pop_front().unwrap_or(Ok(bytes.len()))?;
            self.taken.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Buffer {
        /// Adds a line.
        fn add(&self, level: Level, line: &[u8]) {
            self.entry(level).write_all(line).expect("whoever logs hears of no trouble");
        }

        /// Adds lines until one finds no room.
        fn flood(&self, level: Level) {
            let lost = self.lock().lost;
            while self.lock().lost == lost {
                self.add(level, &KIBIBYTE);
            }
        }

        /// What is written of what waits when the program ends.
        fn end(&self, moods: &[Result<usize, ErrorKind>]) -> String {
            let mut out = Moody { moods: moods.iter().copied().collect(), ..Moody::default() };
            self.lock().state = State::Ending;
            self.write_all_to(&mut out);
            String::from_utf8(out.taken).expect("a log is UTF-8")
        }
    }

    /// The buffer of three lines.
    fn three_lines() -> Buffer {
        let buffer = Buffer::default();
        ["one\n", "two\n", "three\n"].iter().for_each(|line| buffer.add(Level::INFO, line.as_bytes()));
        buffer
    }

    #[test]
    fn all_lines_are_written_in_order_before_the_end() {
        let (pipe, end) = pipe();
        let reader = std::thread::spawn(move || end.iter().collect::<Vec<_>>());
        let (lines, farewell) = Lines::begin(pipe).expect("a thread");
        (0..1_000).for_each(|number| lines.0.add(Level::INFO, format!("{number}\n").as_bytes()));
        drop(farewell);
        let read = reader.join().expect("it reads").concat();
        let expected: String = (0..1_000).map(|number| format!("{number}\n")).collect();
        assert_eq!(String::from_utf8(read), Ok(expected));
    }

    #[test]
    fn nobody_waits_for_a_reader_that_does_not_read_and_what_is_too_much_is_counted() {
        let (pipe, end) = pipe();
        let (lines, farewell) = Lines::begin(pipe).expect("a thread");
        lines.0.add(Level::INFO, b"in the writer's hands\n");
        while !lines.0.lock().is_nothing() {
            std::thread::yield_now();
        }
        lines.0.flood(Level::ERROR);
        lines.0.flood(Level::INFO);
        assert!(lines.0.lock().bytes.len() <= WAITING_BYTES);
        let reader = std::thread::spawn(move || end.iter().collect::<Vec<_>>());
        drop(farewell);
        let read = String::from_utf8(reader.join().expect("it reads").concat()).expect("a log is UTF-8");
        assert!(read.ends_with(" log.lost=2\n"), "{:?}", read.get(read.len() - 100..));
    }

    #[test]
    fn a_reader_that_has_gone_away_costs_its_lines_and_nothing_else() {
        let (pipe, end) = pipe();
        drop(end);
        let (lines, farewell) = Lines::begin(pipe).expect("a thread");
        lines.0.add(Level::INFO, b"one\n");
        drop(farewell);
        assert!(lines.0.lock().bytes.is_empty());
    }

    #[test]
    fn a_warning_survives_a_flood() {
        let lines = Lines(Arc::default());
        let buffer = Arc::clone(&lines.0);
        let log = tracing_subscriber::fmt().with_writer(lines).with_ansi(false).finish();
        let flood = String::from_utf8_lossy(&KIBIBYTE);
        let is_full = || std::mem::take(&mut buffer.lock().lost) > 0;
        tracing::subscriber::with_default(log, || {
            while !is_full() {
                tracing::info!("{flood}");
            }
            // Longer than those: it finds no room beside them.
            tracing::warn!("a warning {flood}");
            while !is_full() {
                tracing::warn!("{flood}");
            }
            tracing::error!("an error {flood}");
            while !is_full() {
                tracing::error!("{flood}");
            }
        });
        assert!(buffer.lock().bytes.len() <= WAITING_BYTES);
        let written = buffer.end(&[]);
        assert!(written.contains("a warning") && written.contains("an error"));
    }

    #[test]
    fn lost_lines_are_told_at_the_very_end() {
        let buffer = three_lines();
        buffer.flood(Level::INFO);
        let written = buffer.end(&[]);
        assert!(written.starts_with("one\ntwo\nthree\nxxx"));
        assert!(written.ends_with(" log.lost=1\n"), "{:?}", written.get(written.len() - 100..));
    }

    #[test]
    fn lines_that_could_not_be_written_are_told_as_soon_as_one_can() {
        let check = |moods: &[_], written: &str, lost: usize| {
            let all = three_lines().end(moods);
            let notice = all.strip_prefix(written).unwrap_or_default();
            let told = format!(
                "  WARN lines of the log were lost, as they could not be written in time log.lost={lost}\n"
            );
            assert_eq!(notice.split_once('Z').map(|(_, told)| told), Some(&*told), "{all}");
        };
        check(&[Err(ErrorKind::StorageFull)], "", 3);
        check(&[Ok(4), Err(ErrorKind::StorageFull)], "one\n", 2);
        check(&[Ok(0)], "", 3);
    }

    #[test]
    fn what_could_not_be_told_is_told_with_the_next_lines() {
        let mut out = Moody { moods: [Err(ErrorKind::StorageFull); 2].into(), ..Moody::default() };
        let lost = super::write_and_tell(&mut out, b"one\ntwo\n", 0);
        assert_eq!((lost, &*out.taken), (2, &b""[..]));
        assert_eq!(super::write_and_tell(&mut out, b"three\n", lost), 0);
        let taken = String::from_utf8_lossy(&out.taken);
        assert!(taken.starts_with("three\n") && taken.ends_with(" log.lost=2\n"), "{taken}");
    }

    #[test]
    fn who_cannot_take_a_line_just_now_is_asked_again() {
        let moods = [
            Err(ErrorKind::WouldBlock),
            Ok(2),
            Err(ErrorKind::Interrupted),
            Ok(3),
            Err(ErrorKind::WouldBlock),
        ];
        assert_eq!(three_lines().end(&moods), "one\ntwo\nthree\n");
    }
}
