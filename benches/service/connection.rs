//! One connection that stays open, over which requests go one by one.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::answer::{ANSWER_BYTES, is_whole, refusal};

pub(crate) struct Connection(TcpStream);

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).context("connecting to what is measured")?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Sends a request and waits for its answer, one of success: when the first byte was about to be written, and when
    /// the last one had come.
    pub(crate) fn post(&mut self, request: &[u8]) -> Result<(Instant, Instant)> {
        let mut answer = Vec::with_capacity(ANSWER_BYTES);
        let mut part = [0; ANSWER_BYTES];
        let sent = Instant::now();
        self.0.write_all(request)?;
        while !is_whole(&answer)? {
            let bytes = self.0.read(&mut part)?;
            if bytes == 0 {
                bail!("the connection was closed instead of an answer");
            }
            answer.extend_from_slice(&part[..bytes]);
        }
        let answered = Instant::now();
        match refusal(&answer) {
            Some(status) => bail!("a delivery was refused with {status}"),
            None => Ok((sent, answered)),
        }
    }
}
