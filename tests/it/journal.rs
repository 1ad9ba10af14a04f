//! The journal, on a real file.

use std::fs;
use std::path::Path;

use flowhook::change::{Admission, Change, Delivery, NewChange, OrderKey, Seq, State, Values, Wanted};
use flowhook::journal::{
    Admitted, Attempt, ChangeFilter, DeliveryFilter, Effect, Ending, Fetched, GateEnd, Journal, JournalError,
    Location, Mark, Outcome, Plan, Read as _, Reader, Settlement, Step, Target, Write as _,
};
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::deliveries::{change, change_of, delivery, flow, now, rejected};
use crate::program::{Program, WEBHOOK_SECRET};

/// A journal in a folder of its own.
pub(crate) struct Kept {
    folder: TempDir,
    journal: Journal,
}

impl Kept {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = open(&folder.path().join("journal.db")).await.expect("a new journal");
        Self { folder, journal }
    }

    /// Closes it in order and opens it again.
    pub(crate) async fn reopened(self) -> Self {
        let Self { folder, journal } = self;
        journal.reader.close().await;
        journal.writer.close().await;
        let journal = open(&folder.path().join("journal.db")).await.expect("the same journal");
        Self { folder, journal }
    }

    /// What a process finds that starts after this one was killed: the files as they are now.
    pub(crate) async fn after_a_crash(&self) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["journal.db", "journal.db-wal"] {
            fs::copy(self.folder.path().join(name), folder.path().join(name)).expect("a file to copy");
        }
        let journal = open(&folder.path().join("journal.db")).await.expect("it recovers");
        Self { folder, journal }
    }

    pub(crate) async fn admit(&mut self, delivery: &Delivery) -> Admitted {
        let mut commit = self.journal.writer.begin(now()).expect("a commit");
        let admitted = commit.admit(delivery).expect("it is admitted");
        commit.finish().expect("it is on disk");
        admitted
    }

    pub(crate) async fn step(&mut self, step: Step) -> usize {
        self.step_at(now(), step).await
    }

    pub(crate) async fn step_at(&mut self, at: Timestamp, step: Step) -> usize {
        match self.effect_at(at, &step) {
            Effect::Written { ended } => ended.total(),
            Effect::Stale | Effect::Acted(_) | Effect::Pruned { .. } => 0,
        }
    }

    pub(crate) async fn effect(&mut self, step: Step) -> Effect {
        self.effect_at(now(), &step)
    }

    fn effect_at(&mut self, at: Timestamp, step: &Step) -> Effect {
        let mut commit = self.journal.writer.begin(at).expect("a commit");
        let effect = commit.step(step).expect("it is taken");
        commit.finish().expect("it is on disk");
        effect
    }

    pub(crate) async fn end(&mut self, seq: Seq, state: State, at: Timestamp) -> usize {
        let endings = vec![Ending { seq, state, reason: None }];
        let settlement = Settlement { endings, ..Settlement::default() };
        let change = self.journal.reader.change(seq).await.expect("read").expect("it is there");
        self.step_at(at, Step::Settle { flow: flow(&change.flow), settlement }).await
    }

    pub(crate) async fn pending(&self, flow_id: &str) -> Vec<Change> {
        self.journal.reader.ready(&flow(flow_id), 100, usize::MAX).await.expect("it can be read").changes
    }

    async fn pending_seqs(&self, flow_id: &str) -> Vec<Seq> {
        self.pending(flow_id).await.iter().map(|change| change.seq).collect()
    }

    /// All changes as `seq state`, oldest first.
    pub(crate) async fn changes(&self) -> Vec<String> {
        let filter = ChangeFilter { limit: 100, ..ChangeFilter::default() };
        let changes = self.journal.reader.changes(&filter).await.expect("it can be read");
        changes.iter().rev().map(|change| format!("{} {}", change.seq, change.state)).collect()
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.journal.reader
    }

    async fn has_delivery(&self, id: &str) -> bool {
        self.journal.reader.delivery("config", id).await.expect("it can be read").is_some()
    }

    pub(crate) async fn prune(&mut self, before: Timestamp) {
        self.step(Step::Prune { before, at_most: 100 }).await;
    }
}

