//! The signed content as settings write it: `{id}.{timestamp}.{body}`.

use super::content::Part;
use super::fault::Fault;

/// The parts of a template. Nothing escapes a brace, and no sender is known that signs one of its own.
pub(super) fn parse(template: &str) -> Result<Vec<Part>, Fault> {
    let unreadable = |what: &str| Fault::Placeholder { placeholder: crate::change::shorten(what) };
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some(brace) = rest.find(['{', '}']) {
        let (literal, placeholder) = rest.split_at(brace);
        let end = placeholder.find('}').map_or(placeholder.len(), |end| end + 1);
        let (placeholder, after) = placeholder.split_at(end);
        let part = match placeholder {
            "{id}" => Part::Id,
            "{timestamp}" => Part::Timestamp,
            "{body}" => Part::Body,
            other => return Err(unreadable(other)),
        };
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.to_owned()));
        }
        parts.push(part);
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    Ok(parts)
}
