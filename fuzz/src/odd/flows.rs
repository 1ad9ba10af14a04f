//! Documents that are nearly flows.

use super::{Member, NAMES, Writer};

impl Writer<'_, '_> {
    /// A document that is nearly a flow.
    pub fn document(mut self) -> String {
        if self.choices.once_in(4) {
            self.flow();
        } else {
            self.object(&[("flow", Self::flow), ("etag", Self::any), ("nodes", Self::any)], 1);
        }
        self.text
    }

    fn flow(&mut self) {
        let version =
            |w: &mut Self| w.nearly(&["14", "\"7-a\"", "1e3", "-0", "9007199254740993", "\"\\u0031\""]);
        self.object(
            &[("nodes", Self::nodes), ("version", version), ("name", Self::any), ("id", Self::any)],
            2,
        );
    }

    fn nodes(&mut self) {
        self.array(Self::node);
    }

    fn node(&mut self) {
        let members: &[Member<'_, Self>] =
            &[("id", Self::name), ("configuration", Self::configuration), ("type", Self::any)];
        self.object(members, 2);
    }

    fn configuration(&mut self) {
        self.object(&[("variables", Self::variables), ("timeout", Self::any), ("value", Self::any)], 1);
    }

    fn variables(&mut self) {
        self.array(|w| {
            if w.choices.once_in(10) {
                w.any();
            } else {
                w.object(&[("name", Self::name), ("value", Self::any), ("type", Self::any)], 2);
            }
        });
    }

    fn name(&mut self) {
        if self.choices.once_in(12) {
            return self.any();
        }
        let name = self.choices.one(&NAMES);
        self.string(name);
    }
}
