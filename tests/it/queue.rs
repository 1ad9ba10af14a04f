//! The bounded queue, over a real journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flowhook::change::{Admission, State};
use flowhook::clock::Clock;
use flowhook::journal::{Ending, Journal, Location, Reader, Settlement, Step, Tally, Writer};
use flowhook::queue::{
    self, Ledger, NotStored, NotTaken, QUEUE_BYTES, QUEUE_DELIVERIES, Queue, Receipt, Settings, Writing,
};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::deliveries::{change_of, delivery, flow, now, rejected};

const ROOM: Settings = Settings { capacity: 100_000 };

/// A queue whose writer has not begun.
struct Waiting {
    queue: Queue,
    ledger: Ledger,
    reader: Reader,
    writing: Writing<Writer>,
    commits: Arc<AtomicUsize>,
    folder: TempDir,
}

/// A queue whose writer runs.
struct Running {
    queue: Queue,
    ledger: Ledger,
    reader: Reader,
    commits: Arc<AtomicUsize>,
    writing: JoinHandle<()>,
    folder: TempDir,
}

impl Waiting {
    async fn new(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let location = Location::sqlite(folder.path().join("journal.db"));
        let Journal { writer, reader } = Journal::open(&location).await.expect("a new journal");
        // A commit looks at the clock once.
        let commits = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&commits);
        let clock = Clock::from_fn(move || {
            count.fetch_add(1, Ordering::Relaxed);
            now()
        });
        let (queue, ledger, writing) = queue::open(settings, writer, clock, Tally::default());
        Self { queue, ledger, reader, writing, commits, folder }
    }

    fn run(self) -> Running {
        let Self { queue, ledger, reader, writing, commits, folder } = self;
        Running { queue, ledger, reader, commits, writing: tokio::spawn(writing.run()), folder }
    }
}

impl Running {
    async fn new(settings: Settings) -> Self {
        Waiting::new(settings).await.run()
    }

    async fn admit(&self, id: &str) -> Result<Result<Admission, NotStored>, NotTaken> {
        Ok(submit(&self.queue, id)?.committed().await)
    }

    async fn pending(&self) -> usize {
        self.reader.pending().total()
    }

    async fn end(&self, seq: i64) {
        let endings = vec![Ending { seq, state: State::Published, reason: None }];
        let settlement = Settlement { endings, ..Settlement::default() };
        let step = Step::Settle { flow: flow("f1"), settlement };
        self.ledger.record(step).await.expect("it is stored");
    }

    /// Somebody else's connection to the journal's file.
    fn intruder(&self) -> Connection {
        Connection::open(self.folder.path().join("journal.db")).expect("the file")
    }
}

fn submit(queue: &Queue, id: &str) -> Result<Receipt, NotTaken> {
    queue.submit(delivery(id, &[change_of("f1")]))
}

fn execute(connection: &Connection, sql: &str) {
    connection.execute_batch(sql).expect("the statement");
}

const ACCEPTED: Result<Admission, NotStored> = Ok(Admission::Accepted { changes: 1 });

#[tokio::test]
async fn what_waits_together_is_committed_together() {
    let waiting = Waiting::new(ROOM).await;
    let receipts: Vec<Receipt> =
        (0..2000).map(|id| submit(&waiting.queue, &id.to_string()).expect("there is room")).collect();
    let running = waiting.run();
    for receipt in receipts {
        assert_eq!(receipt.committed().await, ACCEPTED);
    }
    assert_eq!(running.pending().await, 2000);
    assert_eq!(running.commits.load(Ordering::Relaxed), 2, "1024 deliveries share a commit");
}

#[tokio::test]
async fn everybody_who_submits_at_once_is_answered_from_disk() {
    let running = Arc::new(Running::new(ROOM).await);
    let senders: Vec<_> = (0..200)
        .map(|id| {
            let running = Arc::clone(&running);
            tokio::spawn(async move { running.admit(&id.to_string()).await })
        })
        .collect();
    for sender in senders {
        assert_eq!(sender.await.expect("it does not panic"), Ok(ACCEPTED));
    }
    assert_eq!(running.pending().await, 200);
    assert!(running.commits.load(Ordering::Relaxed) <= 200);
}

#[tokio::test]
async fn twins_that_wait_together_are_stored_once() {
    let waiting = Waiting::new(ROOM).await;
    let twins = [(); 2].map(|()| submit(&waiting.queue, "1").expect("there is room"));
    let running = waiting.run();
    let [first, second] = twins;
    assert_eq!(first.committed().await, ACCEPTED);
    assert_eq!(second.committed().await, Ok(Admission::Duplicate));
    assert_eq!(running.pending().await, 1);
}

