//! The list of a node's variables: where it stands and where its entries stand.

use std::borrow::Cow;
use std::collections::HashMap;

use super::cursor::{Cursor, NotJson, Span};
use super::node_outline::Member;
use super::spelling::{decoded, spells};

/// One variable in the list.
#[derive(Debug)]
pub(super) struct Entry<'d> {
    /// The name; where the key `name` occurs twice, the last that is text.
    pub(super) name: Cow<'d, str>,
    /// Where the name ends.
    pub(super) name_end: usize,
    /// The value, if the entry has one.
    pub(super) value: Option<Span>,
    /// The key that occurs twice, of those that matter.
    pub(super) twice: Option<&'static str>,
    /// How many members it has.
    pub(super) members: usize,
    /// Which of the list's elements it is.
    pub(super) place: usize,
}

/// Which entry has a name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    /// The entry at this index.
    Entry(usize),
    /// More than one.
    Several,
}

/// What stands where the list of variables should.
#[derive(Debug)]
pub(super) struct List<'d> {
    pub(super) span: Span,
    /// Its entries; none if it is no array.
    pub(super) entries: Vec<Named<'d>>,
    /// Where each of its elements stands, those too that are no variables.
    pub(super) elements: Vec<Span>,
}

/// An entry with all its names: more than one only where the key `name` occurs twice.
pub(super) type Named<'d> = (Vec<Cow<'d, str>>, Entry<'d>);

/// The list in a configuration, and where the configuration's last member ends.
pub(super) fn find_list<'d>(
    text: &'d str,
    configuration: &Span,
) -> Result<(Member<List<'d>>, Option<usize>), NotJson> {
    let mut list = Member::Absent;
    let mut last = None;
    Cursor::in_known(text, configuration.start).object(|cursor, key| {
        if spells(key, "variables") {
            let found = scan_list(cursor, text)?;
            last = Some(found.span.end);
            list.note(found);
        } else {
            last = Some(cursor.value()?.end);
        }
        Ok(())
    })?;
    Ok((list, last))
}

fn scan_list<'d>(cursor: &mut Cursor<'d>, text: &'d str) -> Result<List<'d>, NotJson> {
    let (mut entries, mut elements) = (Vec::new(), Vec::new());
    if cursor.peek() != Some(b'[') {
        return Ok(List { span: cursor.value()?, entries, elements });
    }
    let span = cursor.array(|cursor| {
        elements.push(if cursor.peek() == Some(b'{') {
            let (entry, span) = scan_entry(cursor, text, elements.len())?;
            entries.extend(entry);
            span
        } else {
            cursor.value()?
        });
        Ok(())
    })?;
    Ok(List { span, entries, elements })
}

fn scan_entry<'d>(
    cursor: &mut Cursor<'d>,
    text: &'d str,
    place: usize,
) -> Result<(Option<Named<'d>>, Span), NotJson> {
    let mut names = Vec::new();
    let (mut name, mut value) = (Member::Absent, Member::Absent);
    let (mut members, mut name_end) = (0, 0);
    let whole = cursor.object(|cursor, key| {
        let span = cursor.value()?;
        members += 1;
        if spells(key, "name") {
            name.note(());
            name_end = span.end;
            names.extend(decoded(&text[span]));
        } else if spells(key, "value") {
            value.note(span);
        }
        Ok(())
    })?;
    let twice = match (name, &value) {
        (Member::Twice, _) => Some("name"),
        (_, Member::Twice) => Some("value"),
        _ => None,
    };
    let value = if let Member::Once(span) = value { Some(span) } else { None };
    let entry = names.last().cloned().map(|name| Entry { name, name_end, value, twice, members, place });
    Ok((entry.map(|entry| (names, entry)), whole))
}

/// Which entry has which name, from the names of each entry.
pub(super) fn by_name(names: Vec<Vec<Cow<'_, str>>>) -> HashMap<Cow<'_, str>, Slot> {
    let mut slots = HashMap::with_capacity(names.len());
    for (index, names) in names.into_iter().enumerate() {
        for name in names {
            let slot = slots.entry(name).or_insert(Slot::Entry(index));
            if !matches!(slot, Slot::Entry(first) if *first == index) {
                *slot = Slot::Several;
            }
        }
    }
    slots
}
