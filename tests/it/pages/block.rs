//! What a page shows in its fences: commands, and what they print.

use crate::program::fail;

/// Commands as a page shows them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Where they begin, counted from 1.
    pub(super) line: usize,
    pub(super) kind: Kind,
    pub(super) commands: String,
    /// What the page says that they print.
    pub(super) prints: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// They end, with this code.
    Exits(i32),
    Serves,
    Ci,
    NotRun,
}

impl Kind {
    fn of(words: &[&str]) -> Option<Self> {
        match words {
            ["sh"] => Some(Self::Exits(0)),
            ["sh", "serves"] => Some(Self::Serves),
            ["sh", "ci"] => Some(Self::Ci),
            ["sh", "not-run"] => Some(Self::NotRun),
            ["sh", exits] => Some(Self::Exits(exits.strip_prefix("exits=")?.parse().ok()?)),
            _ => None,
        }
    }
}

/// The blocks of a page, in order.
pub(super) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = page.lines().zip(1..);
    let mut may_print = false;
    while let Some((line, number)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let inside: Vec<&str> = lines
            .by_ref()
            .map(|(line, _)| line)
            .take_while(|line| !line.trim_start().starts_with("```"))
            .collect();
        let inside = inside.join("\n");
        let words: Vec<&str> = info.split_whitespace().collect();
        match (words.as_slice(), blocks.last_mut()) {
            (["text"], Some(last)) if may_print => last.prints = Some(inside),
            (["sh", ..], _) => {
                let kind = Kind::of(&words).unwrap_or_else(|| fail(&format!("line {number}: `{info}`")));
                blocks.push(Block { line: number, kind, commands: inside, prints: None });
                may_print = true;
                continue;
            }
            _ => {}
        }
        may_print = false;
    }
    blocks
}

#[test]
fn a_block_knows_what_it_prints() {
    let page = "a\n```text\npicture\n```\n```sh\none\ntwo\n```\nprints\n\n```text\n1\n```\n```sh exits=64\nx\n```\n```json\n{}\n```\n```text\nno\n```\n";
    let block = |line, kind, commands: &str, prints: Option<&str>| Block {
        line,
        kind,
        commands: commands.to_owned(),
        prints: prints.map(str::to_owned),
    };
    let expected = [block(5, Kind::Exits(0), "one\ntwo", Some("1")), block(14, Kind::Exits(64), "x", None)];
    assert_eq!(blocks(page), expected);
}
