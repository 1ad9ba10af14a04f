//! The edit of a flow document, against the book.

mod patched;
mod restored;

use std::borrow::Cow;

use flowhook::change::Variable;
use flowhook::flow::{AddressError, Document, DocumentError, NodeEdit, laid_out, same_value};

use super::choices::Choices;
use super::flow::{Flow, Refused};
use super::json::{Refusal, read};
use super::meaning::{bare, same};
use super::odd::{NAMES, Writer};

const EDITS_MAX: usize = 4;
const VARIABLES_MAX: usize = 5;

/// Whatever the document and whatever the edits: the crate does what the book says, to the byte, or refuses
/// what the book refuses.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    match choices.below(8) {
        // A document as it stands, up to the first zero byte, and then the choices for its edits.
        0 => {
            let (text, rest) = split_at_zero(choices.rest());
            let mut choices = Choices::new(rest);
            edits(&String::from_utf8_lossy(text), &mut choices);
        }
        1 => values(&mut choices),
        2 => layout(&Writer::new(&mut choices).document()),
        _ => {
            let text = Writer::new(&mut choices).document();
            edits(&text, &mut choices);
        }
    }
}

fn split_at_zero(input: &[u8]) -> (&[u8], &[u8]) {
    let zero = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    (&input[..zero], input.get(zero + 1..).unwrap_or_default())
}

/// Three values in any spelling: the same exactly when the book says so, which makes it an equivalence.
fn values(choices: &mut Choices<'_>) {
    let three = [(); 3].map(|()| match choices.below(3) {
        0 => String::from_utf8_lossy(choices.some(60)).into_owned(),
        _ => Writer::new(choices).value(),
    });
    for a in &three {
        assert!(same_value(a, a), "{a} is not itself");
        for b in &three {
            if let Some(expected) = same(a, b) {
                assert_eq!(same_value(a, b), expected, "{a} and {b}");
            }
        }
    }
    let [a, b, c] = three;
    assert!(!(same_value(&a, &b) && same_value(&b, &c)) || same_value(&a, &c), "{a}, {b} and {c}");
}

fn edits(text: &str, choices: &mut Choices<'_>) {
    let read = read(text).map(drop);
    if read == Err(Refusal::Deep) {
        return;
    }
    let parsed = Document::parse(text.to_owned());
    let is_json = !matches!(parsed, Err(DocumentError::NotJson(_) | DocumentError::ByteOrderMark));
    assert_eq!(is_json, read.is_ok(), "{text}");
    let flow = Flow::of(text);
    let (document, flow) = match (parsed, flow) {
        (Ok(document), Ok(flow)) => (document, flow),
        (Err(error), Err(Refused)) => return assert!(!error.to_string().is_empty()),
        (Ok(_), Err(Refused)) => panic!("it is no flow, and was taken for one: {text}"),
        (Err(error), Ok(_)) => panic!("a flow was refused with `{error}`: {text}"),
    };
    described(&document, &flow, text);

    let (ids, names) = (flow.ids(), flow.names());
    let count = choices.below(EDITS_MAX + 1);
    let edits: Vec<Edit<'_>> = (0..count).map(|_| Edit::chosen(choices, &ids, &names)).collect();
    let edits: Vec<NodeEdit<'_>> = edits.iter().map(Edit::borrowed).collect();
    for edit in &edits {
        for variable in &edit.set {
            let found = document.node(edit.node).and_then(|node| node.variable(&variable.name));
            assert_eq!(
                found.map_err(|error| refused(&error)),
                flow.variable(edit.node, &variable.name),
                "{text}"
            );
        }
    }
    carried_out(&document, &flow, &edits);
    for edit in &edits {
        restored::check(&document, &flow, edit, choices.byte());
        patched::check(&document, &flow, edit.node, choices);
    }
}

/// Edited by the crate and by the book; and the crate's text edited once more.
fn carried_out(document: &Document, flow: &Flow<'_>, edits: &[NodeEdit<'_>]) {
    let text = document.text();
    let edited = document.edited(edits).map_err(|error| refused(&error));
    assert_eq!(edited, flow.edited(edits), "{text}\nafter {edits:?}");
    let Ok(edited) = edited else { return };
    let again = Document::parse(edited.clone()).map(|document| document.edited(edits));
    assert!(matches!(&again, Ok(Ok(same)) if *same == edited), "{text}\nbecame {edited}\nand then {again:?}");
}

fn refused(error: &AddressError) -> Refused {
    assert!(!error.to_string().is_empty());
    Refused
}

/// What the document says of itself, and that another version changes only the version.
fn described(document: &Document, flow: &Flow<'_>, text: &str) {
    assert_eq!(document.text(), text);
    assert_eq!(document.version(), &text[flow.version.clone()]);
    let mut ids = document.node_ids();
    ids.sort_unstable();
    assert_eq!(ids, flow.ids(), "{text}");
    assert_eq!(document.nodes().len(), ids.len());
    let (before, after) = (&text[..flow.version.start], &text[flow.version.end..]);
    assert_eq!(document.with_version("1.50"), format!("{before}1.50{after}"));
    assert_eq!(document.with_version(document.version()), text);
}

/// A layout has the same tokens and is its own layout.
fn layout(text: &str) {
    let laid = laid_out(text);
    let (Ok(before), after) = (read(text), read(&laid)) else { return };
    let after = after.map(|after| bare(&laid, &after));
    assert_eq!(after, Ok(bare(text, &before)), "{text}");
    assert_eq!(laid_out(&laid), laid);
}

/// An edit that owns what it is made of.
struct Edit<'f> {
    node: Cow<'f, str>,
    replace: Option<Vec<Variable>>,
    set: Vec<Variable>,
}

impl<'f> Edit<'f> {
    fn chosen(choices: &mut Choices<'_>, ids: &'f [String], names: &[String]) -> Self {
        let node = match choices.below(ids.len() + 1).checked_sub(1) {
            None => Cow::Borrowed(choices.one(&NAMES)),
            Some(at) => Cow::Borrowed(ids[at].as_str()),
        };
        let replace = choices.once_in(4).then(|| variables(choices, names));
        Self { node, replace, set: variables(choices, names) }
    }

    fn borrowed(&self) -> NodeEdit<'_> {
        NodeEdit { node: &self.node, replace: self.replace.as_deref(), set: self.set.iter().collect() }
    }
}

/// Variables, most of them with names that there are.
fn variables(choices: &mut Choices<'_>, names: &[String]) -> Vec<Variable> {
    let mut variables = Vec::new();
    for _ in 0..choices.below(VARIABLES_MAX + 1) {
        let name = match choices.below(names.len() + 2).checked_sub(2) {
            None => choices.one(&NAMES),
            Some(at) => names[at].as_str(),
        };
        let value = Writer::new(choices).value();
        let value = if read(&value).is_ok() { value } else { "1.0".to_owned() };
        // White space around a value is not part of it.
        variables.extend(Variable::new(name, value.trim_matches([' ', '\n', '\r', '\t'])));
    }
    variables
}
