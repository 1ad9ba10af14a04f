//! The ids of deliveries: which are known, and in which rows.
//!
//! Ids are random, so in an index of their own each that arrives would write a page of its own. So the new ones are
//! kept in memory first, in the order of their hashes; with the commits that order is gone through, again and again, and
//! what waits in the next stretch of it goes into the table together: as many ids into each page as there are to be had.
//! What the table lacks after a crash stands in the rows of the deliveries, and is taken from there at the next opening.
//!
//! The table has nothing but hashes: whether an id is known is decided by the row that it leads to.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use sha2::{Digest as _, Sha256};

use super::{JournalError, sql};

type Result<T> = std::result::Result<T, JournalError>;

/// Into how many stretches the hashes are parted.
const STRETCHES: u64 = 256;
/// After how many ids that came or went the next stretch has its turn: so about half of `STRETCHES` times as many wait.
const PER_STRETCH: usize = 256;

/// The row of a delivery.
pub(super) type DeliveryRow = i64;
/// What the table has of an id.
type Entry = (i64, DeliveryRow);

/// What of a delivery's name is in the table: the first 8 bytes of the SHA-256 of the source, a zero byte and the id.
pub(super) fn hash(source: &str, id: &str) -> i64 {
    let digest = Sha256::new().chain_update(source).chain_update([0]).chain_update(id).finalize();
    let (first, _) = digest.split_first_chunk().expect("a digest of 32 bytes");
    i64::from_be_bytes(*first)
}

/// The ids that the table does not have yet, or still has.
#[derive(Debug)]
pub(super) struct Ids {
    /// Whether they come into it; or, as their deliveries have been pruned, go out of it.
    waiting: BTreeMap<Entry, bool>,
    /// How many have come and gone since a stretch had its turn.
    moved: usize,
    /// Where the next stretch begins.
    at: i64,
    /// The last row of a delivery.
    last: DeliveryRow,
    /// The last row as these stretches were begun: at their end the table has all up to it.
    last_before: DeliveryRow,
}

/// What a commit moves of them.
#[derive(Debug, Default)]
pub(super) struct Moves {
    came: BTreeSet<Entry>,
    went: Vec<Entry>,
    written: Option<Written>,
}

/// A stretch that was written.
#[derive(Debug)]
struct Written {
    entries: Vec<Entry>,
    end: i64,
}

impl Ids {
    /// Brings the table up to date with the deliveries.
    pub(super) fn take_up(sql: &mut Connection) -> Result<Self> {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        sql.create_scalar_function("hash_of_delivery", 2, flags, |args| {
            Ok(hash(args.get_raw(0).as_str()?, args.get_raw(1).as_str()?))
        })?;
        let transaction = sql.transaction()?;
        let last = sql::value(&transaction, "SELECT COALESCE(MAX(id), 0) FROM deliveries", [])?;
        let known: DeliveryRow = sql::value(&transaction, "SELECT delivery FROM ids_known_to", [])?;
        if known != last {
            let behind = "INSERT OR IGNORE INTO ids
                SELECT hash_of_delivery(source, delivery_id) AS hash, id FROM deliveries WHERE id > ? ORDER BY hash";
            sql::execute(&transaction, behind, [known])?;
            sql::execute(&transaction, "UPDATE ids_known_to SET delivery = ?", [last])?;
        }
        transaction.commit()?;
        sql.remove_function("hash_of_delivery", 2)?;
        Ok(Self { waiting: BTreeMap::new(), moved: 0, at: i64::MIN, last, last_before: last })
    }

    /// What the table has of these hashes: seldom anything.
    pub(super) fn in_table(sql: &Connection, hashes: &[i64]) -> Result<BTreeSet<Entry>> {
        let mut found = BTreeSet::new();
        let mut statement = sql.prepare_cached("SELECT delivery FROM ids WHERE hash = ?")?;
        for hash in hashes {
            let mut rows = statement.query([hash])?;
            while let Some(row) = rows.next()? {
                found.insert((*hash, row.get(0)?));
            }
        }
        Ok(found)
    }

    /// The rows that a delivery of this hash may be in, by what the table has, what waits, and what a commit moves.
    pub(super) fn rows(&self, in_table: &BTreeSet<Entry>, moves: &Moves, hash: i64) -> Vec<DeliveryRow> {
        let all = (hash, DeliveryRow::MIN)..=(hash, DeliveryRow::MAX);
        let waiting = self.waiting.range(all.clone()).filter(|(_, comes)| **comes).map(|(entry, _)| entry);
        let entries = in_table.range(all.clone()).chain(waiting).chain(moves.came.range(all));
        entries.map(|(_, row)| *row).collect()
    }

    /// A row for a new delivery of this hash.
    pub(super) fn add(&self, moves: &mut Moves, hash: i64) -> DeliveryRow {
        let row = self.last + 1 + DeliveryRow::try_from(moves.came.len()).unwrap_or(DeliveryRow::MAX);
        moves.came.insert((hash, row));
        row
    }

    /// Writes the next stretch, if it has its turn.
    pub(super) fn write(&self, sql: &Connection, moves: &mut Moves) -> Result<()> {
        if self.moved + moves.came.len() + moves.went.len() < PER_STRETCH {
            return Ok(());
        }
        let end = self.at.saturating_add_unsigned(u64::MAX / STRETCHES);
        let stretch = (self.at, DeliveryRow::MIN)..=(end, DeliveryRow::MAX);
        let mut insert = sql.prepare_cached("INSERT OR IGNORE INTO ids VALUES (?, ?)")?;
        let mut delete = sql.prepare_cached("DELETE FROM ids WHERE hash = ? AND delivery = ?")?;
        for ((hash, row), comes) in self.waiting.range(stretch.clone()) {
            if *comes { &mut insert } else { &mut delete }.execute([hash, row])?;
        }
        if end == i64::MAX {
            sql::execute(sql, "UPDATE ids_known_to SET delivery = ?", [self.last_before])?;
        }
        let entries = self.waiting.range(stretch).map(|(entry, _)| *entry).collect();
        moves.written = Some(Written { entries, end });
        Ok(())
    }

    /// Takes up what a commit has moved.
    pub(super) fn apply(&mut self, moves: Moves) {
        let Moves { came, went, written } = moves;
        self.moved += came.len() + went.len();
        if let Some(Written { entries, end }) = written {
            entries.iter().for_each(|entry| _ = self.waiting.remove(entry));
            self.moved = 0;
            (self.at, self.last_before) =
                end.checked_add(1).map_or((i64::MIN, self.last), |next| (next, self.last_before));
        }
        self.last += DeliveryRow::try_from(came.len()).unwrap_or(0);
        self.waiting.extend(came.into_iter().map(|entry| (entry, true)));
        for entry in went {
            // What has not come into the table needs not go out of it.
            if self.waiting.remove(&entry) != Some(true) {
                self.waiting.insert(entry, false);
            }
        }
    }
}

impl Moves {
    /// A delivery was pruned.
    pub(super) fn remove(&mut self, hash: i64, row: DeliveryRow) {
        self.went.push((hash, row));
    }
}
