//! What tenants do, and what becomes of a change then: the table in `docs/tenant-behaviours.md`, held to
//! the tests that it names.

mod giving_up;
mod limits;
mod people;
mod puts;
mod reads;
mod self_signed;
mod table;
mod tokens;
mod transport;

use flowhook::sandbox::{Canned, FaultKind};

/// The tenant answers so; nothing is saved.
fn answering(code: u16, body: &str) -> FaultKind {
    FaultKind::Status(Canned::status(code).json(body.to_owned()))
}

/// An object of texts.
fn json(members: &[(&str, &str)]) -> String {
    let object: serde_json::Map<_, _> =
        members.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    serde_json::Value::Object(object).to_string()
}
