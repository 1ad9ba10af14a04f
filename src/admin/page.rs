//! Pages of a list. One more entry is looked for than a page has, which tells whether another page follows.

/// Cuts what was found down to a page; the cursor of the next one, if there is one.
pub(super) fn cut<T, C>(found: &mut Vec<T>, limit: u32, cursor: impl FnOnce(&T) -> C) -> Option<C> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_next = found.len() > limit;
    found.truncate(limit);
    found.last().filter(|_| has_next).map(cursor)
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_page_leads_on_from_its_last_entry_if_there_is_more() {
        let check = |found: &[i32], shown: &[i32], next: Option<i32>| {
            let mut page = found.to_vec();
            assert_eq!((cut(&mut page, 2, |entry| *entry), page.as_slice()), (next, shown), "{found:?}");
        };
        check(&[], &[], None);
        check(&[9], &[9], None);
        check(&[9, 8], &[9, 8], None);
        check(&[9, 8, 7], &[9, 8], Some(8));
    }
}
