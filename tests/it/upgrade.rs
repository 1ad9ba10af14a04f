//! Journals that the first version left, and first starts that came to no end: both are taken over as they are.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use flowhook::change::{Admission, Delivery, FlowId, NodeId, Verdict};
use flowhook::journal::{Found, Journal, Location, Mark, Read as _};
use flowhook::sandbox::SAMPLE_NODE;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha384};

use crate::program::Program;

/// The schema of the version that knew no pauses, no rollbacks and no observing.
const FIRST: &str = include_str!("../../src/journal/migrations/0001_journal.sql");
/// What the next one added: pauses, rollbacks and observing. Of a target it kept the highest key of one route.
const SECOND: &str = include_str!("../../src/journal/migrations/0002_verbs.sql");
/// What came with the third: other sources, patches and drift.
const THIRD: &str = include_str!("../../src/journal/migrations/0003_sources.sql");
/// And with the fourth: fewer places that a change is written to when it arrives.
const FOURTH: &str = include_str!("../../src/journal/migrations/0004_ends.sql");
/// Where sqlx, which those versions had, kept which migrations were made.
const MIGRATIONS: &str = "
CREATE TABLE IF NOT EXISTS _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);";

/// A file with nothing but the empty list of migrations, with which each first start began.
fn begun(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("the file is ours");
    connection.pragma_update(None, "journal_mode", "wal").expect("the file is ours");
    connection.execute_batch(MIGRATIONS).expect("a table");
    connection
}

/// A journal with nothing in it, as a version with these migrations made it.
fn empty(path: &Path, schema: &[(&str, &str)]) -> Connection {
    let mut connection = begun(path);
    for (number, (name, sql)) in (1..).zip(schema) {
        // Each in a commit of its own, with its row.
        let migration = connection.transaction().expect("it was its first start");
        migration.execute_batch(sql).expect("it was its first start");
        let row = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                   VALUES (?, ?, TRUE, ?, 1000000)";
        let checksum = Sha384::digest(sql);
        migration.execute(row, params![number, name, &checksum[..]]).expect("a row");
        migration.commit().expect("it was its first start");
    }
    connection
}

/// A journal as the first version made it: the first change of the flow `f` has failed, the second is pending.
fn first_version(path: &Path) -> Connection {
    let connection = empty(path, &[("journal", FIRST)]);
    for (seq, state) in [(1, "failed"), (2, "pending")] {
        let delivery = "INSERT INTO deliveries (id, source, delivery_id, state, received_at)
                        VALUES (?1, 'config', 'old-' || ?1, 'accepted', 1780000000000)";
        connection.execute(delivery, [seq]).expect("a row");
        let change = r#"INSERT INTO changes (seq, delivery, route, flow, node, mode, variables, state)
                        VALUES (?1, ?1, 'default', 'f', ?2, 'merge', '[{"name":"max_wait_time_seconds","value":' || ?1 || '}]', ?3)"#;
        connection.execute(change, (seq, SAMPLE_NODE, state)).expect("a row");
    }
    connection
}

#[tokio::test]
async fn what_the_first_version_left_is_taken_over_after_a_stop_and_after_a_kill() {
    for killed in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let [made, journal] = ["made.db", "journal.db"].map(|name| folder.path().join(name));
        let connection = first_version(&made);
        if killed {
            // As the files are while it runs; almost all of it is in the WAL.
            fs::copy(made.with_extension("db-wal"), journal.with_extension("db-wal")).expect("it is there");
            fs::copy(&made, &journal).expect("it is there");
            connection.close().expect("closed");
        } else {
            connection.close().expect("closed");
            fs::rename(&made, &journal).expect("it is there");
        }
        // That version wrote nothing into it.
        let lock = journal.with_extension("db.lock");
        fs::write(&lock, "").expect("the folder is ours");
        let found = Journal::look(&Location::sqlite(&journal)).await.expect("it is whole");
        assert_eq!(found, Found::Journal { pending: 1 }, "killed: {killed}");

        let (tenant, service, _) = Program::serving().await;
        service.kill().await;
        let mut service = Program::serve(&tenant).journal(&journal).start();
        let addresses = service.ready().await;
        addresses.settled().await;
        let shown = tenant.variable("f", SAMPLE_NODE, "max_wait_time_seconds");
        assert_eq!(shown.as_deref(), Some("2"), "killed: {killed}");
        let states = ["old-1", "old-2"].map(|id| addresses.state_of(id));
        let [failed, published] = states;
        assert_eq!(failed.await.as_deref(), Some("failed"), "killed: {killed}");
        assert_eq!(published.await.as_deref(), Some("published"), "killed: {killed}");
        let remembered = fs::read_to_string(&lock).expect("it is there");
        assert_eq!(remembered.trim().parse(), Ok(2), "killed: {killed}");
        service.kill().await;
    }
}

