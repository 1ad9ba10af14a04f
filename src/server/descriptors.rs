//! How many files the process may have open, and how many connections that allows.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit on open files to `wanted`, as far as the hard one lets us and if it is not that high
/// already. Returns the limit that holds from then on.
pub fn raise(wanted: usize) -> usize {
    let had = getrlimit(Resource::Nofile);
    let wanted = wanted as u64;
    if had.current.is_some_and(|soft| soft < wanted) {
        let soft = had.maximum.map_or(wanted, |hard| wanted.min(hard));
        let raised = rustix::process::Rlimit { current: Some(soft), ..had };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::debug!(%error, "the limit on open files stays as it is");
        }
    }
    let soft = getrlimit(Resource::Nofile).current; // none is no limit
    soft.map_or(usize::MAX, |soft| usize::try_from(soft).unwrap_or(usize::MAX))
}

/// How many of `wanted` connections a limit on open files allows, if `others` are needed besides. However low the
/// limit, half of it is for connections.
pub fn affordable(limit: usize, wanted: usize, others: usize) -> usize {
    wanted.min(limit.saturating_sub(others).max(limit / 2))
}

#[cfg(test)]
mod tests {
    use super::{affordable, raise};

    #[test]
    fn connections_are_as_many_as_wanted_or_what_the_limit_leaves() {
        let check = |limit, expected| assert_eq!(affordable(limit, 4_096, 500), expected, "{limit}");
        check(usize::MAX, 4_096);
        check(4_596, 4_096);
        check(4_595, 4_095);
        check(1_024, 524);
        check(256, 128);
        check(0, 0);
    }

    #[test]
    fn a_limit_is_never_lowered() {
        let limit = raise(0);
        assert_eq!(raise(1), limit);
    }
}
