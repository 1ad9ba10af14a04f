//! Journals that were cut short, damaged or taken apart: each is refused at the start, with the file and what to
//! do, and left as it was found.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use flowhook::journal::{Found, Journal, JournalError, Location, Write as _};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::deliveries::{change_of, delivery, now};

/// How many changes are in the file, and how many more in its WAL.
const IN_FILE: usize = 300;
const IN_WAL: usize = 30;
/// SQLite's page size, and the sizes of a WAL's header and of a frame's (<https://sqlite.org/fileformat2.html>).
const PAGE: usize = 4096;
const WAL_HEADER: usize = 32;
const FRAME: usize = 24 + PAGE;

/// What a killed process left: the files of a journal, by their endings.
struct Left(BTreeMap<&'static str, Vec<u8>>);

impl Left {
    async fn behind() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.db");
        admit(&path, 0, IN_FILE).await.close().await;
        let journal = admit(&path, IN_FILE, IN_WAL).await;
        let read = |ending| (ending, fs::read(ending_of(&path, ending)).expect("it is there"));
        let files = ["", "-wal", ".lock"].map(read);
        journal.close().await;
        Self(files.into())
    }

    /// The same in a folder of its own.
    fn put(&self) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.db");
        for (ending, bytes) in &self.0 {
            fs::write(ending_of(&path, ending), bytes).expect("the folder is ours");
        }
        (folder, path)
    }
}

fn ending_of(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// An open journal with so many changes more.
struct Open(Journal);

impl Open {
    async fn close(self) {
        self.0.reader.close().await;
        self.0.writer.close().await;
    }
}

async fn admit(path: &Path, from: usize, count: usize) -> Open {
    let mut journal = Journal::open(&Location::sqlite(path)).await.expect("it can be opened");
    for id in from..from + count {
        let delivery = delivery(&id.to_string(), &[change_of("f1")]);
        journal.writer.commit(now(), &[], &[&delivery]).await.expect("it is on disk");
    }
    Open(journal)
}

/// Opens what must be refused, and looks at it as `flowhook check` does; says why it is refused.
async fn refusal(path: &Path) -> String {
    let location = Location::sqlite(path);
    let before: Vec<_> = files(path).collect();
    let looked = Journal::look(&location).await.expect_err("it must be refused");
    let opened = Journal::open(&location).await.expect_err("it must be refused");
    assert_eq!(looked.to_string(), opened.to_string());
    for (ending, before, after) in files(path).zip(before).map(|(after, before)| (after.0, before.1, after.1))
    {
        assert!(before == after, "`{ending}` was changed: {opened}");
    }
    let message = opened.to_string();
    assert!(message.contains(&format!("`{}`", path.display())), "it must name the file: {message}");
    message
}

/// What the files of a journal hold; an empty one is as good as none.
fn files(path: &Path) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let path = path.to_owned();
    ["", "-wal", ".lock"]
        .into_iter()
        .map(move |ending| (ending, fs::read(ending_of(&path, ending)).unwrap_or_default()))
}

/// Writes these bytes over a file's.
fn overwrite(path: &Path, at: usize, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).expect("it is there");
    file.seek(SeekFrom::Start(at as u64)).expect("it is a file");
    file.write_all(bytes).expect("it is ours");
}

fn cut(path: &Path, length: usize) {
    let file = OpenOptions::new().write(true).open(path).expect("it is there");
    file.set_len(length as u64).expect("it is ours");
}

#[tokio::test]
async fn what_a_kill_left_is_whole_and_opens() {
    let (_folder, path) = Left::behind().await.put();
    let found = Journal::look(&Location::sqlite(&path)).await.expect("it is whole");
    assert_eq!(found, Found::Journal { pending: IN_FILE + IN_WAL });
    let journal = Journal::open(&Location::sqlite(&path)).await.expect("it is whole");
    assert_eq!(journal.reader.pending().total(), IN_FILE + IN_WAL);
    let wal = fs::metadata(ending_of(&path, "-wal")).expect("it is there");
    assert_eq!(wal.len(), 0, "what the last life left in the WAL is in the file before anything follows it");
    Open(journal).close().await;
}

