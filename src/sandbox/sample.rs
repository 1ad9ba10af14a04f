//! Flows to practise on: a small one as a designer might have drawn it, and large ones.

use std::fmt::Write as _;

use super::human::quoted;

/// The node whose variables the sample flows are there for.
pub const SAMPLE_NODE: &str = "node_set_vars";

/// A small flow at version 14, spelt as no serialiser would spell it: odd numbers, escapes, spacing.
const SAMPLE: &str = r##"{
  "flow": {
    "id": @ID@,
    "version": 14,
    "name": @NAME@,
    "description": "Main line \u2014 B\u00fcro hours, see https:\/\/wiki.example.com\/ivr",
    "locked" : false,
    "settings": { "timeoutSeconds": 1.10, "budget": 12345678901234567890123, "ratio": 1e3, "drift": -0 },
    "nodes": [
      { "id": "node_start", "type": "Start", "position": {"x": 40, "y": 1.20E+2}, "configuration": {} },
      {
        "id": "node_set_vars",
        "type": "SetVariables",
        "position": {"x": 220.50, "y": 120},
        "configuration": {
          "label": "Set routing",
          "variables": [
            {"name": "routing_priority", "value": "normal"},
            {"name": "queue_target", "value": "general"},
            {"name": "max_wait_time_seconds", "value": 120},
            {"name": "greeting_prompt", "value": "Gr\u00fc\u00df Gott \ud83d\udc4b", "note": "recorded by Dana, keep"}
          ],
          "x-editor": {"collapsed": false, "color": "#0a7"}
        }
      },
      {
        "id": "node_hours",
        "type": "Branch",
        "configuration": {
          "variables": [ {"name": "opening_hours", "value": ["08:00", "18:30"]}, {"name": "holiday", "value": null} ]
        }
      },
      { "id": "node_queue", "type": "QueueTransfer", "configuration": {"skill": "{queue_target}", "variables": []} },
      { "id": "node_end", "type": "Disconnect" }
    ],
    "edges": [
      {"from": "node_start", "to": "node_set_vars"},
      {"from": "node_set_vars", "to": "node_hours"},
      {"from": "node_hours", "to": "node_queue", "when": "holiday == null"},
      {"from": "node_queue", "to": "node_end"}
    ]
  },
  "meta": { "exportedBy": "designer\/4.2", "checksum": 9007199254740993 }
}
"##;

/// A small, realistic flow with the node [`SAMPLE_NODE`] and its variables `routing_priority`,
/// `queue_target`, `max_wait_time_seconds` and `greeting_prompt`, the last of which is a colleague's.
pub fn sample_flow(id: &str, name: &str) -> String {
    SAMPLE.replacen("@ID@", &quoted(id), 1).replacen("@NAME@", &quoted(name), 1)
}

/// A flow of so many nodes (at least one), about 300 bytes each, with [`SAMPLE_NODE`] in the middle.
pub fn large_flow(id: &str, nodes: usize) -> String {
    let nodes = nodes.max(1);
    let mut text =
        format!("{{\"flow\":{{\"id\":{},\"version\":14,\"name\":\"Large\",\"nodes\":[", quoted(id));
    for at in 0..nodes {
        if at > 0 {
            text.push(',');
        }
        let written = if at == nodes / 2 {
            write!(
                text,
                "{{\"id\":\"{SAMPLE_NODE}\",\"type\":\"SetVariables\",\"configuration\":{{\"variables\":[\
                {{\"name\":\"routing_priority\",\"value\":\"normal\"}},{{\"name\":\"queue_target\",\"value\":\"general\"}},\
                {{\"name\":\"max_wait_time_seconds\",\"value\":120}}]}}}}"
            )
        } else {
            write!(
                text,
                "{{\"id\":\"node_{at:05}\",\"type\":\"PlayPrompt\",\"position\":{{\"x\":{at}.50,\"y\":1e2}},\
                \"configuration\":{{\"prompt\":\"p{at}.wav\",\"variables\":[{{\"name\":\"attempt\",\"value\":{at}}},\
                {{\"name\":\"text\",\"value\":\"Bitte warten \\u2026 \\ud83d\\udd50\"}}]}},\"x-unknown\":[null,true,1.0]}}"
            )
        };
        written.expect("writing into a string does not fail");
    }
    text.push_str("],\"edges\":[]}}");
    text
}

#[cfg(test)]
mod tests {
    use super::super::layout::{Layout, version_span};
    use super::{SAMPLE_NODE, large_flow, sample_flow};

    #[test]
    fn the_samples_are_flows_with_their_node() {
        let check = |text: &str, nodes: usize| {
            assert_eq!(&text[version_span(text).unwrap().0], "14");
            let layout = Layout::of(text).unwrap();
            assert_eq!(layout.nodes.len(), nodes);
            let entries = &layout.node(SAMPLE_NODE).unwrap().variables.as_ref().unwrap().entries;
            let names: Vec<_> = entries.iter().filter_map(|entry| entry.name.as_deref()).take(3).collect();
            assert_eq!(names, ["routing_priority", "queue_target", "max_wait_time_seconds"]);
        };
        check(&sample_flow("f\"1", "Support \\ line"), 5);
        check(&large_flow("f", 0), 1);
        check(&large_flow("f", 5000), 5000);
    }
}
