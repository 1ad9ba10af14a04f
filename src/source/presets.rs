//! The presets: definitions that come with us, in the words of settings.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::build;
use super::row::Row;
use super::scheme_definition::SchemeDefinition;

/// The preset of those who follow the specification.
pub(super) const STANDARD_WEBHOOKS: &str = "standard-webhooks";

/// Every preset by its name.
pub(super) static ROWS: LazyLock<BTreeMap<String, Arc<Row>>> = LazyLock::new(|| {
    let definitions: BTreeMap<String, SchemeDefinition> =
        toml::from_str(include_str!("presets.toml")).expect("a test reads the presets");
    let row = |(name, definition): (String, SchemeDefinition)| {
        let row =
            build::row(&name, &definition).expect("a test holds the presets to what all schemes must hold");
        (name, Arc::new(row))
    };
    definitions.into_iter().map(row).collect()
});