#[tokio::test]
async fn a_full_backlog_refuses_everything_until_a_change_has_ended() {
    let running = Running::new(Settings { capacity: 2 }).await;
    assert_eq!(running.admit("1").await, Ok(ACCEPTED));
    assert!(running.ledger.can_accept().await);
    assert_eq!(running.admit("2").await, Ok(ACCEPTED));
    for refused in ["1", "2", "3"] {
        assert_eq!(running.admit(refused).await, Err(NotTaken::BacklogFull));
    }
    let refused = running.queue.submit(rejected("4", "unfit", "{}")).map(drop);
    assert_eq!(refused, Err(NotTaken::BacklogFull));
    assert!(!running.ledger.can_accept().await);

    running.end(1).await;
    assert!(running.ledger.can_accept().await);
    assert_eq!(running.admit("3").await, Ok(ACCEPTED));
    assert_eq!(running.admit("4").await, Err(NotTaken::BacklogFull));
}

#[tokio::test]
async fn a_delivery_gets_room_for_all_its_changes_or_is_refused_whole() {
    let running = Running::new(Settings { capacity: 3 }).await;
    let two = [change_of("f1"), change_of("f2")];
    let first = running.queue.submit(delivery("1", &two)).expect("there is room");
    assert_eq!(first.committed().await, Ok(Admission::Accepted { changes: 2 }));
    assert_eq!(running.queue.submit(delivery("2", &two)).map(drop), Err(NotTaken::BacklogFull));
    assert_eq!(running.admit("2").await, Ok(ACCEPTED));
}

#[tokio::test]
async fn a_duplicate_gives_its_room_back() {
    let running = Running::new(Settings { capacity: 2 }).await;
    assert_eq!(running.admit("1").await, Ok(ACCEPTED));
    for _ in 0..5 {
        assert_eq!(running.admit("1").await, Ok(Ok(Admission::Duplicate)));
    }
    assert_eq!(running.admit("2").await, Ok(ACCEPTED));
}

#[tokio::test]
async fn what_failed_and_comes_again_takes_room_again() {
    let running = Running::new(Settings { capacity: 2 }).await;
    assert_eq!(running.admit("1").await, Ok(ACCEPTED));
    let endings = vec![Ending { seq: 1, state: State::Failed, reason: None }];
    let settlement = Settlement { endings, ..Settlement::default() };
    running.ledger.record(Step::Settle { flow: flow("f1"), settlement }).await.expect("stored");
    assert_eq!(running.admit("2").await, Ok(ACCEPTED));
    assert_eq!(running.admit("1").await, Ok(ACCEPTED));
    assert_eq!(running.admit("3").await, Err(NotTaken::BacklogFull));
}

#[tokio::test]
async fn the_queue_holds_so_many_deliveries_and_no_more() {
    let waiting = Waiting::new(Settings { capacity: 2 * QUEUE_DELIVERIES }).await;
    let receipts: Vec<_> = (0..QUEUE_DELIVERIES).map(|id| submit(&waiting.queue, &id.to_string())).collect();
    assert!(receipts.iter().all(Result::is_ok));
    // Refused twice: the room in the backlog that it had taken was given back.
    for _ in 0..2 {
        assert_eq!(submit(&waiting.queue, "one more").map(drop), Err(NotTaken::QueueFull));
    }
    drop(receipts);
}