#[tokio::test]
async fn a_journal_that_is_cut_short_is_refused_wherever_it_is_cut() {
    let left = Left::behind().await;
    let pages = left.0[""].len() / PAGE;
    // With its WAL, in which some of its pages are, and after an orderly end, when it has none.
    for with_wal in [true, false] {
        for length in [99, 100, PAGE - 1, PAGE, 2 * PAGE, pages / 2 * PAGE, (pages / 2 * PAGE) + 17] {
            let (_folder, path) = left.put();
            if !with_wal {
                admit(&path, 0, 0).await.close().await;
            }
            cut(&path, length);
            let message = refusal(&path).await;
            assert!(message.contains("restore it from a backup"), "{length}, {with_wal}: {message}");
        }
    }
}

#[tokio::test]
async fn a_journal_that_is_empty_or_missing_is_refused_where_there_was_one() {
    let left = Left::behind().await;
    let check = async |what: &str, damage: fn(&Path)| {
        let (_folder, path) = left.put();
        damage(&path);
        let message = refusal(&path).await;
        assert!(message.contains("its `-wal` is not: put the file back"), "{what}: {message}");

        // After an orderly end, when there is no WAL, the file beside it still tells.
        let (_folder, path) = left.put();
        admit(&path, 0, 0).await.close().await;
        damage(&path);
        let message = refusal(&path).await;
        assert!(message.contains("ends with change 0, and change 330 was acknowledged"), "{what}: {message}");
    };
    check("emptied", |path| cut(path, 0)).await;
    check("cut to a byte", |path| cut(path, 1)).await;
    check("removed", |path| fs::remove_file(path).expect("it was there")).await;
}

#[cfg(unix)]
#[tokio::test]
async fn behind_a_link_too_a_journal_that_is_missing_is_refused_and_its_wal_is_kept() {
    let (folder, path) = Left::behind().await.put();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let names = [elsewhere.path().join("link.db"), elsewhere.path().join("link-to-link.db")];
    std::os::unix::fs::symlink(&path, &names[0]).expect("a link");
    // As `ln -s link.db` writes it.
    std::os::unix::fs::symlink("link.db", &names[1]).expect("a link");
    let before = fs::read(ending_of(&path, "-wal")).expect("it is there");
    fs::rename(&path, folder.path().join("aside.db")).expect("it is ours");
    for link in &names {
        let message = refusal(link).await;
        assert!(message.contains("its `-wal` is not: put the file back"), "{message}");
        let after = fs::read(ending_of(&path, "-wal")).expect("it is there");
        assert!(before == after, "the WAL behind {} was changed", link.display());
    }
    fs::rename(folder.path().join("aside.db"), &path).expect("it is ours");
    let journal = admit(&names[1], 0, 0).await;
    assert_eq!(journal.0.reader.pending().total(), IN_FILE + IN_WAL);
    journal.close().await;
}

#[tokio::test]
async fn a_wal_that_is_cut_short_missing_or_damaged_is_refused() {
    let left = Left::behind().await;
    let length = left.0["-wal"].len();
    let remove = |wal: &Path| fs::remove_file(wal).expect("it was there");
    let check = async |what: &str, damage: &dyn Fn(&Path)| {
        let (_folder, path) = left.put();
        damage(&ending_of(&path, "-wal"));
        let message = refusal(&path).await;
        assert!(
            message.contains("and change 330 was acknowledged: put back what is missing"),
            "{what}: {message}"
        );
        // Whoever has restored a backup says so.
        fs::remove_file(ending_of(&path, ".lock")).expect("it was there");
        let opened = Journal::open(&Location::sqlite(&path)).await.expect("nothing says that more was there");
        Open(opened).close().await;
    };
    check("missing", &remove).await;
    for cut_at in [0, 1, WAL_HEADER, WAL_HEADER + FRAME, length / 2, length - FRAME, length - 1] {
        check(&format!("cut at {cut_at}"), &|wal| cut(wal, cut_at)).await;
    }
    for at in [0, WAL_HEADER + 8, WAL_HEADER + FRAME + 100, length / 2, length - 1] {
        check(&format!("damaged at {at}"), &|wal| {
            let byte = left.0["-wal"][at];
            overwrite(wal, at, &[!byte]);
        })
        .await;
    }
}

