//! The ids of deliveries: which are known, and in which rows.
//!
//! Ids are random, so in an index of their own each that arrives would write a page of its own. So the new ones are
//! kept in memory first, by stretches of their hashes; with the commits these are gone through, again and again, and
//! what waits in the next one goes into the table together: as many ids into each page as there are to be had.
//! What the table lacks after a crash stands in the rows of the deliveries, and is taken from there at the next opening.
//!
//! The table has nothing but hashes: whether an id is known is decided by the row that it leads to. Nearly all ids are
//! new, and of most of those a filter in memory says that no look is needed.

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, TransactionBehavior};
use sha2::{Digest as _, Sha256};

use super::bloom::Bloom;
use super::{JournalError, sql};

type Result<T> = std::result::Result<T, JournalError>;

/// Into how many stretches the hashes are parted, by the first byte of each.
const STRETCHES: usize = 256;
/// After how many ids that came or went the next stretch has its turn, one with a commit at most. So about half of
/// `STRETCHES` times as many wait, or times as many as a commit has if that is more.
const PER_STRETCH: usize = 256;

const KNOWN_TO: &str = "UPDATE ids_known_to SET delivery = ?";

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
    /// The hashes of all that the table has, that wait, or that came by the commit under way; and of some more.
    known: Bloom,
    /// What waits, stretch by stretch: `STRETCHES` of them.
    waiting: Vec<Stretch>,
    /// How many have come and gone since a stretch had its turn.
    moved: usize,
    /// After how many that moved the next one has its turn.
    per_stretch: usize,
    /// The next stretch.
    at: usize,
    /// The last row of a delivery.
    last: DeliveryRow,
    /// The last row as these stretches were begun: at their end the table has all up to it.
    last_before: DeliveryRow,
}

/// What a commit moves of them.
#[derive(Debug, Default)]
pub(super) struct Moves {
    came: Vec<Entry>,
    went: Vec<Entry>,
    /// The stretch that was written.
    written: Option<usize>,
}

/// What waits in a stretch, in no order: it is seldom looked into, and short enough to be gone through then.
#[derive(Clone, Debug, Default)]
struct Stretch {
    /// What comes into the table.
    come: Vec<Entry>,
    /// What goes out of it, as the deliveries have been pruned.
    go: Vec<Entry>,
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
            sql::execute(&transaction, KNOWN_TO, [last])?;
        }
        transaction.commit()?;
        sql.remove_function("hash_of_delivery", 2)?;
        let mut known = Bloom::new();
        sql::all(sql, "SELECT hash FROM ids", [], |row| {
            known.add(row.get(0)?);
            Ok(())
        })?;
        Ok(Self {
            known,
            waiting: vec![Stretch::default(); STRETCHES],
            moved: 0,
            per_stretch: PER_STRETCH,
            at: 0,
            last,
            last_before: last,
        })
    }

    /// The rows that a delivery of this hash may be in, by what the table has, what waits, and what a commit moves:
    /// seldom any.
    pub(super) fn rows(&self, sql: &Connection, moves: &Moves, hash: i64) -> Result<Vec<DeliveryRow>> {
        if !self.known.may_have(hash) {
            return Ok(Vec::new());
        }
        let in_table = "SELECT delivery FROM ids WHERE hash = ?";
        let mut rows = sql::all(sql, in_table, [hash], |row| Ok(row.get(0)?))?;
        let in_memory = self.waiting[self.stretch_of(hash)].come.iter().chain(&moves.came);
        rows.extend(in_memory.filter(|(of, _)| *of == hash).map(|(_, row)| *row));
        Ok(rows)
    }

    /// A row for a new delivery of this hash.
    pub(super) fn add(&mut self, moves: &mut Moves, hash: i64) -> DeliveryRow {
        let row = self.last + 1 + DeliveryRow::try_from(moves.came.len()).unwrap_or(DeliveryRow::MAX);
        moves.came.push((hash, row));
        self.known.add(hash);
        row
    }

    /// Writes the next stretch, if it has its turn.
    pub(super) fn write(&mut self, sql: &Connection, moves: &mut Moves) -> Result<()> {
        if self.moved + moves.came.len() + moves.went.len() < self.per_stretch {
            return Ok(());
        }
        self.waiting[self.at].write(sql)?;
        if self.at + 1 == self.waiting.len() {
            sql::execute(sql, KNOWN_TO, [self.last_before])?;
        }
        moves.written = Some(self.at);
        Ok(())
    }

    /// Writes all that wait, so that no id of a delivery that is gone stays in the table.
    pub(super) fn write_all(&mut self, sql: &mut Connection) -> Result<()> {
        let transaction = sql.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for stretch in &mut self.waiting {
            stretch.write(&transaction)?;
        }
        sql::execute(&transaction, KNOWN_TO, [self.last])?;
        Ok(transaction.commit()?)
    }

    /// Takes up what a commit has moved.
    pub(super) fn apply(&mut self, moves: Moves) {
        let Moves { came, went, written } = moves;
        self.moved += came.len() + went.len();
        if let Some(written) = written {
            self.waiting[written] = Stretch::default();
            self.moved = 0;
            self.at = written + 1;
            if self.at == self.waiting.len() {
                (self.at, self.last_before) = (0, self.last);
            }
        }
        self.last += DeliveryRow::try_from(came.len()).unwrap_or(0);
        for entry in came {
            let stretch = self.stretch_of(entry.0);
            self.waiting[stretch].come.push(entry);
        }
        for entry in went {
            let stretch = self.stretch_of(entry.0);
            self.waiting[stretch].remove(entry);
        }
    }

    /// In which stretch a hash is.
    fn stretch_of(&self, hash: i64) -> usize {
        let [first, ..] = hash.to_be_bytes();
        usize::from(first) * self.waiting.len() / STRETCHES
    }
}

