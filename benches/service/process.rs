//! The processes that are measured: started on free ports, watched from outside, killed when they are done with.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use flowhook::sandbox::Sandbox;

use crate::delivery::{Request, SECRET, Signer};
use crate::journal;
use crate::load::{self, CONNECTIONS, Run};

/// How long a process may take until it answers.
const START: Duration = Duration::from_secs(60);
/// How often a condition is looked at: what waits for one may be off by as much.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How long the service may take to publish everything.
pub(crate) const SETTLING: Duration = Duration::from_secs(600);
/// In which the kernel counts processor time: `USER_HZ`, which is the same on every processor that matters here (proc(5)).
const TICK: Duration = Duration::from_millis(10);
/// How many deliveries are signed and sent at a time: they must arrive before their signatures are stale.
const AT_A_TIME: usize = 100_000;

/// A server in a process of its own, which does not outlive this.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Process {
    /// Starts the server that is to listen there.
    pub(crate) fn spawn(address: SocketAddr, command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Ok(Self {
            address,
            child: child.with_context(|| format!("starting {}", command.get_program().display()))?,
        })
    }

    /// The same, once it listens.
    pub(crate) fn listening(address: SocketAddr, command: &mut Command) -> Result<Self> {
        let process = Self::spawn(address, command)?;
        until(START, || Ok(std::net::TcpStream::connect(address).is_ok()))?;
        Ok(process)
    }

    /// Sends it the requests over so many connections, each of them once.
    pub(crate) fn send(&self, connections: usize, requests: Vec<Request>) -> Result<Run> {
        self.during(|| load::send(self.address, connections, requests))
    }

    /// Sends it so many deliveries, as an ordinary client does.
    pub(crate) fn send_by_library(&self, connections: usize, deliveries: usize) -> Result<Run> {
        self.during(|| load::send_by_library(self.address, connections, deliveries))
    }

    /// A load, with the processor time that it has cost this process.
    fn during(&self, load: impl FnOnce() -> Result<Run>) -> Result<Run> {
        let before = self.cpu()?;
        let run = load()?;
        Ok(Run { cpu: self.cpu()?.saturating_sub(before), ..run })
    }

    /// The processor time that it has used, with that of its children that have ended.
    fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Its name may hold anything: the fields are counted from the parenthesis behind it, where the third begins.
        let (_, fields) = stat.rsplit_once(')').context("no name in its stat")?;
        let ticks = fields.split_whitespace().skip(11).take(4).map(str::parse::<u32>);
        Ok(TICK * ticks.sum::<Result<u32, _>>()?)
    }

    /// What of its memory is in use, and the most that was, in MB of 10^6 bytes.
    pub(crate) fn memory_mb(&self) -> Result<(f64, f64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kib = |name: &str| -> Option<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let mb = |name| kib(name).map(|kib| kib * 1024.0 / 1e6).context("no such line in its status");
        Ok((mb("VmRSS:")?, mb("VmHWM:")?))
    }

    /// Ends it at once, as a power cut would.
    fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.kill();
    }
}

/// A free address on loopback.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Looks again and again until it is so.
pub(crate) fn until(patience: Duration, mut ready: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !ready()? {
        if begun.elapsed() > patience {
            bail!("nothing came of it in {patience:?}");
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Bare axum, in a process of its own as flowhook is.
pub(crate) fn bare() -> Result<Process> {
    let address = free_address()?;
    let this = std::env::current_exe()?;
    Process::listening(address, Command::new(this).args(["--bare", &address.to_string()]))
}

/// `flowhook serve`, on a journal of its own.
pub(crate) struct Service {
    pub(crate) process: Process,
    admin: SocketAddr,
    http: reqwest::blocking::Client,
}

/// A folder for a journal; it goes with everything in it.
pub(crate) fn folder() -> Result<tempfile::TempDir> {
    // Beside what cargo builds: a temporary folder may be one in memory, where an fsync costs nothing.
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

impl Service {
    /// Starts the binary that cargo built on the journal in `folder`; how long until it was ready.
    ///
    /// It logs as it does by default, a line for each delivery, into a file.
    pub(crate) fn start(folder: &Path, tenant: Option<&Sandbox>) -> Result<(Self, Duration)> {
        let (address, admin) = (free_address()?, free_address()?);
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowhook"));
        let base = tenant.map_or_else(|| "http://127.0.0.1:9".to_owned(), Sandbox::base_url);
        command
            .arg("serve")
            .current_dir(folder)
            .env_clear()
            .env("CXONE_BASE_URL", base)
            .env("CXONE_CLIENT_ID", "sandbox-client")
            .env("CXONE_CLIENT_SECRET", "sandbox-secret")
            .env("FLOWHOOK_WEBHOOK_SECRET", SECRET)
            .env("FLOWHOOK_LISTEN", address.to_string())
            .env("FLOWHOOK_ADMIN_LISTEN", admin.to_string())
            .env("FLOWHOOK_JOURNAL", format!("sqlite:{}", journal::in_folder(folder).display()))
            .env("FLOWHOOK_QUEUE_CAPACITY", "10000000")
            .stderr(File::create(folder.join("log"))?);
        // What earlier runs have left to write, or to take away, would come between its commits.
        ensure!(Command::new("sync").status().context("`sync` does not start")?.success(), "`sync` failed");
        let begun = Instant::now();
        let process = Process::spawn(address, &mut command)?;
        let service = Self { process, admin, http: reqwest::blocking::Client::new() };
        until(START, || Ok(service.is_ready()))?;
        Ok((service, begun.elapsed()))
    }

    fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("http://{}/readyz", self.admin)).send();
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Publishes nothing from now on.
    pub(crate) fn pause(&self) -> Result<()> {
        self.admin("/api/pause")
    }

    /// Publishes again.
    pub(crate) fn resume(&self) -> Result<()> {
        self.admin("/api/resume")
    }

    fn admin(&self, path: &str) -> Result<()> {
        self.http.post(format!("http://{}{path}", self.admin)).send()?.error_for_status()?;
        Ok(())
    }

    /// Waits until nothing is pending.
    pub(crate) fn until_settled(&self) -> Result<()> {
        let url = format!("http://{}/api/changes?state=pending&limit=1", self.admin);
        until(SETTLING, || {
            let found: serde_json::Value = self.http.get(&url).send()?.error_for_status()?.json()?;
            Ok(found["changes"].as_array().is_some_and(Vec::is_empty))
        })
    }

    /// Has it accept so many changes, in turns over so many flows.
    pub(crate) fn fill(&self, changes: usize, flows: usize) -> Result<()> {
        for sent in (0..changes).step_by(AT_A_TIME) {
            let deliveries = Signer::new().many(AT_A_TIME.min(changes - sent), flows);
            self.process.send(CONNECTIONS, deliveries)?;
        }
        Ok(())
    }

    /// Ends it at once, as a power cut would.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.process.kill()
    }
}
