//! Disks that are full, read-only or broken under the real program: senders are told to come back, the program
//! refuses to start, and nothing that was acknowledged is lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flowhook::sandbox::{SAMPLE_NODE, Sandbox, Settings};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use crate::program::{Addresses, Output, Program, Running, signed};
use crate::senders::{Load, add_flows, assert_true, event, flows};
use crate::strace::Strace;

/// How many acknowledgements come before the fault, and after it.
const BEFORE: usize = 40;
const AFTER: usize = 40;
/// SQLite's page size.
const PAGE: u64 = 4096;

/// A tenant, a load and where the journal is.
struct Site {
    tenant: Sandbox,
    flows: Vec<String>,
    load: Load,
    journal: PathBuf,
}

impl Site {
    async fn begin(folder: &Path) -> Self {
        let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
        let flows = flows(4);
        add_flows(&tenant, &flows);
        let load = Load::begin(&flows, &mut fastrand::Rng::new());
        Self { tenant, flows, load, journal: folder.join("journal.db") }
    }

    /// The service, which is told by its file-size limit that the disk is full instead of being killed by it.
    async fn start(&mut self) -> (Running, Addresses) {
        let serve = Program::serve(&self.tenant).through_sh("trap '' XFSZ").journal(&self.journal);
        let mut service = serve.start();
        let addresses = service.ready().await;
        self.load.send_to(addresses);
        (service, addresses)
    }

    /// What must be true while no commit is taken: 503 to senders, not ready, nothing published.
    async fn is_refused(&self, addresses: Addresses) {
        addresses.becomes_ready(false).await;
        // Older than the load's, so that it wins over nothing should the next life find it.
        let body = event(&self.flows[0], Timestamp::now() - SignedDuration::from_hours(2), 0);
        let told = addresses.offer("refused", signed("refused", &body), &body).await;
        assert_eq!(told, Some(503));
        assert!(!addresses.is_ready().await);
    }

    /// The disk is well again: without a restart it goes on. Then a crash, and everything must be there.
    async fn recovers(mut self, service: Running, addresses: Addresses) {
        addresses.becomes_ready(true).await;
        self.load.more(AFTER).await;
        let (acknowledged, refusals) = {
            let Self { load, .. } = self;
            load.end().await
        };
        let output = service.kill().await;
        assert!(output.stderr.contains("a commit failed; its deliveries are refused"), "{output:?}");
        let mut service = Program::serve(&self.tenant).journal(&self.journal).start();
        let addresses = service.ready().await;
        addresses.settled().await;
        let figures = assert_true(addresses, &self.tenant, &acknowledged).await;
        println!("{figures}, refusals by status {refusals:?}");
    }
}

/// Sets the greatest size of a file that a program may write.
fn limit_files(service: &Running, bytes: &str) {
    let (id, limit) = (service.id().to_string(), format!("--fsize={bytes}:unlimited"));
    let set = Command::new("prlimit").args(["--pid", &id, &limit]).status().expect("there is a `prlimit`");
    assert!(set.success());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nothing_can_be_written_senders_get_503_and_afterwards_nothing_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut site = Site::begin(folder.path()).await;
    let (service, addresses) = site.start().await;
    site.load.more(BEFORE).await;
    limit_files(&service, "0");
    site.is_refused(addresses).await;
    limit_files(&service, "unlimited");
    site.recovers(service, addresses).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_is_damaged_in_use_is_503_from_then_on_and_a_refusal_to_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal.db");
    let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
    let flows = flows(1);
    add_flows(&tenant, &flows);
    let start = || Program::serve(&tenant).journal(&journal).start();
    // Its first life leaves all in the file: what is in a WAL, or was read already, covers for it.
    let mut service = start();
    let addresses = service.ready().await;
    let body = event(&flows[0], Timestamp::now(), 1);
    addresses.deliver("first", &body).await;
    addresses.settled().await;
    service.signal("TERM");
    assert_eq!(service.exit().await.code, Some(0));
    let mut service = start();
    let addresses = service.ready().await;
    let length = fs::metadata(&journal).expect("it is there").len();
    let file = fs::OpenOptions::new().write(true).open(&journal).expect("it is there");
    // Nothing but its first page is left, and nonsense in place of the others.
    file.set_len(PAGE).and_then(|()| file.set_len(length)).expect("it is ours");
    for id in ["second", "third"] {
        let body = event(&flows[0], Timestamp::now(), 2);
        assert_eq!(addresses.offer(id, signed(id, &body), &body).await, Some(503));
        assert!(!addresses.is_ready().await);
    }
    let fix = "the journal is damaged: stop the service and restore it from a backup";
    service.logged(fix).await;
    service.kill().await;
    let output = refused(&tenant, &journal).await;
    assert!(output.stderr.contains("it is damaged or none: restore it from a backup"), "{output:?}");
}