async fn open(path: &Path) -> Result<Journal, JournalError> {
    Journal::open(&Location::sqlite(path)).await
}

/// Opens what must be refused; the message with its causes.
async fn refusal(path: &Path) -> String {
    let error = open(path).await.expect_err("it must be refused");
    let mut message = error.to_string();
    assert!(message.contains(&*path.to_string_lossy()), "the message must name the file: {message}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        message += &format!(": {error}");
        cause = error.source();
    }
    message
}

fn attempt(id: &str, flow_id: &str) -> Step {
    attempt_with(id, flow_id, Vec::new())
}

pub(crate) fn attempt_with(id: &str, flow_id: &str, endings: Vec<Ending>) -> Step {
    let plan = Plan { endings, marks: Vec::new(), edits: Vec::new() };
    Step::Attempt(Box::new(Attempt {
        id: id.to_owned(),
        flow: flow(flow_id),
        base_version: "7".to_owned(),
        plan,
    }))
}

fn accepted(changes: usize, flows: &[&str]) -> Admitted {
    let flows = flows.iter().map(|id| flow(id)).collect();
    Admitted { admission: Admission::Accepted { changes }, flows }
}

fn nothing(admission: Admission) -> Admitted {
    Admitted { admission, flows: Vec::new() }
}

#[tokio::test]
async fn a_journal_belongs_to_one_process() {
    let kept = Kept::new().await;
    let path = kept.folder.path().join("journal.db");
    assert!(refusal(&path).await.contains("in use by another process: stop that one"));

    let serve = Program::flowhook(&["serve"]).journal(&path).on_free_ports().envs(&[
        ("FLOWHOOK_WEBHOOK_SECRET", WEBHOOK_SECRET),
        ("CXONE_CLIENT_ID", "id"),
        ("CXONE_CLIENT_SECRET", "secret"),
    ]);
    let output = serve.output().await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("in use by another process"), "{output:?}");

    let again = kept.reopened().await;
    assert!(again.changes().await.is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn a_journal_that_somebody_has_for_a_moment_only_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    let held = fs::File::create(folder.path().join("journal.db.lock")).expect("the folder is ours");
    held.lock().expect("nobody has it");
    // The first is begun when the second is.
    let (opened, ()) = tokio::join!(open(&path), async { drop(held) });
    opened.expect("it was given back");
}

#[tokio::test]
async fn a_journal_belongs_to_one_process_under_all_its_names() {
    let kept = Kept::new().await;
    let alias = kept.folder.path().join("alias.db");
    std::os::unix::fs::symlink(kept.folder.path().join("journal.db"), &alias).expect("a link");
    assert!(refusal(&alias).await.contains("in use by another process"));
}

#[tokio::test]
async fn what_cannot_be_a_journal_is_refused_with_the_file_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(
        path("text.db"),
        "not a database, but long enough to hold a header of a hundred bytes. ".repeat(9),
    )
    .expect("a file");
    assert!(refusal(&path("text.db")).await.contains("restore it from a backup"));

    fs::create_dir(path("folder.db")).expect("a folder");
    assert!(refusal(&path("folder.db")).await.contains("is a folder: name a file in it"));

    assert!(refusal(&path("missing/journal.db")).await.contains("check that its folder exists"));
    assert!(refusal(&path("text.db/journal.db")).await.contains("check that its folder exists"));
}

#[tokio::test]
async fn a_journal_of_a_newer_version_is_refused() {
    let kept = Kept::new().await;
    let path = kept.folder.path().join("journal.db");
    kept.journal.reader.close().await;
    kept.journal.writer.close().await;
    let connection = Connection::open(&path).expect("the file");
    connection.pragma_update(None, "user_version", 1000).expect("a version from the future");
    connection.close().expect("closed");
    assert!(refusal(&path).await.contains("run the version that wrote it"));
}

