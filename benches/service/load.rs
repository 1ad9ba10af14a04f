//! The load: so many connections, each of which sends its next request when it has its answer.
//!
//! One thread of its own drives them all, with as little work for each answer as will do, since it takes its time
//! from the same processors as what is measured.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

use crate::answer::{ANSWER_BYTES, is_whole, refusal};
use crate::delivery::{FLOWS, Request, Signed, Signer};
use crate::figures::Times;

/// The connections of every load whose number is not what is measured.
pub(crate) const CONNECTIONS: usize = 256;

/// What a run brought: every request was answered, with success.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// How long each answer took.
    pub(crate) answers: Times,
    /// The processor time that the server used meanwhile.
    pub(crate) cpu: Duration,
}

impl Run {
    /// Answers a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.answers.count() as f64 / self.took.as_secs_f64()
    }

    /// The server's processor time for each answer, in microseconds.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.answers.count() as f64
    }
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    answers_us: Vec<f64>,
    /// How many answers of each status were none of success.
    refused: BTreeMap<String, usize>,
}

/// Sends the requests over so many connections, each of them once.
pub(crate) fn send(address: SocketAddr, connections: usize, requests: Vec<Request>) -> Result<Run> {
    on_a_thread(move || drive(address, connections, requests))
}

/// A load on a thread of its own.
fn on_a_thread<F: Future<Output = Result<Run>>>(load: impl FnOnce() -> F + Send + 'static) -> Result<Run> {
    let driven = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, load())
    });
    driven.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Sends so many deliveries as an ordinary client does: one thread signs each as it goes and sends it by reqwest, which
/// takes more of the processors than any server here.
pub(crate) fn send_by_library(address: SocketAddr, connections: usize, deliveries: usize) -> Result<Run> {
    on_a_thread(move || drive_by_library(address, connections, deliveries))
}

async fn drive_by_library(address: SocketAddr, connections: usize, deliveries: usize) -> Result<Run> {
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(connections).build()?;
    let (signer, next) = (Rc::new(Signer::new()), Rc::new(Cell::new(0)));
    let begun = Instant::now();
    let mut senders = JoinSet::new();
    for _ in 0..connections {
        let (client, signer, next) = (client.clone(), Rc::clone(&signer), Rc::clone(&next));
        senders.spawn_local(async move {
            let mut answers_us = Vec::new();
            loop {
                let number = next.replace(next.get() + 1);
                if number >= deliveries {
                    return anyhow::Ok(answers_us);
                }
                let Signed { headers: [id, timestamp, signature], body } =
                    signer.signed(number % FLOWS, number);
                let request = client.post(format!("http://{address}/hooks/config"));
                let request = request.header("content-type", "application/json").header("webhook-id", id);
                let request = request.header("webhook-timestamp", timestamp);
                let sent = Instant::now();
                let answer = request.header("webhook-signature", signature).body(body).send().await?;
                answer.error_for_status()?.bytes().await?;
                answers_us.push(sent.elapsed().as_secs_f64() * 1e6);
            }
        });
    }
    let mut answers_us = Vec::with_capacity(deliveries);
    while let Some(answers) = senders.join_next().await {
        answers_us.extend(answers??);
    }
    Ok(Run { took: begun.elapsed(), answers: answers_us.into_iter().collect(), cpu: Duration::ZERO })
}

async fn drive(address: SocketAddr, connections: usize, requests: Vec<Request>) -> Result<Run> {
    let requests = Rc::new(requests);
    let next = Rc::new(Cell::new(0));
    let mut streams = Vec::new();
    for _ in 0..connections.min(requests.len()) {
        let stream = TcpStream::connect(address).await.context("connecting to what is measured")?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let begun = Instant::now();
    let mut senders = JoinSet::new();
    for stream in streams {
        senders.spawn_local(converse(stream, Rc::clone(&requests), Rc::clone(&next)));
    }
    let mut all = Seen::default();
    while let Some(seen) = senders.join_next().await {
        let seen = seen??;
        all.answers_us.extend(seen.answers_us);
        for (status, count) in seen.refused {
            *all.refused.entry(status).or_default() += count;
        }
    }
    let took = begun.elapsed();
    if !all.refused.is_empty() {
        let told = all.refused.iter().map(|(status, count)| format!("{count} with {status}"));
        bail!("of {} deliveries these were refused: {}", requests.len(), Vec::from_iter(told).join(", "));
    }
    Ok(Run { took, answers: all.answers_us.into_iter().collect(), cpu: Duration::ZERO })
}

async fn converse(mut stream: TcpStream, requests: Rc<Vec<Request>>, next: Rc<Cell<usize>>) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut answer = Vec::with_capacity(ANSWER_BYTES);
    while let Some(request) = requests.get(next.replace(next.get() + 1)) {
        let sent = Instant::now();
        stream.write_all(request).await?;
        answer.clear();
        while !is_whole(&answer)? {
            if stream.read_buf(&mut answer).await? == 0 {
                bail!("the connection was closed instead of an answer");
            }
        }
        seen.answers_us.push(sent.elapsed().as_secs_f64() * 1e6);
        if let Some(status) = refusal(&answer) {
            *seen.refused.entry(status).or_default() += 1;
        }
    }
    Ok(seen)
}