impl Stretch {
    /// A delivery was pruned.
    fn remove(&mut self, entry: Entry) {
        // What has not come into the table needs not go out of it.
        match self.come.iter().position(|comes| *comes == entry) {
            Some(at) => _ = self.come.swap_remove(at),
            None => self.go.push(entry),
        }
    }

    /// Writes all of it, in the order of the table's pages. It waits on: the commit may fail.
    fn write(&mut self, sql: &Connection) -> Result<()> {
        self.come.sort_unstable();
        self.go.sort_unstable();
        let mut insert = sql.prepare_cached("INSERT OR IGNORE INTO ids VALUES (?, ?)")?;
        for (hash, delivery) in &self.come {
            insert.execute([hash, delivery])?;
        }
        let mut delete = sql.prepare_cached("DELETE FROM ids WHERE hash = ? AND delivery = ?")?;
        for (hash, delivery) in &self.go {
            delete.execute([hash, delivery])?;
        }
        Ok(())
    }
}

impl Moves {
    /// A delivery was pruned.
    pub(super) fn remove(&mut self, hash: i64, row: DeliveryRow) {
        self.went.push((hash, row));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use fastrand::Rng;

    use super::*;

    /// Few hashes, so that many deliveries have the same.
    fn small_hash(id: u64) -> i64 {
        // All over the range, its ends too.
        [i64::MIN, -7, 0, 7, i64::MAX][usize::try_from(id % 5).expect("small")]
    }

    fn journal() -> Connection {
        let sql = Connection::open_in_memory().expect("memory");
        let tables = "CREATE TABLE deliveries (id INTEGER PRIMARY KEY, source TEXT, delivery_id TEXT);
            CREATE TABLE ids (hash INTEGER, delivery INTEGER, PRIMARY KEY (hash, delivery)) WITHOUT ROWID;
            CREATE TABLE ids_known_to (delivery INTEGER); INSERT INTO ids_known_to VALUES (0);";
        sql.execute_batch(tables).expect("tables");
        sql
    }

    /// Of few stretches, each of which has its turn often.
    fn opened(sql: &mut Connection) -> Ids {
        Ids { waiting: nothing_waits(), per_stretch: 3, ..Ids::take_up(sql).expect("taken up") }
    }

    fn nothing_waits() -> Vec<Stretch> {
        vec![Stretch::default(); 4]
    }

    fn rows_of(ids: &Ids, sql: &Connection, moves: &Moves, hash: i64) -> BTreeSet<DeliveryRow> {
        ids.rows(sql, moves, hash).expect("read").into_iter().collect()
    }

    /// Whatever comes, goes, fails or crashes: all rows that there are are found by their hashes.
    #[test]
    fn every_row_is_found_by_its_hash_whatever_was_written_failed_or_was_cut_off() {
        for seed in 0..40 {
            let mut rng = Rng::with_seed(seed);
            let mut sql = journal();
            let mut ids = opened(&mut sql);
            // The rows, and the hashes of their ids.
            let mut there: BTreeMap<DeliveryRow, i64> = BTreeMap::new();
            let (mut number, mut ends) = (0_u64, 0);
            for step in 0..400 {
                if rng.u8(..20) == 0 {
                    // Closed in order, or crashed.
                    if rng.bool() {
                        ids.write_all(&mut sql).expect("written");
                    }
                    ids = opened(&mut sql);
                }
                let transaction = sql.transaction().expect("begun");
                let (mut moves, mut next) = (Moves::default(), there.clone());
                for _ in 0..rng.usize(..6) {
                    number += 1;
                    let hash = hash("s", &number.to_string());
                    let row = ids.add(&mut moves, hash);
                    let insert = "INSERT INTO deliveries VALUES (?, 's', ?)";
                    sql::execute(&transaction, insert, (row, number.to_string())).expect("a new row");
                    next.insert(row, hash);
                    assert!(rows_of(&ids, &transaction, &moves, hash).contains(&row));
                }
                for (row, hash) in there.iter().filter(|_| rng.u8(..12) == 0) {
                    sql::execute(&transaction, "DELETE FROM deliveries WHERE id = ?", [row]).expect("gone");
                    moves.remove(*hash, *row);
                    next.remove(row);
                }
                ids.write(&transaction, &mut moves).expect("written");
                if rng.u8(..8) == 0 {
                    drop(transaction);
                } else {
                    ends += usize::from(moves.written == Some(ids.waiting.len() - 1));
                    transaction.commit().expect("committed");
                    ids.apply(moves);
                    there = next;
                }
                for (row, hash) in &there {
                    let found = rows_of(&ids, &sql, &Moves::default(), *hash);
                    assert!(found.contains(row), "seed {seed}, step {step}: row {row}");
                }
                let lasts = there.keys().next_back().copied().unwrap_or(0);
                assert!(ids.last >= lasts, "a number that is taken is not given again");
            }
            assert!(ends > 5, "the stretches came to their end: {ends}");
        }
    }

    #[test]
    fn those_of_one_hash_are_all_found_at_the_ends_of_the_range_too() {
        let mut sql = journal();
        let mut ids = opened(&mut sql);
        for id in 0..100 {
            let mut moves = Moves::default();
            ids.add(&mut moves, small_hash(id));
            ids.write(&sql, &mut moves).expect("written");
            ids.apply(moves);
        }
        for id in 0..5 {
            let expected: BTreeSet<_> = (1..=100).filter(|row| (row - 1) % 5 == id).collect();
            let hash = small_hash(u64::try_from(id).expect("small"));
            assert_eq!(rows_of(&ids, &sql, &Moves::default(), hash), expected);
        }
    }

    #[test]
    fn what_closes_in_order_leaves_no_id_of_what_is_gone() {
        let mut sql = journal();
        let mut ids = opened(&mut sql);
        let mut moves = Moves::default();
        let row = ids.add(&mut moves, 7);
        ids.apply(moves);
        ids.write_all(&mut sql).expect("written");
        let mut ids = Ids { waiting: nothing_waits(), ..ids };
        let mut moves = Moves::default();
        moves.remove(7, row);
        ids.apply(moves);
        ids.write_all(&mut sql).expect("written");
        assert_eq!(sql::value::<i64>(&sql, "SELECT COUNT(*) FROM ids", []).expect("a count"), 0);
    }

    #[test]
    fn what_is_new_is_not_looked_for() {
        let mut sql = journal();
        let mut ids = opened(&mut sql);
        ids.add(&mut Moves::default(), 7);
        sql.execute_batch("DROP TABLE ids").expect("it is there");
        assert!(ids.rows(&sql, &Moves::default(), 8).expect("nothing is read").is_empty());
        ids.rows(&sql, &Moves::default(), 7).expect_err("the table is asked, and is not there");
    }
}