#[tokio::test]
async fn an_id_that_was_accepted_is_a_duplicate_and_stores_nothing() {
    let mut kept = Kept::new().await;
    let two = [change_of("f1"), change_of("f2")];
    assert_eq!(kept.admit(&delivery("1", &two)).await, accepted(2, &["f1", "f2"]));
    assert_eq!(kept.admit(&delivery("1", &two)).await, nothing(Admission::Duplicate));
    assert_eq!(kept.admit(&delivery("1", &[change_of("f3")])).await, nothing(Admission::Duplicate));
    assert_eq!(kept.admit(&rejected("1", "unfit", "{}")).await, nothing(Admission::Duplicate));
    assert_eq!(kept.changes().await, ["1 pending", "2 pending"]);

    let mut other_source = delivery("1", &two);
    other_source.source = "other".into();
    assert_eq!(kept.admit(&other_source).await, accepted(2, &["f1", "f2"]));
}

#[tokio::test]
async fn twins_in_one_commit_are_one_delivery_and_one_duplicate() {
    let mut kept = Kept::new().await;
    let mut commit = kept.journal.writer.begin(now()).expect("a commit");
    let twin = delivery("1", &[change_of("f1")]);
    assert_eq!(commit.admit(&twin).expect("admitted"), accepted(1, &["f1"]));
    assert_eq!(commit.admit(&twin).expect("admitted"), nothing(Admission::Duplicate));
    commit.finish().expect("it is on disk");
    assert_eq!(kept.changes().await, ["1 pending"]);
}

#[tokio::test]
async fn a_rejected_delivery_is_kept_with_its_body_and_judged_anew_when_it_comes_again() {
    let mut kept = Kept::new().await;
    let body = b"not JSON \xff";
    assert_eq!(kept.admit(&rejected("1", "not JSON", &body[..])).await, nothing(Admission::Rejected));
    assert_eq!(kept.admit(&rejected("1", "still not", &body[..])).await, nothing(Admission::Rejected));
    let view = kept.journal.reader.delivery("config", "1").await.expect("read").expect("it is kept");
    assert_eq!((view.state.as_str(), view.reason.as_deref()), ("rejected", Some("still not")));
    assert_eq!(view.body.as_deref(), Some("not JSON \u{fffd}"));

    assert_eq!(kept.admit(&delivery("1", &[change_of("f1")])).await, accepted(1, &["f1"]));
    let view = kept.journal.reader.delivery("config", "1").await.expect("read").expect("it is kept");
    assert_eq!((view.state.as_str(), view.reason, view.body), ("accepted", None, None));
    assert_eq!(view.changes.len(), 1);
}

#[tokio::test]
async fn what_failed_of_a_delivery_is_pending_again_when_it_comes_again() {
    let mut kept = Kept::new().await;
    let three = delivery("1", &[change_of("f1"), change_of("f2"), change_of("f3")]);
    kept.admit(&three).await;
    kept.step(Step::Hold { seqs: vec![1], reason: "locked".to_owned(), for_ms: 1000 }).await;
    for (seq, state) in [(1, State::Failed), (2, State::Published), (3, State::Failed)] {
        kept.end(seq, state, now()).await;
    }
    assert_eq!(kept.admit(&three).await, accepted(2, &["f1", "f3"]));
    assert_eq!(kept.changes().await, ["1 pending", "2 published", "3 pending"]);
    assert_eq!(kept.journal.reader.pending().total(), 2);
    assert_eq!(kept.pending("f1").await[0].held_ms, 0, "it gets another whole day");
    assert_eq!(kept.admit(&three).await, nothing(Admission::Duplicate));
}

