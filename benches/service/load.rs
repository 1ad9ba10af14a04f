//! The load: so many connections, each of which sends its next request when it has its answer.
//!
//! One thread of its own drives them all, with as little work for each answer as will do, since it takes its time
//! from the same processors as what is measured.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

use crate::delivery::Request;

/// The longest answer with its head.
const ANSWER_BYTES: usize = 4096;

/// What a run brought.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// How long each answer took, in microseconds, sorted.
    pub(crate) latencies_us: Vec<u64>,
    /// How many answers were none of success.
    pub(crate) refused: usize,
}

impl Run {
    /// Answers a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies_us.len() as f64 / self.took.as_secs_f64()
    }

    /// The latency, in microseconds, that so many of a thousand answers do not exceed.
    pub(crate) fn percentile_us(&self, of_a_thousand: usize) -> f64 {
        let at = self.latencies_us.len().saturating_sub(1) * of_a_thousand / 1000;
        self.latencies_us.get(at).copied().unwrap_or(0) as f64
    }
}

/// Sends the requests over so many connections, each of them once.
pub(crate) fn send(address: SocketAddr, connections: usize, requests: Vec<Request>) -> Result<Run> {
    let driven = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, drive(address, connections, requests))
    });
    driven.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
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
    let mut run = Run::default();
    while let Some(sent) = senders.join_next().await {
        let sent = sent??;
        run.latencies_us.extend(sent.latencies_us);
        run.refused += sent.refused;
    }
    run.took = begun.elapsed();
    run.latencies_us.sort_unstable();
    Ok(run)
}

async fn converse(mut stream: TcpStream, requests: Rc<Vec<Request>>, next: Rc<Cell<usize>>) -> Result<Run> {
    let mut run = Run::default();
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
        run.latencies_us.push(u64::try_from(sent.elapsed().as_micros())?);
        run.refused += usize::from(!answer.starts_with(b"HTTP/1.1 20"));
    }
    Ok(run)
}

/// Whether an answer with a `Content-Length` is there to its end.
fn is_whole(answer: &[u8]) -> Result<bool> {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(false) };
    let head_text = std::str::from_utf8(&answer[..head])?;
    let length = head_text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    Ok(answer.len() >= head + 4 + length.context("an answer without a Content-Length")??)
}
