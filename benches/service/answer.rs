//! As much of an HTTP answer as a sender has to understand.

use anyhow::{Context as _, Result};

/// The longest answer with its head, in bytes.
pub(crate) const ANSWER_BYTES: usize = 4096;

/// Whether an answer with a `Content-Length` is there to its end.
pub(crate) fn is_whole(answer: &[u8]) -> Result<bool> {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(false) };
    let head_text = std::str::from_utf8(&answer[..head])?;
    let length = head_text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    Ok(answer.len() >= head + 4 + length.context("an answer without a Content-Length")??)
}

/// Its status, where that is none of success.
pub(crate) fn refusal(answer: &[u8]) -> Option<String> {
    let status = answer.get(9..12).unwrap_or(answer);
    (!status.starts_with(b"20")).then(|| String::from_utf8_lossy(status).into_owned())
}