#[tokio::test]
async fn a_body_that_is_refused_gives_what_failed_under_its_id_no_other_chance() {
    let mut kept = Kept::new().await;
    kept.admit(&delivery("1", &[change_of("f1")])).await;
    kept.end(1, State::Failed, now()).await;
    assert_eq!(
        kept.admit(&rejected("1", "flow `f1` is not allowed", "{}")).await,
        nothing(Admission::Duplicate)
    );
    assert_eq!(kept.changes().await, ["1 failed"]);
}

#[tokio::test]
async fn a_change_ends_once() {
    let mut kept = Kept::new().await;
    kept.admit(&delivery("1", &[change_of("f1")])).await;
    assert_eq!(kept.end(1, State::Superseded, now()).await, 1);
    assert_eq!(kept.end(1, State::Failed, now()).await, 0);
    assert_eq!(kept.changes().await, ["1 superseded"]);
}

#[tokio::test]
async fn a_number_never_comes_back_and_a_mark_never_goes() {
    let mut kept = Kept::new().await;
    kept.admit(&delivery("1", &[change_of("f1"), change_of("f1")])).await;
    let time = "2026-11-22T06:00:00.123456789Z".parse().expect("a time");
    let keys = [("default", OrderKey::Time(time)), ("b", OrderKey::Revision(u64::MAX))];
    let mark = Mark {
        node: "n".to_owned(),
        target: Target::Variable("a".to_owned()),
        keys: keys.map(|(route, key)| (route.to_owned(), key)).into(),
        order_key: Some(OrderKey::Revision(u64::MAX)),
        seq: 2,
        route: "b".to_owned(),
        value: Some("1.10".to_owned()),
    };
    let ended = |seq| Ending { seq, state: State::Published, reason: None };
    let settlement =
        Settlement { endings: vec![ended(1), ended(2)], marks: vec![mark.clone()], ..Settlement::default() };
    assert_eq!(kept.step(Step::Settle { flow: flow("f1"), settlement }).await, 2);
    kept.prune(now() + SignedDuration::from_secs(1)).await;
    assert!(kept.changes().await.is_empty() && !kept.has_delivery("1").await);

    let mut kept = kept.reopened().await;
    kept.admit(&delivery("1", &[change_of("f1")])).await;
    assert_eq!(kept.changes().await, ["3 pending"]);
    let node = change_of("f1").node;
    assert_eq!(kept.journal.reader.marks(&flow("f1"), &[&node]).await.expect("read"), [mark]);
    assert!(kept.journal.reader.marks(&flow("f2"), &[&node]).await.expect("read").is_empty());
}

/// As many ids as it takes until all that came first are in the table, and some still wait in memory.
const MANY: usize = 40_000;

#[tokio::test]
async fn an_id_is_known_in_memory_and_in_the_table_and_after_a_crash_and_gone_with_its_delivery() {
    let mut kept = Kept::new().await;
    // They leave no changes.
    let all: Vec<_> = (0..MANY).map(|id| rejected(&format!("msg-{id}"), "unfit", "{}")).collect();
    for some in all.chunks(1000) {
        let mut commit = kept.journal.writer.begin(now()).expect("a commit");
        commit.admit_all(&some.iter().collect::<Vec<_>>()).expect("they are admitted");
        commit.finish().expect("it is on disk");
    }
    // What is judged anew keeps its row, and so there are as many rows as ids.
    let stays = async |kept: &mut Kept| {
        let mut commit = kept.journal.writer.begin(now()).expect("a commit");
        commit.admit_all(&all.iter().collect::<Vec<_>>()).expect("they are admitted");
        commit.finish().expect("it is on disk");
        let newest = DeliveryFilter { state: None, source: None, since: None, before: None, limit: 1 };
        let newest = kept.journal.reader.deliveries(&newest).await.expect("read");
        assert_eq!(newest[0].row, i64::try_from(MANY).expect("few"));
        for id in [0, MANY / 2, MANY - 1] {
            assert!(kept.has_delivery(&format!("msg-{id}")).await, "{id}");
        }
    };
    stays(&mut kept).await;
    stays(&mut kept.after_a_crash().await).await;
    let mut kept = kept.reopened().await;
    stays(&mut kept).await;

    for _ in 0..MANY / 1000 {
        let before = now() + SignedDuration::from_secs(1);
        while let Effect::Pruned { more: true } = kept.effect(Step::Prune { before, at_most: 1000 }).await {}
    }
    assert!(!kept.has_delivery("msg-0").await);
    let mut kept = kept.reopened().await;
    assert_eq!(kept.admit(&delivery("msg-0", &[change_of("f1")])).await, accepted(1, &["f1"]));
    assert_eq!(kept.admit(&delivery("msg-0", &[change_of("f1")])).await, nothing(Admission::Duplicate));
}

