//! What the journal's commits cost, on a file of the disk that the target folder is on:
//!
//! ```text
//! cargo bench --bench journal
//! JOURNAL_ROWS=1000000 cargo bench --bench journal -- accept
//! ```
//!
//! The second fills the journal first, with so many changes that are settled. Beside the commits stands what one write
//! of 4 KiB costs until it is on the disk, for none can be cheaper.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use flowhook::change::{
    Admission, Delivery, FlowId, Mode, NewChange, NodeId, State, Values, Variable, Verdict,
};
use flowhook::journal::{
    Attempt, Committed, Effect, Ending, Journal, Location, Mark, Outcome, Plan, Settlement, Step, Target,
    Write as _,
};
use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How many deliveries share a commit.
const GROUPS: [usize; 4] = [1, 32, 256, 1024];
/// How many changes a publish carries, folded into one.
const FOLDS: [usize; 3] = [1, 32, 1000];
/// Over how many flows the deliveries go.
const FLOWS: u64 = 1000;

/// So many changes that were published, each of a delivery of its own with a random id.
const FILL: [&str; 2] = [
    "INSERT INTO deliveries (source, delivery_id, state, received_at, first_change, last_change)
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
     SELECT 'config', 'msg_' || lower(hex(randomblob(16))), 'accepted', 1780000000000 + i, i, i FROM n",
    r#"INSERT INTO changes (delivery, route, flow, node, mode, variables, state, settled_at, version, attempt)
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
     SELECT i, 'default', 'flow-' || (i * 7919 % 1000), 'node_set_vars', 'merge',
         '[{"name":"routing_priority","value":"high"},{"name":"queue_target","value":"vip"},{"name":"max_wait_time_seconds","value":30}]',
         'published', 1780000000000 + i, '14', '0198c0de000070008000' || printf('%012x', i) FROM n"#,
];

/// A journal in a folder of its own.
struct Kept {
    journal: Journal,
    /// The number of its last change.
    last: i64,
    _folder: TempDir,
}

impl Kept {
    async fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let location = Location::sqlite(folder.path().join("journal.db"));
        let rows = std::env::var("JOURNAL_ROWS").map_or(0, |rows| rows.parse().expect("a number of rows"));
        if rows > 0 {
            fill(&location, rows).await;
        }
        let begun = Instant::now();
        let journal = Journal::open(&location).await.expect("a journal");
        if rows > 0 {
            println!("opened with {rows} settled changes in {:?}", begun.elapsed());
        }
        Self { journal, last: rows, _folder: folder }
    }

    /// Commits, and how long that took.
    async fn commit(&mut self, steps: &[Step], deliveries: &[Delivery]) -> (Committed, Duration) {
        let (steps, deliveries) = (Vec::from_iter(steps), Vec::from_iter(deliveries));
        let begun = Instant::now();
        let committed = self.journal.writer.commit(Timestamp::now(), &steps, &deliveries).await;
        let took = begun.elapsed();
        (committed.expect("it is on disk"), took)
    }
}

async fn fill(location: &Location, rows: i64) {
    let Journal { writer, reader } = Journal::open(location).await.expect("a new journal");
    reader.close().await;
    writer.close().await;
    let connection = Connection::open(location.path()).expect("the file");
    connection.pragma_update(None, "foreign_keys", false).expect("no transaction is open");
    for sql in FILL {
        connection.execute(sql, [rows]).expect("rows");
    }
    connection.close().expect("closed");
}

fn delivery(flow: u64) -> Delivery {
    let set =
        [("routing_priority", r#""high""#), ("queue_target", r#""vip""#), ("max_wait_time_seconds", "30")];
    let change = NewChange {
        route: Arc::from("default"),
        flow: FlowId::parse(&format!("flow-{flow}")).expect("an id"),
        node: NodeId::parse("node_set_vars").expect("an id"),
        mode: Mode::Merge,
        values: Values::Known(set.map(|(name, json)| Variable::new(name, json).expect("JSON")).into()),
        order_key: None,
    };
    Delivery {
        source: Arc::from("config"),
        id: format!("msg_{:032x}", fastrand::u128(..)),
        received_at: Timestamp::now(),
        verdict: Verdict::Changes(vec![change]),
    }
}

fn accept(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut kept = runtime.block_on(Kept::new());
    let mut group = c.benchmark_group("accept");
    for size in GROUPS {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_custom(|commits| {
                runtime.block_on(async {
                    let mut took = Duration::ZERO;
                    for _ in 0..commits {
                        let deliveries: Vec<_> =
                            (0..size).map(|_| delivery(fastrand::u64(..FLOWS))).collect();
                        let (committed, more) = kept.commit(&[], &deliveries).await;
                        let is_new = |admitted: &_| *admitted == Admission::Accepted { changes: 1 };
                        assert!(committed.admitted.iter().all(|admitted| is_new(&admitted.admission)));
                        took += more;
                    }
                    took
                })
            });
        });
    }
}

/// The two steps of a publish that carries these changes, the newest of which wins.
fn publish(flow: &FlowId, first: i64, last: i64) -> [Step; 2] {
    let state = |seq| if seq == last { State::Published } else { State::Superseded };
    let endings: Vec<_> = (first..=last).map(|seq| Ending { seq, state: state(seq), reason: None }).collect();
    let mark = |name: &str| Mark {
        node: "node_set_vars".to_owned(),
        target: Target::Variable(name.to_owned()),
        keys: [].into(),
        order_key: None,
        seq: last,
        route: "default".to_owned(),
        value: Some("30".to_owned()),
    };
    let marks = ["routing_priority", "queue_target", "max_wait_time_seconds"].map(mark).to_vec();
    let plan = Plan { endings: endings.clone(), marks: marks.clone(), edits: Vec::new() };
    let id = format!("{:032x}", fastrand::u128(..));
    let attempt = Attempt { id: id.clone(), flow: flow.clone(), base_version: "14".to_owned(), plan };
    let attempted = Some((id, Outcome::Published));
    let settlement = Settlement { attempt: attempted, endings, version: Some("15".to_owned()), marks };
    [Step::Attempt(Box::new(attempt)), Step::Settle { flow: flow.clone(), settlement }]
}

/// One publish, which is two commits.
fn settle(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut kept = runtime.block_on(Kept::new());
    let flow = FlowId::parse("flow-0").expect("an id");
    let mut last = kept.last;
    let mut group = c.benchmark_group("publish");
    for size in FOLDS {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_custom(|publishes| {
                runtime.block_on(async {
                    let mut took = Duration::ZERO;
                    for _ in 0..publishes {
                        let deliveries: Vec<_> = (0..size).map(|_| delivery(0)).collect();
                        kept.commit(&[], &deliveries).await;
                        let first = last + 1;
                        last += size as i64;
                        for step in publish(&flow, first, last) {
                            let (committed, more) = kept.commit(&[step], &[]).await;
                            assert!(matches!(committed.effects[..], [Effect::Written { .. }]));
                            took += more;
                        }
                    }
                    took
                })
            });
        });
    }
}

fn fsync(c: &mut Criterion) {
    let mut file: File = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).expect("a file");
    c.bench_function("fsync of 4 KiB", |bencher| {
        bencher.iter(|| {
            file.rewind().and_then(|()| file.write_all(&[7; 4096])).expect("the file is ours");
            file.sync_data().expect("the disk is well");
        });
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    accept(&mut criterion);
    settle(&mut criterion);
    fsync(&mut criterion);
    criterion.final_summary();
}
