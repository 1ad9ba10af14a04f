//! Statements, each prepared once and kept, and what they bring.

use rusqlite::types::{FromSql, ToSql, Value};
use rusqlite::{Connection, Params, Row, Statement, params_from_iter};

use super::JournalError;

type Result<T> = std::result::Result<T, JournalError>;

/// How many rows one statement inserts: few sizes, so that each text is prepared once, and kept.
const AT_ONCE: [usize; 5] = [256, 64, 16, 4, 1];
/// How many statements a connection keeps prepared: more than there are.
pub(super) const KEPT: usize = 128;

/// Carries a statement out: how many rows it has changed.
pub(super) fn execute(sql: &Connection, text: &str, params: impl Params) -> Result<usize> {
    Ok(sql.prepare_cached(text)?.execute(params)?)
}

/// All rows that a statement brings.
pub(super) fn all<T>(
    sql: &Connection,
    text: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    sql.prepare_cached(text)?.query_and_then(params, read)?.collect()
}

/// The first row that a statement brings, if it brings any.
pub(super) fn first<T>(
    sql: &Connection,
    text: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    sql.prepare_cached(text)?.query(params)?.next()?.map(read).transpose()
}

/// The one row that a statement brings.
pub(super) fn one<T>(
    sql: &Connection,
    text: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<T> {
    first(sql, text, params, read)?.ok_or_else(|| rusqlite::Error::QueryReturnedNoRows.into())
}

/// The one value that a statement brings.
pub(super) fn value<T: FromSql>(sql: &Connection, text: &str, params: impl Params) -> Result<T> {
    one(sql, text, params, |row| Ok(row.get(0)?))
}

/// The first value that a statement brings, if it brings any.
pub(super) fn value_if_any<T: FromSql>(
    sql: &Connection,
    text: &str,
    params: impl Params,
) -> Result<Option<T>> {
    first(sql, text, params, |row| Ok(row.get(0)?))
}

/// Inserts rows, in few statements: `row` is what stands in parentheses for one of them, and `bind` gives it its values
/// in that order. After each statement `done` hears which of the rows it was, and how many were new.
pub(super) fn insert<T>(
    sql: &Connection,
    [into, row, ending]: [&str; 3],
    mut rows: &[T],
    mut bind: impl FnMut(&mut Binding<'_, '_>, &T) -> rusqlite::Result<()>,
    mut done: impl FnMut(&[T], usize),
) -> Result<()> {
    while let Some(size) = AT_ONCE.into_iter().find(|size| *size <= rows.len()) {
        let (portion, rest) = rows.split_at(size);
        let mut statement =
            sql.prepare_cached(&format!("{into} VALUES {} {ending}", vec![row; size].join(", ")))?;
        let mut binding = Binding { statement: &mut statement, bound: 0 };
        for row in portion {
            bind(&mut binding, row)?;
        }
        let new = statement.raw_execute()?;
        done(portion, new);
        rows = rest;
    }
    Ok(())
}

/// A statement whose parameters get their values one after the other.
pub(super) struct Binding<'s, 'c> {
    statement: &'s mut Statement<'c>,
    bound: usize,
}

impl Binding<'_, '_> {
    /// Gives the next parameter its value.
    pub(super) fn push(&mut self, value: impl ToSql) -> rusqlite::Result<()> {
        self.bound += 1;
        self.statement.raw_bind_parameter(self.bound, value)
    }
}

/// A question that is put together from parts.
pub(super) struct Question {
    text: String,
    values: Vec<Value>,
}

impl Question {
    /// One that begins so.
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), values: Vec::new() }
    }

    /// Goes on with this text.
    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Goes on with a parameter of this value.
    pub(super) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.text.push('?');
        self.values.push(value.into());
        self
    }

    /// All rows that it brings.
    pub(super) fn all<T>(&self, sql: &Connection, read: impl FnMut(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
        all(sql, &self.text, params_from_iter(&self.values), read)
    }
}
