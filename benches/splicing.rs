//! What it costs to edit a variable of a flow document, next to one validating scan of the same text by `serde_json`.
//!
//! `cargo bench --bench splicing` prints, for each document, the medians of alternating rounds, what they are of a
//! scan, and how much memory an edit takes at most beside the document's text; then come Criterion's figures. One
//! document alone: `cargo bench --bench splicing -- "16 MB, last node"`.

#[path = "shared/median.rs"]
mod median;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use flowhook::change::Variable;
use flowhook::flow::{Document, NodeEdit, same_value};
use flowhook::sandbox::{SAMPLE_NODE, large_flow};
use peak_alloc::PeakAlloc;
use serde_json::value::RawValue;

use median::median;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// How often each of a document's figures is taken, in turns.
const ROUNDS: usize = 15;
/// About how long a node of [`large_flow`] is.
const NODE_BYTES: usize = 247;
/// How long Criterion works on each of its figures.
const WARM_UP: Duration = Duration::from_millis(300);
const MEASUREMENT: Duration = Duration::from_secs(1);
const KB: usize = 1_000;
const MB: usize = 1_000_000;
/// What the edited variable becomes.
const VALUE: &str = "\"as never before\"";

/// A document, and the variable in it that is edited.
struct Case {
    name: &'static str,
    text: String,
    node: String,
    variable: Variable,
}

impl Case {
    fn new(name: &'static str, text: String, node: &str, variable: &str) -> Self {
        let variable = Variable::new(variable, VALUE).expect("a JSON text");
        Self { name, text, node: node.to_owned(), variable }
    }

    fn edit(&self) -> NodeEdit<'_> {
        NodeEdit { node: &self.node, replace: None, set: vec![&self.variable] }
    }
}

fn cases() -> Vec<Case> {
    let many = |bytes: usize| large_flow("f", bytes / NODE_BYTES);
    let in_the_middle = |name, text| Case::new(name, text, SAMPLE_NODE, "routing_priority");
    let last = format!("node_{:05}", 16 * MB / NODE_BYTES - 1);
    let long = format!("\"{}\"", "Bitte warten \\u2026 ".repeat(16 * MB / 20));
    vec![
        in_the_middle("10 KB", many(10 * KB)),
        in_the_middle("1 MB", many(MB)),
        in_the_middle("16 MB", many(16 * MB)),
        Case::new("16 MB, first node", many(16 * MB), "node_00000", "attempt"),
        Case::new("16 MB, last node", many(16 * MB), &last, "attempt"),
        in_the_middle("16 MB, a long text in another node", many(10 * KB).replacen("\"p3.wav\"", &long, 1)),
        in_the_middle("16 MB, a long text in the same node", many(10 * KB).replacen("\"general\"", &long, 1)),
    ]
}

fn scan(text: &str) {
    black_box(serde_json::from_str::<&RawValue>(text).expect("JSON"));
}

fn parse(text: String) -> Document {
    Document::parse(text).expect("a flow")
}

fn edit(document: &Document, case: &Case) -> String {
    document.edited(&[case.edit()]).expect("the node is there")
}

/// What is done with the answer to a PUT: its version is read, and whether our value is there.
fn check(answer: &Document, case: &Case) {
    black_box(answer.version());
    let node = answer.node(&case.node).expect("the node is there");
    let there = node.variable(&case.variable.name).expect("it is there once");
    assert!(there.is_some_and(|there| same_value(there, VALUE)), "{} was not edited", case.name);
}

/// The time that something takes, with what comes of it.
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let made = black_box(work());
    (start.elapsed(), made)
}

/// The median of some times, in milliseconds.
fn median_ms(times: &[Duration]) -> f64 {
    median(times.iter().map(Duration::as_secs_f64)) * 1e3
}

/// Prints the figures of a document, taken in alternating rounds.
fn compare(case: &Case, rounds: usize) {
    let (mut scans, mut parses, mut edits, mut checks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut text = case.text.clone();
    let mut most = 0;
    for _ in 0..rounds {
        scans.push(timed(|| scan(&text)).0);
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let (took, document) = timed(|| parse(text));
        parses.push(took);
        let (took, edited) = timed(|| edit(&document, case));
        edits.push(took);
        most = most.max(MEMORY.peak_usage() - before);
        let answer = parse(edited);
        checks.push(timed(|| check(&answer, case)).0);
        text = document.into_text();
    }
    let [scan, parse, edit, check] = [scans, parses, edits, checks].map(|times| median_ms(&times));
    let copies = |bytes: usize| f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1e3;
    let (most, whole) = (copies(most), copies(case.text.len()));
    println!(
        "{:36} scan {scan:8.3} ms, parse {parse:8.3} ms, edit {edit:7.3} ms: {:.2} of a scan; look at the answer \
         {check:.3} ms; memory {:.2} of the text",
        case.name,
        (parse + edit) / scan,
        most / whole,
    );
}

fn measure(criterion: &mut Criterion, case: &Case) {
    let mut group = criterion.benchmark_group("splicing");
    group.sample_size(10).warm_up_time(WARM_UP).measurement_time(MEASUREMENT);
    group.throughput(Throughput::Bytes(case.text.len() as u64));
    group.bench_function(BenchmarkId::new("scan", case.name), |bencher| bencher.iter(|| scan(&case.text)));
    group.bench_function(BenchmarkId::new("parse", case.name), |bencher| {
        bencher.iter_custom(|rounds| {
            let mut text = case.text.clone();
            let mut all = Duration::ZERO;
            for _ in 0..rounds {
                let (took, document) = timed(|| parse(text));
                all += took;
                text = document.into_text();
            }
            all
        });
    });
    let document = parse(case.text.clone());
    group.bench_function(BenchmarkId::new("edit", case.name), |bencher| {
        bencher.iter_with_large_drop(|| edit(&document, case));
    });
    let answer = parse(edit(&document, case));
    group.bench_function(BenchmarkId::new("look at the answer", case.name), |bencher| {
        bencher.iter(|| check(&answer, case));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    // Criterion's own arguments begin with dashes: what does not is a document's name.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let cases =
        cases().into_iter().filter(|case| wanted.as_deref().is_none_or(|name| case.name.contains(name)));
    let cases: Vec<Case> = cases.collect();
    // `cargo test --all-targets` and `-- --test` only try whether it works.
    let is_tried = !std::env::args().any(|argument| argument == "--bench");
    let is_tried = is_tried || std::env::args().any(|argument| argument == "--test");
    cases.iter().for_each(|case| compare(case, if is_tried { 1 } else { ROUNDS }));
    cases.iter().for_each(|case| measure(&mut criterion, case));
    criterion.final_summary();
}