#[tokio::test]
async fn the_queue_holds_so_many_bytes_and_no_more_and_gets_them_back_from_what_is_withdrawn() {
    let waiting = Waiting::new(ROOM).await;
    let body = bytes::Bytes::from(vec![b'x'; 1024 * 1024]);
    let megabyte = |id: usize| waiting.queue.submit(rejected(&id.to_string(), "unfit", body.clone()));
    let mut receipts = Vec::new();
    let refused = loop {
        match megabyte(receipts.len()) {
            Ok(receipt) => receipts.push(receipt),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, NotTaken::QueueFull);
    assert_eq!(receipts.len(), QUEUE_BYTES / (1024 * 1024 + 512));
    let small = submit(&waiting.queue, "small").expect("there is room for a small one");

    drop(receipts);
    let running = waiting.run();
    assert_eq!(small.committed().await, ACCEPTED);
    assert!(running.reader.delivery("config", "0").await.expect("read").is_none());
    let again = running.queue.submit(rejected("0", "unfit", body)).expect("there is room again");
    assert_eq!(again.committed().await, Ok(Admission::Rejected));
}

#[tokio::test]
async fn what_is_withdrawn_is_not_stored_and_gives_its_room_back() {
    let waiting = Waiting::new(Settings { capacity: 2 }).await;
    let withdrawn = submit(&waiting.queue, "1").expect("there is room");
    let stays = submit(&waiting.queue, "2").expect("there is room");
    drop(withdrawn);
    let running = waiting.run();
    assert_eq!(stays.committed().await, ACCEPTED);
    assert_eq!(running.pending().await, 1);
    assert_eq!(running.admit("1").await, Ok(ACCEPTED));
}

#[tokio::test]
async fn a_commit_that_fails_stores_nothing_gives_room_back_and_the_next_ones_recover() {
    let running = Running::new(Settings { capacity: 1 }).await;
    let intruder = running.intruder();
    execute(
        &intruder,
        "CREATE TRIGGER full_disk BEFORE INSERT ON changes BEGIN SELECT RAISE(ABORT, 'disk full'); END;
         CREATE TRIGGER full_disk_too BEFORE UPDATE ON gate BEGIN SELECT RAISE(ABORT, 'disk full'); END;",
    );
    for _ in 0..3 {
        assert_eq!(running.admit("1").await, Ok(Err(NotStored)));
        assert!(!running.ledger.can_accept().await);
    }
    assert!(running.reader.delivery("config", "1").await.expect("read").is_none());

    execute(&intruder, "DROP TRIGGER full_disk; DROP TRIGGER full_disk_too;");
    assert!(running.ledger.can_accept().await, "an idle service notices that it has recovered");
    assert_eq!(running.admit("1").await, Ok(ACCEPTED));
}

#[tokio::test]
async fn a_commit_that_sqlite_itself_rolls_back_is_recovered_from() {
    let running = Running::new(Settings { capacity: 1 }).await;
    let intruder = running.intruder();
    // As SQLite does when the disk is full or does not answer: the transaction is gone by the time of our rollback.
    execute(
        &intruder,
        "CREATE TRIGGER full_disk BEFORE INSERT ON changes BEGIN SELECT RAISE(ROLLBACK, 'disk full'); END",
    );
    assert_eq!(running.admit("1").await, Ok(Err(NotStored)));
    execute(&intruder, "DROP TRIGGER full_disk");
    assert_eq!(running.admit("1").await, Ok(ACCEPTED));
}

#[tokio::test]
async fn flows_with_new_work_are_announced_once_they_are_on_disk() {
    let waiting = Waiting::new(ROOM).await;
    let wakeups = waiting.writing.wakeups();
    let receipt = waiting.queue.submit(delivery("1", &[change_of("f1"), change_of("f2")])).expect("room");
    let running = waiting.run();
    let woken = wakeups.next().await;
    assert_eq!(woken.flows, [flow("f1"), flow("f2")].into());
    assert_eq!(running.pending().await, 2);
    drop(receipt);
}

#[tokio::test]
async fn the_writer_ends_when_everybody_has_gone_and_leaves_nothing_behind() {
    let waiting = Waiting::new(ROOM).await;
    let receipts: Vec<Receipt> =
        (0..10).map(|id| submit(&waiting.queue, &id.to_string()).expect("there is room")).collect();
    let Running { queue, ledger, reader, writing, folder, .. } = waiting.run();
    drop((queue, ledger));
    writing.await.expect("it does not panic");
    for receipt in receipts {
        assert_eq!(receipt.committed().await, ACCEPTED);
    }
    assert_eq!(reader.pending().total(), 10);
    reader.close().await;
    let location = Location::sqlite(folder.path().join("journal.db"));
    Journal::open(&location).await.expect("the lock is free");
}

#[tokio::test]
async fn without_a_writer_nothing_is_taken() {
    let Waiting { queue, ledger, writing, folder, .. } = Waiting::new(ROOM).await;
    let waits = submit(&queue, "1").expect("there is room");
    drop(writing);
    assert_eq!(waits.committed().await, Err(NotStored));
    assert_eq!(submit(&queue, "2").map(drop), Err(NotTaken::Closed));
    assert!(!ledger.can_accept().await);
    assert_eq!(ledger.record(Step::Probe).await, Err(NotStored));
    drop(folder);
}
