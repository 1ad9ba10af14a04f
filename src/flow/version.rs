//! Versions as far as they can be compared. They are words that the tenant hands out; but where two are
//! whole numbers, the lower one is the older.

/// Whether the first is older than the second, both as they are spelt in a document, quoted or not and of
/// any size. Nothing is known of words that are no whole numbers.
pub fn is_older(version: &str, than: &str) -> bool {
    let number = |text: &str| {
        let digits = text.trim_matches('"');
        let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let digits = digits.trim_start_matches('0');
        is_whole.then(|| (digits.len(), digits.to_owned()))
    };
    matches!((number(version), number(than)), (Some(version), Some(than)) if version < than)
}

/// Whether somebody has saved the flow since it had the version `base`: it has another one, and not an older
/// one, which would only say that the tenant is behind.
pub fn has_moved(version: &str, base: &str) -> bool {
    version != base && !is_older(version, base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_compared_however_long_and_words_are_not() {
        let check = |version: &str, than: &str, expected: bool| {
            assert_eq!(is_older(version, than), expected, "{version} and {than}");
        };
        check("9", "10", true);
        check("10", "9", false);
        check("10", "10", false);
        check("\"9\"", "\"10\"", true);
        check("18446744073709551616", "18446744073709551617", true);
        check("99999999999999999999", "100000000000000000000", true);
        check("007", "10", true);
        check("0", "1", true);
        check("\"a\"", "\"b\"", false);
        check("1.5", "2", false);
        check("\"\"", "1", false);
    }

    #[test]
    fn a_flow_has_moved_when_its_version_is_another_and_not_an_older_one() {
        let check = |version: &str, base: &str, expected: bool| {
            assert_eq!(has_moved(version, base), expected, "{version} from {base}");
        };
        check("15", "14", true);
        check("14", "14", false);
        check("13", "14", false);
        check("\"8\"", "7", true);
        check("\"a\"", "\"b\"", true);
    }
}
