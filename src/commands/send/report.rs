//! What is told of all files: a line each as it ends, a summary, or all of it as JSON.

use std::time::{Duration, Instant};

use flowhook::change::State;
use serde::Serialize;
use serde_json::value::RawValue;

use super::progress::Progress;
use crate::commands::delivering::{Delivery, Ending};
use crate::commands::print;
use crate::exit::{Exit, Failed};

/// Collects how the files end.
pub(super) struct Report {
    begun: Instant,
    as_json: bool,
    progress: Progress,
    /// In the order given; nothing for those that have not ended yet.
    deliveries: Vec<Option<Delivery>>,
}

impl Report {
    pub(super) fn begin(files: usize, as_json: bool) -> Self {
        let deliveries = std::iter::repeat_with(|| None).take(files).collect();
        Self { begun: Instant::now(), as_json, progress: Progress::begin(files), deliveries }
    }

    /// One more file was sent.
    pub(super) fn sent(&mut self) {
        self.progress.sent();
    }

    /// The file at that place has come to its end.
    pub(super) fn ended(&mut self, (at, delivery): (usize, Delivery)) -> Result<(), Failed> {
        self.progress.settled();
        if !self.as_json {
            self.progress.erase();
            print(&delivery.line())?;
        }
        self.progress.show();
        self.deliveries[at] = Some(delivery);
        Ok(())
    }

    /// All files have ended: the summary, and the error of the first that came to no good end.
    pub(super) fn finish(self) -> Result<(), Failed> {
        self.progress.erase();
        let deliveries: Vec<Delivery> = self.deliveries.into_iter().flatten().collect();
        let mut summary = Summary { files: deliveries.len(), ..Summary::default() };
        deliveries.iter().for_each(|delivery| summary.count(&delivery.ending));
        summary.ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        if self.as_json {
            let deliveries = deliveries.iter().map(DeliveryJson::of).collect();
            let document = serde_json::to_string(&Document { deliveries, summary });
            print(&document.map_err(|error| Failed::new(Exit::Other, error))?)?;
        } else {
            print(&summary.line())?;
        }
        first_failed(&deliveries).map_err(|failed| failed.with_document(self.as_json))
    }
}

/// The error of the first file that came to no good end.
fn first_failed(deliveries: &[Delivery]) -> Result<(), Failed> {
    let mut bad = deliveries.iter().filter_map(|delivery| Some((&delivery.file, delivery.problem()?)));
    let Some((file, problem)) = bad.next() else { return Ok(()) };
    let others = match bad.count() {
        0 => String::new(),
        others => format!(" ({others} more came to no good end)"),
    };
    Err(Failed::new(problem.exit, anyhow::anyhow!("`{file}`: {problem}{others}")))
}

/// How many ended how: changes by their states, and files where no changes are known.
#[derive(Debug, Default, Serialize)]
struct Summary {
    files: usize,
    published: usize,
    unchanged: usize,
    superseded: usize,
    failed: usize,
    discarded: usize,
    pending: usize,
    /// On disk there, and not followed.
    accepted: usize,
    duplicate: usize,
    ignored: usize,
    refused: usize,
    unanswered: usize,
    unsent: usize,
    ms: u64,
}

impl Summary {
    fn count(&mut self, ending: &Ending) {
        match ending {
            Ending::Followed(changes) => changes.iter().for_each(|change| *self.of(change.state()) += 1),
            Ending::Accepted | Ending::Lost(_) => self.accepted += 1,
            Ending::Duplicate => self.duplicate += 1,
            Ending::Ignored => self.ignored += 1,
            Ending::Refused(_) => self.refused += 1,
            Ending::Unanswered(_) => self.unanswered += 1,
            Ending::Unsent(_) => self.unsent += 1,
        }
    }

    fn of(&mut self, state: State) -> &mut usize {
        match state {
            State::Pending => &mut self.pending,
            State::Published => &mut self.published,
            State::Unchanged => &mut self.unchanged,
            State::Superseded => &mut self.superseded,
            State::Failed => &mut self.failed,
            State::Discarded => &mut self.discarded,
        }
    }

    /// The summary in a line: what there was none of is left out.
    fn line(&self) -> String {
        let counts = [
            (self.published, "published"),
            (self.unchanged, "unchanged"),
            (self.superseded, "superseded"),
            (self.failed, "failed"),
            (self.discarded, "discarded"),
            (self.pending, "pending"),
            (self.accepted, "accepted and not followed"),
            (self.duplicate, "duplicate"),
            (self.ignored, "ignored"),
            (self.refused, "refused"),
            (self.unanswered, "unanswered"),
            (self.unsent, "not sent"),
        ];
        let told =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let files = if self.files == 1 { "file" } else { "files" };
        let told = told.collect::<Vec<_>>().join(", ");
        format!("{} {files} in {:.1} s: {told}", self.files, Duration::from_millis(self.ms).as_secs_f64())
    }
}

#[derive(Serialize)]
struct Document<'a> {
    deliveries: Vec<DeliveryJson<'a>>,
    summary: Summary,
}

#[derive(Serialize)]
struct DeliveryJson<'a> {
    file: &'a str,
    id: Option<&'a str>,
    status: Option<u16>,
    answer: Option<&'a RawValue>,
    changes: Vec<&'a RawValue>,
    /// What is wrong and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl<'a> DeliveryJson<'a> {
    fn of(delivery: &'a Delivery) -> Self {
        Self {
            file: &delivery.file,
            id: delivery.id.as_deref(),
            status: delivery.status.map(|status| status.as_u16()),
            answer: delivery.answer.as_deref(),
            changes: delivery.ending.changes().iter().map(|change| &*change.raw).collect(),
            problem: delivery.problem().map(|problem| problem.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn the_summary_leaves_out_what_there_was_none_of() {
        let check = |summary: Summary, expected: &str| assert_eq!(summary.line(), expected);
        check(
            Summary { files: 1, published: 1, ms: 56, ..Summary::default() },
            "1 file in 0.1 s: 1 published",
        );
        check(
            Summary {
                files: 100,
                superseded: 40,
                published: 59,
                refused: 1,
                ms: 3_240,
                ..Summary::default()
            },
            "100 files in 3.2 s: 59 published, 40 superseded, 1 refused",
        );
    }
}