#[tokio::test]
async fn an_id_whose_hash_leads_to_another_delivery_is_new() {
    let mut kept = Kept::new().await;
    kept.admit(&delivery("1", &[change_of("f1")])).await;
    let mut kept = kept.reopened().await;
    // As if both had the same hash: the table leads from every id there is to the first delivery.
    let intruder = Connection::open(kept.folder.path().join("journal.db")).expect("the file");
    let ids: i64 = intruder.query_row("SELECT COUNT(*) FROM ids", [], |row| row.get(0)).expect("a count");
    intruder.execute("UPDATE deliveries SET delivery_id = 'other'", []).expect("one delivery");
    assert_eq!(ids, 1, "it is in the table");
    assert_eq!(kept.admit(&delivery("1", &[change_of("f2")])).await, accepted(1, &["f2"]));
    assert_eq!(kept.admit(&delivery("1", &[change_of("f2")])).await, nothing(Admission::Duplicate));
}

#[tokio::test]
async fn retention_takes_what_is_settled_and_leaves_what_failed_or_is_pending() {
    let mut kept = Kept::new().await;
    let states = [State::Published, State::Unchanged, State::Superseded, State::Discarded, State::Failed];
    for (id, state) in (1..).zip(states) {
        kept.admit(&delivery(&id.to_string(), &[change_of("f1")])).await;
        kept.end(id, state, now()).await;
    }
    kept.admit(&delivery("pending", &[change_of("f1")])).await;
    kept.admit(&rejected("rejected", "unfit", "{}")).await;

    kept.prune(now()).await;
    assert_eq!(kept.changes().await.len(), 6, "nothing is older than now");
    kept.prune(now() + SignedDuration::from_millis(1)).await;
    assert_eq!(kept.changes().await, ["5 failed", "6 pending"]);
    for (id, stays) in [("1", false), ("4", false), ("rejected", false), ("5", true), ("pending", true)] {
        assert_eq!(kept.has_delivery(id).await, stays, "{id}");
    }
}

#[tokio::test]
async fn a_delivery_goes_with_the_last_of_its_changes() {
    let mut kept = Kept::new().await;
    let both = delivery("1", &[change_of("f1"), change_of("f1")]);
    kept.admit(&both).await;
    let later = now() + SignedDuration::from_secs(60);
    kept.end(1, State::Published, now()).await;
    kept.end(2, State::Published, later).await;
    kept.prune(later).await;
    assert_eq!(kept.changes().await, ["2 published"]);
    assert_eq!(kept.admit(&both).await, nothing(Admission::Duplicate));
    kept.prune(later + SignedDuration::from_secs(1)).await;
    assert!(!kept.has_delivery("1").await);
}