/// A small disk in memory.
struct Disk(TempDir);

impl Disk {
    fn mount(size: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_string_lossy().into_owned();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", &path]);
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn make_read_only(&self) {
        run("mount", &["-o", "remount,ro", &self.path().to_string_lossy()]);
    }

    /// Leaves no room on it.
    fn fill(&self) {
        let filled = fs::write(self.ballast(), vec![0; 64 * 1024 * 1024]);
        assert!(filled.is_err(), "the disk is larger than that");
    }

    fn clear(&self) {
        fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a program that a failed test left behind is reaped a moment later.
        _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().expect("it is there");
    assert!(status.success(), "{program} {arguments:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "mounts a disk, as root"]
async fn a_full_disk_is_503_to_senders_until_there_is_room_and_loses_nothing() {
    let disk = Disk::mount("8m");
    let mut site = Site::begin(disk.path()).await;
    let (service, addresses) = site.start().await;
    site.load.more(BEFORE).await;
    disk.fill();
    site.is_refused(addresses).await;
    disk.clear();
    site.recovers(service, addresses).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs strace"]
async fn a_disk_that_fails_or_turns_read_only_is_503_to_senders_and_loses_nothing() {
    for (calls, fault) in [
        ("fsync,fdatasync", "error=EIO"),
        ("pwrite64", "error=EROFS"),
        ("pwrite64", "error=EIO"),
        // Every other one: some commits are refused, and those around them are not.
        ("fsync,fdatasync", "error=EIO:when=2+2"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut site = Site::begin(folder.path()).await;
        let (service, addresses) = site.start().await;
        site.load.more(BEFORE).await;
        let strace = Strace::inject(&service, calls, fault).await;
        if fault.contains("when") {
            site.load.more(AFTER).await;
        } else {
            site.is_refused(addresses).await;
        }
        strace.detach().await;
        print!("{calls} {fault}: ");
        site.recovers(service, addresses).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs strace"]
async fn a_crash_while_fsync_fails_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut site = Site::begin(folder.path()).await;
    let (service, addresses) = site.start().await;
    site.load.more(BEFORE).await;
    let _strace = Strace::inject(&service, "fsync,fdatasync", "error=EIO").await;
    site.is_refused(addresses).await;
    // What was refused may be found in the WAL by the next life: its sender's next attempt is a duplicate then.
    service.kill().await;
    let (service, addresses) = site.start().await;
    site.load.more(AFTER).await;
    let (acknowledged, _) = site.load.end().await;
    addresses.settled().await;
    let refused = addresses.state_of("refused").await;
    assert!(refused.is_none_or(|state| state == "superseded"), "its values are the oldest");
    drop(service);
    println!("{} acknowledged", acknowledged.len());
    for flow in &site.flows {
        let newest = acknowledged.iter().filter(|one| one.flow == *flow).map(|one| one.number).max();
        let shown = site.tenant.variable(flow, SAMPLE_NODE, "max_wait_time_seconds");
        assert_eq!(shown, newest.map(|number| number.to_string()), "{flow}");
    }
}

/// Starts what cannot start.
async fn refused(tenant: &Sandbox, journal: &Path) -> Output {
    let output = Program::serve(tenant).journal(journal).output().await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains(&*journal.to_string_lossy()), "it must name the file: {output:?}");
    output
}

#[tokio::test]
#[ignore = "mounts a disk, as root"]
async fn on_a_disk_that_is_full_or_read_only_it_refuses_to_start_and_says_what_to_do() {
    let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
    let disk = Disk::mount("4m");
    let [old, new] = ["old.db", "new.db"].map(|name| disk.path().join(name));
    let mut service = Program::serve(&tenant).journal(&old).start();
    service.ready().await;
    service.kill().await;
    let check = async |journal: &Path, fix: &str| {
        let output = refused(&tenant, journal).await;
        assert!(output.stderr.contains(fix), "{output:?}");
    };
    disk.fill();
    // The old one starts: what its WAL gives back is room for it.
    check(&new, "check that its disk is there and has room").await;
    disk.clear();
    disk.make_read_only();
    check(&new, "Read-only file system").await;
    check(&old, "Read-only file system").await;
}
