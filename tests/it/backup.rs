//! A copy of the journal that is taken while the service runs, as the page about deploying says.

use std::path::Path;

use flowhook::sandbox::{Sandbox, Settings};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};

use crate::program::Program;
use crate::senders::{Load, add_flows, event, flows};

/// How many deliveries are acknowledged one by one before the copy is begun.
const BEFORE: u64 = 20;
/// How many acknowledgements of other senders come after it.
const AFTER: usize = 50;

/// What `sqlite3 JOURNAL "VACUUM INTO 'COPY'"` does.
fn copy(journal: &Path, copy: &Path) {
    let connection = Connection::open_with_flags(journal, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let connection = connection.expect("the journal may be opened beside the service");
    connection.execute(&format!("VACUUM INTO '{}'", copy.display()), []).expect("it may be copied");
    connection.close().expect("it closes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_taken_under_load_is_a_whole_journal_and_a_service_goes_on_with_it() {
    let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
    let flows = flows(4);
    add_flows(&tenant, &flows);
    let folder = tempfile::tempdir().expect("a folder");
    let [journal, restored] = ["journal.db", "copy.db"].map(|name| folder.path().join(name));
    let mut service = Program::serve(&tenant).journal(&journal).start();
    let addresses = service.ready().await;
    let mut load = Load::begin(&flows, &mut fastrand::Rng::new());
    load.send_to(addresses);
    let ids: Vec<String> = (0..BEFORE).map(|number| format!("before-{number}")).collect();
    for (number, id) in (0..).zip(&ids) {
        addresses.deliver(id, &event(&flows[0], Timestamp::now(), number)).await;
    }
    copy(&journal, &restored);
    load.more(AFTER).await;
    let (_, refusals) = load.end().await;
    assert!(refusals.is_empty(), "nobody was refused for the copy: {refusals:?}");
    service.signal("TERM");
    assert_eq!(service.exit().await.code, Some(0));

    let mut service = Program::serve(&tenant).journal(&restored).start();
    let addresses = service.ready().await;
    addresses.settled().await;
    let changes = addresses.changes().await;
    for id in &ids {
        let change = changes.iter().find(|change| change["delivery"] == id.as_str());
        assert!(change.is_some_and(|change| change["state"] != "failed"), "{id}: {change:?}");
    }
}