#[tokio::test]
async fn the_keys_that_the_second_version_knew_are_known_in_marks_and_in_the_attempt_that_it_left_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    let connection = empty(&path, &[("journal", FIRST), ("verbs", SECOND)]);
    let rows = [
        "INSERT INTO deliveries (id, source, delivery_id, state, received_at) VALUES (1, 'config', 'old', 'accepted', 0)",
        "INSERT INTO changes (seq, delivery, route, flow, node, mode, fetch_url, order_key, state)
         VALUES (7, 1, 'default', 'f', 'n', 'replace', 'http://a/', '2026-11-22T06:00:00.5Z', 'pending')",
        "INSERT INTO changes (seq, delivery, route, flow, node, mode, fetch_url, variables, state)
         VALUES (5, 1, 'default', 'f', 'n', 'merge', 'http://a/', '[5]', 'published'),
                (6, 1, 'default', 'f', 'n', 'merge', 'http://a/', '[6]', 'failed'),
                (8, 1, 'default', 'f', 'n', 'merge', NULL, '[8]', 'published')",
        "INSERT INTO marks (flow, node, target, route, order_key, seq)
         VALUES ('f', 'n', '=a', 'push', '2026-11-22T06:00:00Z', 3), ('f', 'n', '=b', 'default', NULL, 4)",
        r#"INSERT INTO attempts (id, flow, base_version, plan, started_at) VALUES ('x', 'f', '14',
            '{"endings":[],"edits":[],"marks":[{"node":"n","target":{"variable":"a"},"route":"default","order_key":"2026-11-22T06:00:00Z","seq":5},
              {"node":"n","target":"list","route":"push","order_key":null,"seq":6}]}', 0)"#,
    ];
    for row in rows {
        connection.execute(row, []).expect("a row");
    }
    connection.close().expect("closed");

    let journal = Journal::open(&Location::sqlite(&path)).await.expect("it is taken over");
    let (flow, node) = (FlowId::parse("f").expect("an id"), NodeId::parse("n").expect("an id"));
    let shown = |marks: &[Mark]| {
        marks
            .iter()
            .map(|mark| format!("{} {:?} {:?} {}", mark.target.encode(), mark.keys, mark.order_key, mark.seq))
            .collect::<Vec<_>>()
    };
    let time = "Time(2026-11-22T06:00:00Z)";
    let marks = journal.reader.marks(&flow, &[&node]).await.expect("read");
    assert_eq!(
        shown(&marks),
        [format!(r#"=a {{"push": {time}}} Some({time}) 3"#), "=b {} None 4".to_owned()]
    );
    let attempt = journal.reader.outset(&flow).await.expect("read").undecided.expect("it is open");
    assert_eq!(
        shown(&attempt.plan.marks),
        [format!(r#"=a {{"default": {time}}} Some({time}) 5"#), "* {} None 6".to_owned()]
    );
    let taken = journal.reader.taken("default", None, 9).await.expect("read");
    let taken: Vec<_> = taken.iter().map(|taken| (taken.value.as_str(), taken.seq)).collect();
    assert_eq!(taken, [("[6]", 6)], "what was fetched last, so that it is not written once more");
    let change = journal.reader.change(7).await.expect("read").expect("it is there");
    assert_eq!(
        (change.mode.as_str(), change.order_key.as_deref()),
        ("replace", Some("2026-11-22T06:00:00.5Z"))
    );
}

#[tokio::test]
async fn the_ids_and_the_pending_changes_of_the_fourth_version_are_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    let schema = [("journal", FIRST), ("verbs", SECOND), ("sources", THIRD), ("ends", FOURTH)];
    let connection = empty(&path, &schema);
    let rows = [
        "INSERT INTO deliveries (id, source, delivery_id, state, received_at) VALUES (3, 'config', 'old', 'accepted', 0)",
        "INSERT INTO changes (seq, delivery, route, flow, node, variables, state)
         VALUES (7, 3, 'default', 'f', 'n', '[]', 'pending'), (8, 3, 'default', 'f', 'n', '[]', 'published')",
    ];
    for row in rows {
        connection.execute(row, []).expect("a row");
    }
    connection.close().expect("closed");

    let Journal { mut writer, reader } =
        Journal::open(&Location::sqlite(&path)).await.expect("it is taken over");
    let flow = FlowId::parse("f").expect("an id");
    assert_eq!((reader.pending().of(&flow), reader.pending().total()), (1, 1));
    let old = Delivery {
        source: Arc::from("config"),
        id: "old".to_owned(),
        received_at: Timestamp::UNIX_EPOCH,
        verdict: Verdict::Changes(Vec::new()),
    };
    let mut commit = writer.begin(Timestamp::UNIX_EPOCH).expect("a commit");
    assert_eq!(commit.admit(&old).expect("admitted").admission, Admission::Duplicate);
    let new = Delivery { id: "new".to_owned(), ..old };
    assert_eq!(commit.admit(&new).expect("admitted").admission, Admission::Accepted { changes: 0 });
    commit.finish().expect("on disk");
    let view = reader.delivery("config", "old").await.expect("read").expect("it is there");
    assert_eq!(view.changes.iter().map(|change| change.seq).collect::<Vec<_>>(), [7, 8]);
}

#[tokio::test]
async fn a_first_start_that_was_cut_off_before_the_schema_was_there_is_made_good_by_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    // The schema comes in a commit of its own after this one.
    begun(&path).close().expect("closed");
    let location = Location::sqlite(&path);
    assert_eq!(Journal::look(&location).await.expect("nothing is in it"), Found::Nothing);
    let journal = Journal::open(&location).await.expect("nothing is in it");
    assert_eq!(journal.reader.pending().total(), 0);
}
