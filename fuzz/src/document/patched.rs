//! A patched configuration: its members are as the book says, and around it nothing moved.

use flowhook::flow::{AddressError, Document, Patch};

use super::super::choices::Choices;
use super::super::flow::Flow;
use super::super::flow::spelt;
use super::super::odd::{NAMES, Writer};
use super::refused;

const MEMBERS_MAX: usize = 4;

/// A patch of some node, most of whose members are there.
pub(super) fn check(document: &Document, flow: &Flow<'_>, node: &str, choices: &mut Choices<'_>) {
    let text = chosen(choices, &flow.member_names(node));
    let Some(expected) = flow.patched(node, &text).transpose() else { return };
    let after = Patch::read(&text).ok().map(|patch| patched(document, node, &patch));
    let told = || format!("{}\npatched in {node:?} with {text}", document.text());
    match (after, expected) {
        (None, expected) => assert!(expected.is_err(), "{}", told()),
        (Some(Err(error)), expected) => {
            _ = refused(&error);
            assert!(expected.is_err(), "{}: {error}", told());
        }
        (Some(Ok(after)), expected) => {
            let found = Flow::of(&after).and_then(|flow| flow.configured(node, &text));
            assert_eq!(found, expected, "{}\nbecame {after}", told());
            let again = Document::parse(after.clone()).expect("a flow");
            let patch = Patch::read(&text).expect("it was one");
            assert_eq!(patched(&again, node, &patch).ok(), Some(after), "{}", told());
        }
    }
}

fn patched(document: &Document, node: &str, patch: &Patch<'_>) -> Result<String, AddressError> {
    let patched = document.configuration(node)?.patched(patch)?;
    document.configured(&[(node, patched.text())]).map(Document::into_text)
}

/// A patch, or what looks like one.
fn chosen(choices: &mut Choices<'_>, names: &[String]) -> String {
    if choices.once_in(8) {
        return Writer::new(choices).value();
    }
    let mut members = Vec::new();
    for _ in 0..choices.below(MEMBERS_MAX + 1) {
        let name = match choices.below(names.len() + 2).checked_sub(2) {
            None => choices.one(&NAMES),
            Some(at) => names[at].as_str(),
        };
        let value = match choices.below(4) {
            0 => "null".to_owned(),
            1 => format!("{{ {}: {} }}", spelt(choices.one(&NAMES)), Writer::new(choices).value()),
            _ => Writer::new(choices).value(),
        };
        members.push(format!("{}:{value}", spelt(name)));
    }
    format!("{{{}}}", members.join(" ,"))
}
