//! The real program as a process: started with a clean environment in a folder of its own, listened to,
//! killed or told to stop, and always reaped.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use flowhook::sandbox::{Sandbox, Settings, sample_flow};
use flowhook::source::{Scheme, Secret};
use hyper::HeaderMap;
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::patience::{eventually, patiently};

/// What the tests' configuration system signs with.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A test's way to fail where no assertion fits.
#[expect(clippy::panic, reason = "a helper of tests fails the test by it")]
#[track_caller]
pub(crate) fn fail(why: &str) -> ! {
    panic!("{why}")
}

/// A command that has not been started yet.
pub(crate) struct Program {
    command: Command,
    /// What it reads from standard input.
    input: Option<String>,
    /// Who reads its standard error.
    reader: Reader,
    folder: TempDir,
}

impl Program {
    /// `flowhook` with these arguments.
    pub(crate) fn flowhook(arguments: &[&str]) -> Self {
        Self::named(env!("CARGO_BIN_EXE_flowhook"), arguments)
    }

    /// Any program, in a folder of its own and with nothing in its environment but the way to programs,
    /// `flowhook` among them.
    pub(crate) fn named(program: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut path = Path::new(env!("CARGO_BIN_EXE_flowhook")).parent().expect("a folder").to_owned();
        if let Some(usual) = std::env::var_os("PATH") {
            path.as_mut_os_string().push(":");
            path.as_mut_os_string().push(usual);
        }
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("PATH", path).env("HOME", folder.path());
        Self { command, input: None, reader: Reader::Stays, folder }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn envs(mut self, values: &[(&str, &str)]) -> Self {
        self.command.envs(values.iter().copied());
        self
    }

    /// With the settings that point at the practice tenant.
    pub(crate) fn at(self, tenant: &Sandbox) -> Self {
        let (id, secret) = (tenant.client_id().to_owned(), tenant.client_secret().to_owned());
        self.env("CXONE_BASE_URL", &tenant.base_url())
            .env("CXONE_CLIENT_ID", &id)
            .env("CXONE_CLIENT_SECRET", &secret)
    }

    /// `serve` on free ports, which publishes into the practice tenant.
    pub(crate) fn serve(tenant: &Sandbox) -> Self {
        Self::flowhook(&["serve"]).at(tenant).on_free_ports().env("FLOWHOOK_WEBHOOK_SECRET", WEBHOOK_SECRET)
    }

    /// `serve` with so many files open at most.
    pub(crate) fn serve_with_few_files(tenant: &Sandbox, files: usize) -> Self {
        let command = format!("ulimit -n {files}; exec flowhook serve");
        let serve = Self::named("sh", &["-c", &command]).at(tenant).on_free_ports();
        serve.env("FLOWHOOK_WEBHOOK_SECRET", WEBHOOK_SECRET)
    }

    /// `serve` over a tenant with the flow `f`, ready.
    pub(crate) async fn serving() -> (Sandbox, Running, Addresses) {
        let tenant = Sandbox::start(Settings::default()).await.expect("a free port");
        tenant.add_flow("f", &sample_flow("f", "Support")).expect("the sample is a flow");
        let mut service = Self::serve(&tenant).start();
        let addresses = service.ready().await;
        (tenant, service, addresses)
    }

    pub(crate) fn on_free_ports(self) -> Self {
        self.envs(&[("FLOWHOOK_LISTEN", "127.0.0.1:0"), ("FLOWHOOK_ADMIN_LISTEN", "127.0.0.1:0")])
    }

    pub(crate) fn journal(self, path: &Path) -> Self {
        let location = format!("sqlite:{}", path.display());
        self.env("FLOWHOOK_JOURNAL", &location)
    }

    /// Started by a shell that has run this before, which takes its place.
    pub(crate) fn through_sh(self, before: &str) -> Self {
        let Self { command, input, reader, folder } = self;
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{before}; exec \"$0\" \"$@\"")]).arg(command.get_program());
        shell.args(command.get_args()).env_clear();
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self { command: shell, input, reader, folder }
    }

    pub(crate) fn input(self, text: &str) -> Self {
        Self { input: Some(text.to_owned()), ..self }
    }

    /// Closes the other end of its standard error after a line with these words.
    pub(crate) fn deaf_after(self, words: &'static str) -> Self {
        Self { reader: Reader::LeavesAfter(words), ..self }
    }

    /// Reads no more of its standard error after a line with these words, until [`Running::read_on`]; nothing at
    /// all where there are no words.
    pub(crate) fn unread_after(self, words: &'static str) -> Self {
        Self { reader: Reader::PausesAfter(words), ..self }
    }

    /// Puts a file into its folder.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.folder.path().join(name), text).expect("the folder is ours");
        self
    }

    pub(crate) fn start(self) -> Running {
        let Self { mut command, input, reader, folder } = self;
        command.current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().unwrap_or_else(|error| fail(&format!("{command:?}: {error}")));
        if let Some((mut pipe, text)) = child.stdin.take().zip(input) {
            // A program that does not read its input is no reason to fail here.
            thread::spawn(move || pipe.write_all(text.as_bytes()));
        }
        let (paused, read_on) = mpsc::channel();
        let stdout = follow(child.stdout.take().expect("it is piped"), |_| true);
        let stderr = child.stderr.take().expect("it is piped");
        let stderr = match reader {
            Reader::Stays => follow(stderr, |_| true),
            Reader::LeavesAfter(words) => follow(stderr, move |line| !line.contains(words)),
            Reader::PausesAfter(words) => follow(stderr, move |line| {
                // It fails as soon as the other end is dropped, and from then on.
                _ = line.contains(words).then(|| read_on.recv());
                true
            }),
        };
        Running { child, stdout, stderr, paused: Some(paused), folder }
    }

    /// Runs it to its end.
    pub(crate) async fn output(self) -> Output {
        self.start().exit().await
    }
}

