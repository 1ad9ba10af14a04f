//! A clock that jumps, under the real program: nothing is lost, nothing ends early, nothing waits for ever.

use std::path::Path;
use std::time::Duration;

use flowhook::sandbox::{Canned, Fault, FaultKind, On, SAMPLE_NODE, Sandbox, Settings, sample_flow};
use jiff::{SignedDuration, Timestamp};

use crate::patience::eventually;
use crate::program::{Addresses, Program, Running, signed_at};
use crate::senders::event;

/// What is laid under the program: it takes the time from a file. `$LIB` is the linker's.
const FAKETIME: &str = "/usr/$LIB/faketime/libfaketimeMT.so.1";
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A service whose clock can be set.
struct Site {
    tenant: Sandbox,
    folder: tempfile::TempDir,
    ahead: SignedDuration,
    service: Option<Running>,
    addresses: Option<Addresses>,
    sent: u64,
}

impl Site {
    async fn begin() -> Self {
        let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
        tenant.add_flow("f", &sample_flow("f", "Support")).expect("the sample is a flow");
        let folder = tempfile::tempdir().expect("a folder");
        let (service, addresses) = (None, None);
        let mut site = Self { tenant, folder, ahead: SignedDuration::ZERO, service, addresses, sent: 0 };
        site.set(SignedDuration::ZERO);
        site.start().await;
        site
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("clock")
    }

    /// Sets the service's clock so far ahead of the true time, or behind it.
    fn set(&mut self, ahead: SignedDuration) {
        self.ahead = ahead;
        // In one step: half a line would be no time.
        let (new, file) = (self.folder.path().join("new"), self.file());
        std::fs::write(&new, format!("{:+}\n", ahead.as_secs())).expect("the folder is ours");
        std::fs::rename(new, file).expect("the folder is ours");
    }

    async fn start(&mut self) {
        let serve = Program::serve(&self.tenant).journal(&self.folder.path().join("journal.db"));
        let mut service = with_clock(serve, &self.file()).start();
        self.addresses = Some(service.ready().await);
        self.service = Some(service);
    }

    async fn restart(&mut self) {
        if let Some(service) = self.service.take() {
            service.kill().await;
        }
        self.start().await;
    }

    fn at(&self) -> Addresses {
        self.addresses.expect("it runs")
    }

    /// Offers an event that its sender signs by the service's clock, or off it by that.
    async fn offer(&mut self, off: SignedDuration) -> (String, Option<u16>) {
        self.sent += 1;
        let id = format!("msg-{}", self.sent);
        let body = event(
            "f",
            Timestamp::now() - DAY * 400 + SignedDuration::from_secs(self.sent.cast_signed()),
            self.sent,
        );
        let told =
            self.at().offer(&id, signed_at(&id, Timestamp::now() + self.ahead + off, &body), &body).await;
        (id, told)
    }

    async fn deliver(&mut self) -> String {
        let (id, told) = self.offer(SignedDuration::ZERO).await;
        assert_eq!(told, Some(202));
        id
    }
}

fn with_clock(program: Program, file: &Path) -> Program {
    program.envs(&[
        ("LD_PRELOAD", FAKETIME),
        ("FAKETIME_TIMESTAMP_FILE", &file.to_string_lossy()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs faketime"]
async fn a_clock_that_jumps_loses_nothing_and_ends_nothing_early() {
    for days in [1, -1, 400, -400] {
        let mut site = Site::begin().await;
        // One is published, one is in flight, one waits, and the lane has backed off before.
        site.deliver().await;
        site.at().settled().await;
        site.tenant.fault(Fault::put(FaultKind::Status(Canned::status(403))).of("f"));
        let waiting = site.deliver().await;
        site.service.as_mut().expect("it runs").logged("a lane backs off").await;
        let hold = site.tenant.hold("f");
        site.set(DAY * days);

        // Freshness follows the wall clock: who signs by the true time is refused.
        let (_, told) = site.offer(-site.ahead).await;
        assert_eq!(told, Some(401), "{days} days");
        let folded = site.deliver().await;
        assert_eq!(site.at().state_of(&waiting).await.as_deref(), Some("pending"), "{days} days");
        drop(hold);
        site.at().settled().await;
        let shown = site.tenant.variable("f", SAMPLE_NODE, "max_wait_time_seconds");
        assert_eq!(shown.as_deref(), Some("4"), "{days} days: the newest is there");
        for id in [&waiting, &folded] {
            let state = site.at().state_of(id).await;
            assert!(matches!(state.as_deref(), Some("published" | "superseded")), "{days} days: {state:?}");
        }

        // And back, while one waits, through a restart.
        let hold = site.tenant.hold("f");
        let waiting = site.deliver().await;
        site.set(SignedDuration::ZERO);
        site.restart().await;
        drop(hold);
        site.at().settled().await;
        assert_eq!(site.at().state_of(&waiting).await.as_deref(), Some("published"), "{days} days");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs faketime"]
async fn a_gate_that_a_jumping_clock_meets_stays_shut_for_as_long_as_was_asked() {
    let mut site = Site::begin().await;
    let wait = Duration::from_secs(2);
    for days in [1, -1] {
        site.tenant
            .fault(Fault::on(On::Flow, FaultKind::Status(Canned::status(429).retry_after("2"))).of("f"));
        site.deliver().await;
        site.service.as_mut().expect("it runs").logged("no call to the tenant is started").await;
        let closed = std::time::Instant::now();
        site.set(DAY * days);
        site.at().settled().await;
        let open = closed.elapsed();
        assert!(open >= wait - Duration::from_millis(100), "{days} days: opened after {open:?}");
        assert!(open < wait * 5, "{days} days: opened after {open:?}");
        site.set(SignedDuration::ZERO);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs faketime"]
async fn a_gate_that_is_restored_by_a_clock_that_was_set_is_shut_for_an_hour_at_most() {
    let mut site = Site::begin().await;
    site.tenant.fault(Fault::on(On::Flow, FaultKind::Status(Canned::status(429).retry_after("60"))).of("f"));
    site.deliver().await;
    let reason = "no call to the tenant is started";
    site.service.as_mut().expect("it runs").logged(reason).await;
    // The end is in the journal before the reason is shown.
    eventually(async || {
        (site.at().ask("/api/changes").await["changes"][0]["reason"].is_string()).then_some(())
    })
    .await;

    site.set(-DAY);
    site.restart().await;
    let line = site.service.as_mut().expect("it runs").logged(reason).await;
    assert!(line.contains("gate.wait_ms=3600000"), "{line}");
    site.set(DAY);
    site.restart().await;
    site.at().settled().await;
}
