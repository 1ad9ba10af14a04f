//! Many rows in few statements.

/// How many rows one statement has: few sizes, so that each text is prepared once, and kept.
const AT_ONCE: [usize; 5] = [256, 64, 16, 4, 1];

/// The rows in portions of these sizes, the largest first.
pub(super) fn portions<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = AT_ONCE.into_iter().find(|size| *size <= rows.len())?;
        let (portion, rest) = rows.split_at(size);
        rows = rest;
        Some(portion)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_taken_in_their_order_in_portions_of_few_sizes() {
        let check = |rows: usize, expected: &[usize]| {
            let all: Vec<usize> = (0..rows).collect();
            let portions: Vec<_> = portions(&all).collect();
            assert_eq!(portions.iter().map(|portion| portion.len()).collect::<Vec<_>>(), expected, "{rows}");
            assert_eq!(portions.concat(), all);
        };
        check(0, &[]);
        check(1, &[1]);
        check(10, &[4, 4, 1, 1]);
        check(64, &[64]);
        check(607, &[256, 256, 64, 16, 4, 4, 4, 1, 1, 1]);
    }
}