/// Who reads the standard error of a program.
enum Reader {
    Stays,
    /// Closes its end after a line with these words.
    LeavesAfter(&'static str),
    /// Keeps its end, and reads no more after such a line until it is told to.
    PausesAfter(&'static str),
}

/// What a pipe has brought so far.
#[derive(Default)]
struct Piped {
    text: String,
    ended: bool,
}

/// Reads a pipe line by line on a thread of its own, to its end or as long as it `goes_on` after a line; that is asked
/// before the first line too, of no words.
fn follow(
    pipe: impl Read + Send + 'static,
    mut goes_on: impl FnMut(&str) -> bool + Send + 'static,
) -> watch::Receiver<Piped> {
    let (sender, receiver) = watch::channel(Piped::default());
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while goes_on(&String::from_utf8_lossy(&line)) {
            line.clear();
            if !pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                break;
            }
            sender.send_modify(|piped| piped.text.push_str(&String::from_utf8_lossy(&line)));
        }
        drop(pipe);
        sender.send_modify(|piped| piped.ended = true);
    });
    receiver
}

/// A program that runs; dropped, it is killed and reaped.
pub(crate) struct Running {
    child: Child,
    stdout: watch::Receiver<Piped>,
    stderr: watch::Receiver<Piped>,
    /// Dropped, its standard error is read on.
    paused: Option<mpsc::Sender<()>>,
    folder: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has been reaped already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// How a program ended and what it wrote.
#[derive(Debug)]
pub(crate) struct Output {
    /// The exit code; none if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The names of the files that it left in its folder.
    pub(crate) left: Vec<String>,
}

impl Output {
    /// The standard output's JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| fail(&format!("{error}: {self:?}")))
    }
}

/// Where a service listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Running {
    /// Waits until the service says that it is ready; where it listens.
    pub(crate) async fn ready(&mut self) -> Addresses {
        let line = self.logged("flowhook is ready").await;
        let field = |name: &str| {
            let value = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            value
                .and_then(|value| value.parse().ok())
                .unwrap_or_else(|| fail(&format!("no {name} in {line}")))
        };
        Addresses { public: field("server.listen"), admin: field("server.admin_listen") }
    }

    /// Waits until the program has written a line to standard error that holds `words`; the line.
    pub(crate) async fn logged(&mut self, words: &str) -> String {
        wait_for(&mut self.stderr, words).await
    }

    /// Waits until it has written so many lines that hold `words`; the last of them.
    pub(crate) async fn logged_times(&mut self, words: &str, times: usize) -> String {
        let nth = |piped: &Piped| {
            piped.text.lines().filter(|line| line.contains(words)).nth(times - 1).map(str::to_owned)
        };
        let there = |piped: &Piped| nth(piped).is_some() || piped.ended;
        let piped = patiently(self.stderr.wait_for(there)).await.expect("the reader is alive until the end");
        nth(&piped).unwrap_or_else(|| {
            fail(&format!("it ended before `{words}` came {times} times:\n{}", piped.text))
        })
    }

    /// Has its standard error read on, where that was not.
    pub(crate) fn read_on(&mut self) {
        self.paused = None;
    }

    /// Waits until it has ended, whoever reads what it wrote.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        eventually(async || self.child.try_wait().expect("it is our child")).await.code()
    }

    /// A file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same for standard output.
    pub(crate) async fn printed(&mut self, words: &str) -> String {
        wait_for(&mut self.stdout, words).await
    }

    /// All of standard output up to now.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.borrow().text.clone()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    /// `kill -9`: returns when it is gone.
    pub(crate) async fn kill(mut self) -> Output {
        self.child.kill().expect("it runs");
        self.exit().await
    }

    /// The most memory that it has had at once, in KiB.
    pub(crate) fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse().ok());
        peak.unwrap_or_else(|| fail(&format!("no VmHWM in {status}")))
    }

    /// Sends a signal such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("there is a `kill`");
        assert!(sent.success(), "SIG{name} was not sent");
    }

    /// Waits until it has ended.
    pub(crate) async fn exit(mut self) -> Output {
        // The pipes end when it does, as it starts no programs that outlive it.
        for pipe in [&mut self.stdout, &mut self.stderr] {
            patiently(pipe.wait_for(|piped| piped.ended)).await.expect("the reader is alive until then");
        }
        let status = eventually(async || self.child.try_wait().expect("it is our child")).await;
        let mut left: Vec<String> = std::fs::read_dir(self.folder.path())
            .expect("the folder is ours")
            .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
            .collect();
        left.sort();
        let [stdout, stderr] = [&self.stdout, &self.stderr].map(|pipe| pipe.borrow().text.clone());
        Output { code: status.code(), stdout, stderr, left }
    }
}