#[tokio::test]
async fn pruning_takes_a_bounded_part_at_a_time_the_oldest_first() {
    let mut kept = Kept::new().await;
    kept.admit(&delivery("1", &[change_of("f1"), change_of("f1"), change_of("f1")])).await;
    for (seq, minutes_ago) in [(1, 1), (2, 3), (3, 2)] {
        kept.end(seq, State::Published, now() - SignedDuration::from_mins(minutes_ago)).await;
    }
    let prune = || Step::Prune { before: now(), at_most: 2 };
    assert_eq!(kept.effect(prune()).await, Effect::Pruned { more: true });
    assert_eq!(kept.changes().await, ["1 published"]);
    assert_eq!(kept.effect(prune()).await, Effect::Pruned { more: false });
    assert!(kept.changes().await.is_empty() && !kept.has_delivery("1").await);
}

#[tokio::test]
async fn rejected_deliveries_alone_are_pruned_to_the_last() {
    let mut kept = Kept::new().await;
    for id in ["1", "2", "3"] {
        kept.admit(&rejected(id, "not JSON", &b"x"[..])).await;
    }
    let later = now() + SignedDuration::from_secs(1);
    let prune = || Step::Prune { before: later, at_most: 2 };
    assert_eq!(kept.effect(prune()).await, Effect::Pruned { more: true });
    assert_eq!(kept.effect(prune()).await, Effect::Pruned { more: false });
    for id in ["1", "2", "3"] {
        assert!(!kept.has_delivery(id).await, "{id}");
    }
}

#[tokio::test]
async fn a_commit_lands_whole_or_not_at_all() {
    let mut kept = Kept::new().await;
    kept.admit(&delivery("1", &[change_of("f1")])).await;
    kept.step(attempt("first", "f1")).await;

    let mut commit = kept.journal.writer.begin(now()).expect("a commit");
    commit.admit(&delivery("2", &[change_of("f1")])).expect("admitted");
    commit.step(&attempt("second", "f1")).expect_err("one attempt is open already");
    drop(commit);

    let mut commit = kept.journal.writer.begin(now()).expect("a commit");
    commit.admit(&delivery("3", &[change_of("f1")])).expect("admitted");
    drop(commit);

    assert_eq!(kept.changes().await, ["1 pending"]);
    assert!(!kept.has_delivery("2").await && !kept.has_delivery("3").await);
    assert_eq!(kept.admit(&delivery("2", &[change_of("f1")])).await, accepted(1, &["f1"]));
}

#[tokio::test]
async fn a_flow_has_one_open_attempt_at_a_time() {
    let mut kept = Kept::new().await;
    kept.step(attempt("1", "f1")).await;
    kept.step(attempt("2", "f2")).await;
    for outcome in [Outcome::Lost, Outcome::Refused, Outcome::Published] {
        let open =
            kept.journal.reader.outset(&flow("f1")).await.expect("read").undecided.expect("it is open");
        let settlement = Settlement { attempt: Some((open.id.clone(), outcome)), ..Settlement::default() };
        kept.step(Step::Settle { flow: flow("f1"), settlement }).await;
        assert!(kept.journal.reader.outset(&flow("f1")).await.expect("read").undecided.is_none());
        kept.step(attempt(&format!("after {}", open.id), "f1")).await;
    }
    assert_eq!(kept.journal.reader.flows_with_work().await.expect("read"), [flow("f1"), flow("f2")]);
}

#[tokio::test]
async fn after_a_crash_everything_committed_is_there_and_nothing_else() {
    let mut kept = Kept::new().await;
    kept.admit(&delivery("1", &[change_of("f1")])).await;
    kept.admit(&rejected("2", "unfit", "{}")).await;
    kept.step(attempt("open", "f2")).await;
    let end = GateEnd { until: now(), reason: "429".to_owned() };
    kept.step(Step::Gate(end.clone())).await;
    let mut unfinished = kept.journal.writer.begin(now()).expect("a commit");
    unfinished.admit(&delivery("3", &[change_of("f3")])).expect("admitted");
    drop(unfinished);

    let mut found = kept.after_a_crash().await;
    assert_eq!(found.changes().await, ["1 pending"]);
    assert!(found.has_delivery("2").await && !found.has_delivery("3").await);
    let reader = &found.journal.reader;
    assert_eq!(reader.flows_with_work().await.expect("read"), [flow("f1"), flow("f2")]);
    let open = reader.outset(&flow("f2")).await.expect("read").undecided.expect("it is undecided");
    assert_eq!((open.id.as_str(), open.base_version.as_str()), ("open", "7"));
    assert_eq!(reader.gate().await.expect("read"), Some(end));
    assert_eq!(found.admit(&delivery("1", &[change_of("f1")])).await, nothing(Admission::Duplicate));
}

