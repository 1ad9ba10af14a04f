//! What it costs to fold changes of one flow and to draft their publish: a turn pays it once for all that has piled up,
//! so it has to grow no faster than they do.
//!
//! `cargo bench --bench folding`; the throughput is in changes.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use flowhook::change::{Change, FlowId, Mode, NewChange, NodeId, Seq, Values, Variable};
use flowhook::flow::Document;
use flowhook::journal::{Mark, Target};
use flowhook::sandbox::large_flow;
use flowhook::worker::draft;

/// How many changes are folded.
const CHANGES: [usize; 4] = [1, 100, 1_000, 10_000];
/// How many nodes the flow has.
const NODES: usize = 1_000;
/// The variables that a change sets.
const VARIABLES: [&str; 3] = ["routing_priority", "queue_target", "max_wait_time_seconds"];

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .configure_from_args();
    bench(&mut criterion, "one node", 1);
    bench(&mut criterion, "many nodes", NODES);
    criterion.final_summary();
}

/// Folds changes that come to so many nodes in turns, each of which has marks from before.
fn bench(criterion: &mut Criterion, name: &str, nodes: usize) {
    let document = Document::parse(large_flow("f", NODES)).expect("a flow");
    let marks: Vec<Mark> = (0..nodes).flat_map(marks).collect();
    let mut group = criterion.benchmark_group(name);
    for count in CHANGES {
        let changes: Vec<Change> = (0..count).map(|at| change(at, at % nodes)).collect();
        group.throughput(Throughput::Elements(u64::try_from(count).expect("a few")));
        group.bench_with_input(BenchmarkId::from_parameter(count), &changes, |bencher, changes| {
            bencher.iter(|| draft(black_box(&document), black_box(changes), black_box(&marks)));
        });
    }
    group.finish();
}

fn node(at: usize) -> String {
    format!("node_{at:05}")
}

fn change(at: usize, node_at: usize) -> Change {
    let variable = |name: &&str| Variable::new(*name, &at.to_string()).expect("a number");
    let what = NewChange {
        route: Arc::from("default"),
        flow: FlowId::parse("f").expect("an id"),
        node: NodeId::parse(&node(node_at)).expect("an id"),
        mode: Mode::Merge,
        values: Values::Known(VARIABLES.iter().map(variable).collect()),
        order_key: None,
    };
    Change { seq: Seq::try_from(at).expect("a few") + 1, what, held_ms: 0 }
}

/// What stands for a node's variables: all of it older than any change.
fn marks(node_at: usize) -> impl Iterator<Item = Mark> {
    VARIABLES.iter().map(move |name| Mark {
        node: node(node_at),
        target: Target::Variable((*name).to_owned()),
        keys: BTreeMap::new(),
        order_key: None,
        seq: 0,
        route: "default".to_owned(),
        value: Some("0".to_owned()),
    })
}