async fn wait_for(pipe: &mut watch::Receiver<Piped>, words: &str) -> String {
    let there = |piped: &Piped| piped.text.contains(words) || piped.ended;
    let piped = patiently(pipe.wait_for(there)).await.expect("the reader is alive until the end");
    let line = piped.text.lines().find(|line| line.contains(words));
    line.unwrap_or_else(|| fail(&format!("it ended without `{words}`:\n{}", piped.text))).to_owned()
}

/// Whether a delivery was acknowledged.
pub(crate) fn is_taken(told: Option<u16>) -> bool {
    matches!(told, Some(200 | 202))
}

/// The headers of a delivery that our configuration system signed at that time.
pub(crate) fn signed_at(id: &str, at: Timestamp, body: &str) -> HeaderMap {
    signed_by(WEBHOOK_SECRET, id, at, body)
}

/// The same with another secret.
pub(crate) fn signed_by(secret: &str, id: &str, at: Timestamp, body: &str) -> HeaderMap {
    let scheme = Scheme::standard_webhooks();
    let secret = Secret::parse(&scheme, secret).expect("a good secret");
    scheme.sign(&secret, id, at, body.as_bytes()).expect("it can be signed")
}

/// The headers of a delivery that our configuration system signs now.
pub(crate) fn signed(id: &str, body: &str) -> HeaderMap {
    signed_at(id, Timestamp::now(), body)
}

impl Addresses {
    /// Delivers to it; the status of its answer, or nothing if there was none.
    pub(crate) async fn offer(&self, id: &str, headers: HeaderMap, body: &str) -> Option<u16> {
        let url = format!("http://{}/hooks/config", self.public);
        let sent = client().post(url).headers(headers).body(body.to_owned()).send();
        let answer = patiently(sent).await.ok()?;
        let status = answer.status().as_u16();
        let comes_back = answer.headers().contains_key("retry-after");
        assert_eq!(status == 503, comes_back, "{id}: {answer:?}");
        Some(status)
    }

    /// Delivers to it, signed now, and again as long as it is told to come back; what it is told in the end, or
    /// nothing if there was no answer.
    pub(crate) async fn insist(&self, id: &str, body: &str) -> Option<u16> {
        eventually(async || {
            let told = self.offer(id, signed(id, body), body).await;
            (told != Some(503)).then_some(told)
        })
        .await
    }

    /// The same, and it must be taken: for the first time, or again where the disk took too long for an answer.
    pub(crate) async fn deliver(&self, id: &str, body: &str) {
        let told = self.insist(id, body).await;
        assert!(is_taken(told), "{id}: {told:?}");
    }

    /// Whether it says that it can accept deliveries.
    pub(crate) async fn is_ready(&self) -> bool {
        let url = format!("http://{}/readyz", self.admin);
        patiently(client().get(url).send()).await.is_ok_and(|answer| answer.status().is_success())
    }

    /// Waits until it says so, or that it cannot.
    pub(crate) async fn becomes_ready(&self, ready: bool) {
        eventually(async || (self.is_ready().await == ready).then_some(())).await;
    }

    /// Asks the admin API.
    pub(crate) async fn ask(&self, path: &str) -> Value {
        let url = format!("http://{}{path}", self.admin);
        let asked = async {
            let answer = reqwest::Client::get(&client(), &url).send().await.expect("it answers");
            answer.json().await.expect("JSON")
        };
        patiently(asked).await
    }

    /// The state of a delivery's one change; nothing if there is none, or no service to ask.
    pub(crate) async fn state_of(&self, id: &str) -> Option<String> {
        let url = format!("http://{}/api/deliveries/config/{id}", self.admin);
        let answer = patiently(client().get(url).send()).await.ok()?;
        let delivery: Value = answer.json().await.ok()?;
        delivery["changes"][0]["state"].as_str().map(str::to_owned)
    }

    /// Every change in the journal, newest first.
    pub(crate) async fn changes(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.ask(&format!("/api/changes?limit=500&cursor={cursor}")).await;
            all.extend(page["changes"].as_array().expect("a list").iter().cloned());
            match page["next_cursor"].as_u64() {
                None => return all,
                Some(next) => cursor = next.to_string(),
            }
        }
    }

    /// Waits until no change is pending.
    pub(crate) async fn settled(&self) {
        eventually(async || {
            let page = self.ask("/api/changes?state=pending&limit=1").await;
            page["changes"].as_array().is_some_and(Vec::is_empty).then_some(())
        })
        .await;
    }
}

/// A client that goes nowhere but where it is told to.
pub(crate) fn client() -> reqwest::Client {
    flowhook::http::client().expect("a client can be made")
}
