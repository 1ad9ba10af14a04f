//! Strings, numbers and words in a JSON text: where one ends that begins at a byte. <https://www.rfc-editor.org/rfc/rfc8259>

/// How many bytes are looked at together.
const LANES: usize = size_of::<u64>();
/// One in each byte.
const ONES: u64 = u64::MAX / 0xff;
/// The highest bit of each byte.
const HIGHS: u64 = ONES << 7;

/// Where a string ends, its quote included, if one begins at `start`.
pub(super) fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let at = plain_end(text, start + 1)?;
    if text.get(at) == Some(&b'"') { Some(at + 1) } else { escaped_string_end(text, at) }
}

/// The same, from the first byte on that is no plain part of it and no quote.
fn escaped_string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = plain_end(text, at + 1 + escape(&text[at + 1..])?)?,
            _ => return None,
        }
    }
}

/// Where a string ends that is known to be one.
pub(super) fn known_string_end(text: &str, start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        let quote = at + text.get(at..)?.find('"')?;
        let escapes = text.as_bytes()[at..quote].iter().rev().take_while(|byte| **byte == b'\\').count();
        at = quote + 1;
        if escapes % 2 == 0 {
            return Some(at);
        }
    }
}

/// Where a number ends.
pub(super) fn number_end(text: &[u8], start: usize) -> Option<usize> {
    let digits = |at: usize| at + text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let some_digits = |at: usize| Some(digits(at)).filter(|end| *end > at);
    let is = |at: usize, wanted: &[u8]| text.get(at).is_some_and(|byte| wanted.contains(byte));
    let mut at = start + usize::from(is(start, b"-"));
    at = if is(at, b"0") { at + 1 } else { some_digits(at)? };
    if is(at, b".") {
        at = some_digits(at + 1)?;
    }
    if is(at, b"eE") {
        at = some_digits(at + 1 + usize::from(is(at + 1, b"+-")))?;
    }
    Some(at)
}

/// Where `true`, `false` or `null` ends.
pub(super) fn word_end(text: &[u8], start: usize) -> Option<usize> {
    let rest = &text[start..];
    let word = ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word.as_bytes()))?;
    Some(start + word.len())
}

/// Where the first byte is, from `at` on, that is no plain part of a string: a quote, a backslash or a control
/// character.
fn plain_end(text: &[u8], mut at: usize) -> Option<usize> {
    while let Some(chunk) = text.get(at..)?.first_chunk::<LANES>() {
        // A borrow marks wrong bytes only behind a right one, and the first is what counts.
        let below = |bytes: u64, limit: u64| bytes.wrapping_sub(ONES * limit) & !bytes;
        let bytes = u64::from_le_bytes(*chunk);
        // With this bit turned, of all bytes from the blank on only the quote is below what the blank was.
        let quotes_and_controls = below(bytes ^ (ONES * 2), 0x21);
        let backslashes = below(bytes ^ (ONES * u64::from(b'\\')), 1);
        let found = (quotes_and_controls | backslashes) & HIGHS;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += LANES;
    }
    Some(at + text[at..].iter().take_while(|byte| is_plain(**byte)).count())
}

fn is_plain(byte: u8) -> bool {
    (byte >= b' ') & (byte != b'"') & (byte != b'\\')
}

/// How long the rest of an escape is, behind its backslash.
fn escape(rest: &[u8]) -> Option<usize> {
    match rest.first()? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(1),
        b'u' => rest.get(1..5)?.iter().all(u8::is_ascii_hexdigit).then_some(5),
        _ => None,
    }
}
