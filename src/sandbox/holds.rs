//! Which flows' PUTs are held back.

use std::collections::HashMap;

/// How many holds there are on each flow; a flow without any is not in it.
#[derive(Debug, Default)]
pub(super) struct Holds(HashMap<String, usize>);

impl Holds {
    pub(super) fn begin(&mut self, flow: &str) {
        *self.0.entry(flow.to_owned()).or_default() += 1;
    }

    pub(super) fn end(&mut self, flow: &str) {
        if let Some(count) = self.0.get_mut(flow) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(flow);
            }
        }
    }

    /// Whether PUTs of this flow are held.
    pub(super) fn holds(&self, flow: &str) -> bool {
        self.0.contains_key(flow)
    }
}
