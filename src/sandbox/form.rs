//! `application/x-www-form-urlencoded`, decoded (WHATWG URL, section 5.1).

/// The pairs of a form, in order. What is not UTF-8 is replaced, as the standard says.
pub(super) fn pairs(body: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name), decode(value))
    };
    body.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

/// One name or value: `+` is a space, `%XX` a byte; a stray `%` stands for itself.
pub(super) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => match after.split_at_checked(2).and_then(|(hex, after)| Some((byte(hex)?, after))) {
                Some((byte, after)) => {
                    bytes.push(byte);
                    rest = after;
                }
                None => bytes.push(b'%'),
            },
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn byte(hex: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(hex[at]).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn forms_are_decoded() {
        let check = |body: &str, wanted: &[(&str, &str)]| {
            let found = pairs(body);
            let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(found, wanted, "{body}");
        };
        check("", &[]);
        check("a=1&&b", &[("a", "1"), ("b", "")]);
        check("s=a%2Bb%2fc%3Dd%3Ae%25f+g%c3%a9", &[("s", "a+b/c=d:e%f gé")]);
        check("s=%&t=%4&u=%zz&v=a=b", &[("s", "%"), ("t", "%4"), ("u", "%zz"), ("v", "a=b")]);
    }
}