#[tokio::test]
async fn odd_values_come_back_as_they_went_in() {
    let odd = [
        ("number", "1.10"),
        ("long", "12345678901234567890123"),
        ("exponent", "-1E+400"),
        ("text", r#""Gr\u00fc\u00df \ud83d\udc4b \/ 👋 \u0000""#),
        ("half a pair", r#""\ud800""#),
        ("nul\0inside", "null"),
        ("", r#"{"a" : [1 ,2],"a":3}"#),
        ("a\u{301} á '\"; DROP TABLE", "true"),
    ];
    let node = "nöde\0'\"\u{1f44b}";
    let mut kept = Kept::new().await;
    let key = OrderKey::Time("2026-11-22T06:00:00.123456789Z".parse().expect("a time"));
    let what = NewChange { order_key: Some(key), ..change("f1", node, &odd) };
    kept.admit(&delivery("odd\0 id \u{1f44b}", &[what])).await;
    let name = odd[5].0.to_owned();
    let mark = Mark {
        node: node.to_owned(),
        target: Target::Variable(name),
        keys: [("r\0\u{e4}\"".to_owned(), key)].into(),
        order_key: Some(key),
        seq: 1,
        route: "default".to_owned(),
        value: Some(odd[3].1.to_owned()),
    };
    let settlement = Settlement { marks: vec![mark.clone()], ..Settlement::default() };
    kept.step(Step::Settle { flow: flow("f1"), settlement }).await;

    let kept = kept.reopened().await;
    let pending = kept.pending("f1").await;
    let [Change { what, .. }] = pending.as_slice() else { panic!("one change, not {pending:?}") };
    let Values::Known(variables) = &what.values else { panic!("its values are known") };
    let back: Vec<_> = variables.iter().map(|v| (v.name.as_str(), v.value.get())).collect();
    assert_eq!(back, odd);
    assert_eq!((what.node.as_str(), what.order_key), (node, Some(key)));
    assert_eq!(kept.journal.reader.marks(&flow("f1"), &[&what.node]).await.expect("read"), [mark]);
    assert!(kept.has_delivery("odd\0 id \u{1f44b}").await && !kept.has_delivery("odd").await);
}

#[tokio::test]
async fn a_fetch_gives_its_values_to_what_waited_when_it_began() {
    let mut kept = Kept::new().await;
    let thin = |url: &str| NewChange { values: Values::Fetch(url.to_owned()), ..change_of("f1") };
    for (id, url) in [("1", "http://a/"), ("2", "http://b/"), ("3", "http://a/")] {
        kept.admit(&delivery(id, &[thin(url)])).await;
    }
    let wanted = |url: &str| Wanted { route: change_of("f1").route, url: url.to_owned() };
    let waiting = kept.journal.reader.waiting_for(&wanted("http://a/")).await.expect("read");
    assert_eq!(waiting, Some((3, vec![flow("f1")])));
    kept.admit(&delivery("4", &[thin("http://a/")])).await;
    assert!(kept.pending_seqs("f1").await.is_empty());

    let values = Fetched::Values(change_of("f1").values);
    let fetched = |url: &str, up_to, fetched| Step::Fetched { wanted: wanted(url), up_to, fetched };
    assert_eq!(kept.step(fetched("http://a/", 3, values)).await, 0);
    assert_eq!(kept.pending_seqs("f1").await, [1, 3]);
    assert_eq!(kept.step(fetched("http://b/", 3, Fetched::Nothing("503".to_owned()))).await, 0);
    assert_eq!(kept.step(fetched("http://b/", 3, Fetched::Unfit("no number".to_owned()))).await, 1);
    assert_eq!(kept.changes().await, ["1 pending", "2 failed", "3 pending", "4 pending"]);
    assert_eq!(kept.journal.reader.outset(&flow("f1")).await.expect("read").wanted, [wanted("http://a/")]);
}

#[tokio::test]
async fn a_fold_takes_the_first_changes_up_to_a_count_or_a_weight_and_tells_of_the_rest() {
    let mut kept = Kept::new().await;
    for (id, json) in [("m1", "1"), ("m2", r#""two""#), ("m3", "3")] {
        kept.admit(&delivery(id, &[change("f1", "n", &[("a", json)])])).await;
    }
    let one = r#"[{"name":"a","value":1}]"#.len();
    for (at_most, bytes, expected) in [
        (3, usize::MAX, (vec![1, 2, 3], false)),
        (2, usize::MAX, (vec![1, 2], true)),
        (3, one + 1, (vec![1, 2], true)),
        (3, one, (vec![1], true)),
        (3, 0, (vec![1], true)),
    ] {
        let ready = kept.journal.reader.ready(&flow("f1"), at_most, bytes).await.expect("it can be read");
        let seqs: Vec<Seq> = ready.changes.iter().map(|change| change.seq).collect();
        assert_eq!((seqs, ready.more), expected, "at most {at_most} and {bytes} bytes");
    }
}

#[tokio::test]
async fn a_link_that_leads_nowhere_yet_gives_the_journal_one_lock_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let [link, target] = ["link.db", "real.db"].map(|name| folder.path().join(name));
    std::os::unix::fs::symlink(&target, &link).expect("a link");
    let first = Journal::open(&Location::sqlite(&link)).await.expect("it can be made");
    for path in [&link, &target] {
        let second = Journal::open(&Location::sqlite(path)).await;
        assert!(matches!(second, Err(JournalError::Locked { .. })), "{}", path.display());
    }
    drop(first);
}

#[tokio::test]
async fn the_version_that_a_flow_was_last_published_in_is_known() {
    let mut kept = Kept::new().await;
    let f1 = flow("f1");
    kept.admit(&delivery("a", &["f1", "f1", "f1", "f2"].map(change_of))).await;
    let last = async |kept: &Kept| kept.journal.reader.last_published(&f1).await.expect("it can be read");
    assert_eq!(last(&kept).await, None);
    for (seq, state, version) in
        [(1, State::Published, "\"15\""), (2, State::Published, "16"), (3, State::Unchanged, "17")]
    {
        let endings = vec![Ending { seq, state, reason: None }];
        let settlement = Settlement { endings, version: Some(version.to_owned()), ..Settlement::default() };
        kept.step(Step::Settle { flow: f1.clone(), settlement }).await;
    }
    assert_eq!(last(&kept).await.as_deref(), Some("16"), "what was unchanged made no version");
}

#[tokio::test]
async fn whether_other_flows_were_served_lately_is_known() {
    let mut kept = Kept::new().await;
    kept.admit(&delivery("a", &["f1", "f2", "f3"].map(change_of))).await;
    kept.end(1, State::Published, now()).await;
    kept.end(2, State::Superseded, now()).await;
    kept.end(3, State::Failed, now()).await;
    let served = async |than: &str, minutes: i64| {
        let since = now() - SignedDuration::from_mins(minutes);
        kept.journal.reader.others_were_served(&flow(than), since).await.expect("it can be read")
    };
    assert!(served("f2", 1).await && served("f3", 0).await);
    assert!(!served("f1", 1).await, "nothing went to the tenant for the others");
    assert!(!served("f2", -1).await, "that was before");
}