#[tokio::test]
async fn a_page_that_was_overwritten_is_found_at_the_start_whatever_it_held() {
    let left = Left::behind().await;
    let (_folder, path) = left.put();
    admit(&path, 0, 0).await.close().await;
    let pages = fs::metadata(&path).expect("it is there").len() / PAGE as u64;
    let whole = fs::read(&path).expect("it is there");
    for page in 0..usize::try_from(pages).expect("a small file") {
        for filling in [0x00, 0xff] {
            overwrite(&path, page * PAGE, &[filling; PAGE]);
            let message = refusal(&path).await;
            assert!(message.contains("restore it from a backup"), "page {page}: {message}");
            fs::write(&path, &whole).expect("it is ours");
        }
    }
    println!("{pages} pages");
}

#[tokio::test]
async fn a_journal_with_a_state_that_no_change_can_have_is_refused() {
    let (_folder, path) = Left::behind().await.put();
    admit(&path, 0, 0).await.close().await;
    let sql = Connection::open(&path).expect("nobody has it");
    // As our own writer does, which trusts itself.
    sql.pragma_update(None, "ignore_check_constraints", true).expect("a setting");
    sql.execute_batch("UPDATE changes SET state = 'lost' WHERE seq = 7").expect("it is there");
    drop(sql);
    let message = refusal(&path).await;
    assert!(message.contains("restore it from a backup"), "{message}");
}

#[tokio::test]
async fn a_journal_that_somebody_took_a_table_from_is_refused_by_its_name() {
    let (_folder, path) = Left::behind().await.put();
    admit(&path, 0, 0).await.close().await;
    let sql = Connection::open(&path).expect("nobody has it");
    sql.execute_batch("DROP TABLE ids_known_to").expect("it is there");
    drop(sql);
    let refused = Journal::open(&Location::sqlite(&path)).await.expect_err("it lacks a table").to_string();
    assert!(refused.contains(&format!("`{}`", path.display())), "{refused}");
}

#[tokio::test]
async fn damage_that_is_met_in_use_stops_all_writing() {
    let (_folder, path) = Left::behind().await.put();
    let Open(mut journal) = admit(&path, 0, 0).await;
    let pages = fs::metadata(&path).expect("it is there").len() / PAGE as u64;
    for page in 1..usize::try_from(pages).expect("a small file") {
        overwrite(&path, page * PAGE, &[0xff; PAGE]);
    }
    let twin = delivery("new", &[change_of("f1")]);
    let mut commit = async || journal.writer.commit(now(), &[], &[&twin]).await;
    let met = commit().await.expect_err("the pages are nonsense");
    assert!(matches!(met, JournalError::Malformed(_)), "{met:?}");
    assert!(met.to_string().contains("stop the service and restore it from a backup"), "{met}");
    let after = commit().await.expect_err("nothing is written into what is damaged");
    assert!(matches!(after, JournalError::GivenUp), "{after:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_journal_that_was_removed_or_replaced_in_use_takes_nothing_until_it_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let [path, aside] = ["journal.db", "aside.db"].map(|name| folder.path().join(name));
    let Open(mut journal) = admit(&path, 0, 1).await;
    let mut commit = async |id: &str| {
        journal.writer.commit(now(), &[], &[&delivery(id, &[change_of("f1")])]).await.map(drop)
    };
    fs::rename(&path, &aside).expect("it is ours");
    let removed = commit("2").await.expect_err("it would be lost with the process");
    assert!(removed.to_string().contains("was removed or replaced while it is in use"), "{removed}");
    fs::copy(&aside, &path).expect("it is ours");
    commit("2").await.expect_err("another file is not the same");
    fs::rename(&aside, &path).expect("it is ours");
    commit("2").await.expect("it is where it was");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_journal_has_one_owner_under_a_hard_link_and_with_a_copied_lock_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let [path, link] = ["journal.db", "link.db"].map(|name| folder.path().join(name));
    let journal = admit(&path, 0, 1).await;
    fs::hard_link(&path, &link).expect("a link");
    for with_lock in [false, true] {
        if with_lock {
            fs::copy(ending_of(&path, ".lock"), ending_of(&link, ".lock")).expect("a copy");
        }
        let second = Journal::open(&Location::sqlite(&link)).await;
        assert!(matches!(second, Err(JournalError::Locked { .. })), "{second:?}");
    }
    fs::remove_file(ending_of(&path, ".lock")).expect("it was there");
    let second = Journal::open(&Location::sqlite(&path)).await;
    assert!(matches!(second, Err(JournalError::Locked { .. })), "its lock was removed: {second:?}");
    journal.close().await;
}
