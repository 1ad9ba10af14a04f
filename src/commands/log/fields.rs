//! How the fields of a log line are written: as `tracing-subscriber` does, but that plain texts in a log without
//! colours, which nearly all are, are copied and not looked at letter by letter.

use std::error::Error;
use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::{RecordFields, VisitOutput as _};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};

/// The message's own field.
const MESSAGE: &str = "message";

/// Writes fields.
#[derive(Debug)]
pub(super) struct Fields;

impl<'w> FormatFields<'w> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line { writer, is_empty: true, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

/// A line as it grows.
struct Line<'w> {
    writer: Writer<'w>,
    is_empty: bool,
    result: fmt::Result,
}

impl Line<'_> {
    fn add(&mut self, write: impl FnOnce(&mut Writer<'_>, bool) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = write(&mut self.writer, self.is_empty);
        }
        self.is_empty = false;
    }

    fn add_by_default(&mut self, record: impl FnOnce(&mut DefaultVisitor<'_>)) {
        self.add(|writer, is_empty| {
            let mut visitor = DefaultVisitor::new(writer.by_ref(), is_empty);
            record(&mut visitor);
            visitor.finish()
        });
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.writer.has_ansi_escapes() || !is_plain(value) {
            return self.add_by_default(|visitor| visitor.record_str(field, value));
        }
        self.add(|writer, is_empty| {
            let pieces: &[&str] = match field.name() {
                MESSAGE => &[value],
                name => &[name, "=\"", value, "\""],
            };
            let space = if is_empty { "" } else { " " };
            [space].iter().chain(pieces).try_for_each(|piece| writer.write_str(piece))
        });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add_by_default(|visitor| visitor.record_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add_by_default(|visitor| visitor.record_debug(field, value));
    }
}

/// Whether a text has nothing in it that would be escaped.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use std::io;

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::fmt::format::DefaultFields;

    use super::*;

    /// What is logged, without its time.
    #[derive(Clone, Default)]
    struct Kept(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panics").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Kept {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn logged<F>(fields: F, with_colours: bool, log: impl FnOnce()) -> String
    where
        F: for<'w> FormatFields<'w> + Send + Sync + 'static,
    {
        let kept = Kept::default();
        let lines = tracing_subscriber::fmt().with_writer(kept.clone()).without_time();
        let lines = lines.with_ansi(with_colours).fmt_fields(fields).finish();
        tracing::subscriber::with_default(lines, log);
        let bytes = kept.0.lock().expect("nobody panics").clone();
        String::from_utf8(bytes).expect("a log is UTF-8")
    }

    #[test]
    fn a_line_is_as_the_library_writes_it() {
        let error = io::Error::other(BadLine(io::Error::other("\u{1b}[31m")));
        for text in ["plain", "", "a \"quote\"", "back\\slash", "line\nbreak", "\u{1b}[31m", "ümlaut"] {
            let log = || {
                tracing::info!(message = text, first = text, not_there = None::<&str>, http.status = 202);
                tracing::warn!(first = text, error = &error as &dyn Error, "{text}");
                tracing::warn!(%error, a.number = 1.5, a.truth = true, a.long = u128::MAX, r#type = text);
                tracing::warn!("{text} and no field");
            };
            for with_colours in [false, true] {
                let expected = logged(DefaultFields::new(), with_colours, log);
                assert_eq!(logged(Fields, with_colours, log), expected);
            }
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("a \"bad\" line")]
    struct BadLine(#[source] io::Error);
}
