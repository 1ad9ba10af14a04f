//! Adversarial flow documents, written as text by a generator that knows where it put what.
//!
//! The generator shares no code with the crate: it spells values in random ways and notes byte offsets while
//! it writes. So what it says about a document is independent of how the crate finds its way in it.

use std::ops::Range;

use fastrand::Rng;
use proptest::prelude::*;

/// What a JSON value means, apart from its spelling: two spellings are the same value exactly when these
/// are equal. Object keys are distinct and sorted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meaning {
    Null,
    Bool(bool),
    /// `±digits × 10^exponent`; digits without zeros at either end, empty for zero (then neither sign nor
    /// exponent).
    Number(bool, String, i64),
    /// UTF-16 code units, so that lone surrogates can be said.
    Text(Vec<u16>),
    Array(Vec<Meaning>),
    Object(Vec<(Vec<u16>, Meaning)>),
}

pub(crate) fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// Any meaning, up to a few levels deep.
pub(crate) fn meaning() -> impl Strategy<Value = Meaning> {
    let leaf = prop_oneof![
        Just(Meaning::Null),
        any::<bool>().prop_map(Meaning::Bool),
        Just(Meaning::Number(false, String::new(), 0)),
        (any::<bool>(), "[1-9]([0-9]{0,30}[1-9])?", -25_i64..25)
            .prop_map(|(n, d, e)| Meaning::Number(n, d, e)),
        (any::<bool>(), "[1-9]", prop_oneof![Just(999_999_999), Just(-400), Just(400)])
            .prop_map(|(n, d, e)| Meaning::Number(n, d, e)),
        text().prop_map(Meaning::Text),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Meaning::Array),
            prop::collection::btree_map(text(), inner, 0..4)
                .prop_map(|members| Meaning::Object(members.into_iter().collect())),
        ]
    })
}

/// Pieces of text that hurt when they are taken for something else.
const PIECES: [&str; 21] = [
    "",
    "a",
    "A",
    "\"",
    "\\",
    "/",
    "\0",
    "\u{1f}",
    "\u{7f}",
    "é",
    "e\u{301}",
    "日本",
    "😀",
    "👩\u{200d}💻",
    "\u{202e}שלום",
    "\u{2028}",
    "\u{feff}",
    "\u{fffd}",
    "{\"id\":\"n0\"}",
    "]",
    "value",
];

/// Code units that hurt: controls, quotes, astral pairs, lone surrogates, marks that combine or turn round.
fn text() -> impl Strategy<Value = Vec<u16>> {
    let piece = prop_oneof![
        9 => prop::sample::select(&PIECES[..]).prop_map(units).boxed(),
        1 => (0xd800_u16..0xe000).prop_map(|lone| vec![lone]).boxed(),
        2 => any::<char>().prop_map(|c| units(&c.to_string())).boxed(),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// One element of a list of variables.
#[derive(Clone, Debug)]
pub(crate) enum Element {
    /// A variable, named by an index into [`NAMES`].
    Variable(usize, Meaning),
    /// A variable that has no `value` member.
    Valueless(usize),
    /// Something that is no variable: a value of any kind, an object without a name among them.
    Foreign(Meaning),
}

/// The names that generated variables have: near misses of each other.
pub(crate) const NAMES: [&str; 10] =
    ["a", "A", "á", "a\u{301}", "", "name", "日本語", "😀", "a\"\\/\0", "\u{202e}"];

/// The plan of a node's configuration: the list of variables, if any.
pub(crate) type Plan = Option<Vec<Element>>;

/// The plan of a list in which no name occurs twice.
pub(crate) fn plan() -> impl Strategy<Value = Plan> {
    let element = prop_oneof![
        6 => (0..NAMES.len(), meaning()).prop_map(|(name, value)| Element::Variable(name, value)),
        1 => (0..NAMES.len()).prop_map(Element::Valueless),
        1 => meaning().prop_map(Element::Foreign),
    ];
    let list = prop::collection::vec(element, 0..8).prop_map(|elements| {
        let mut taken = [false; NAMES.len()];
        let fresh = |element: &Element| match element {
            Element::Variable(name, _) | Element::Valueless(name) => {
                !std::mem::replace(&mut taken[*name], true)
            }
            Element::Foreign(_) => true,
        };
        let fresh: Vec<bool> = elements.iter().map(fresh).collect();
        elements.into_iter().zip(fresh).filter_map(|(element, fresh)| fresh.then_some(element)).collect()
    });
    prop::option::weighted(0.85, list)
}

/// A document and where its parts are.
#[derive(Debug, Default)]
pub(crate) struct Odd {
    pub(crate) text: String,
    pub(crate) version: Range<usize>,
    /// The nodes that can be addressed: node `n{i}` is at index `i`.
    pub(crate) nodes: Vec<OddNode>,
}

#[derive(Debug, Default)]
pub(crate) struct OddNode {
    pub(crate) configuration: Range<usize>,
    /// Where the configuration's last member ends; at its `{` plus one if it has none.
    pub(crate) configuration_last: usize,
    pub(crate) configuration_empty: bool,
    /// The list, brackets included.
    pub(crate) list: Option<Range<usize>>,
    /// Where the list's last element ends; at its `[` plus one if it has none.
    pub(crate) list_last: usize,
    pub(crate) list_empty: bool,
    pub(crate) variables: Vec<OddVariable>,
}

#[derive(Debug)]
pub(crate) struct OddVariable {
    pub(crate) name: usize,
    pub(crate) name_end: usize,
    pub(crate) value: Option<(Range<usize>, Meaning)>,
}

/// A document with nodes of these plans, spelt at random from `seed`. `junk` is what stands around.
pub(crate) fn write(plans: &[Plan], junk: &[Meaning], seed: u64) -> Odd {
    let mut writer = Writer { odd: Odd::default(), rng: Rng::with_seed(seed), junk: junk.to_vec() };
    writer.document(plans);
    writer.odd
}

/// `meaning` spelt at random from `seed`.
pub(crate) fn spell(meaning: &Meaning, seed: u64) -> String {
    let mut writer = Writer { odd: Odd::default(), rng: Rng::with_seed(seed), junk: Vec::new() };
    writer.value(meaning);
    writer.odd.text
}

struct Writer {
    odd: Odd,
    rng: Rng,
    junk: Vec<Meaning>,
}

/// A member's key, and what writes its value.
type Part<'p> = (&'p str, Box<dyn FnOnce(&mut Writer) + 'p>);

impl Writer {
    fn at(&self) -> usize {
        self.odd.text.len()
    }

    fn put(&mut self, text: &str) {
        self.odd.text.push_str(text);
    }

    fn pick<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        choices[self.rng.usize(..choices.len())]
    }

    fn blank(&mut self) {
        for _ in 0..self.rng.usize(0..5).saturating_sub(2) {
            let blank = self.pick(&[" ", "\n", "\r", "\t"]);
            self.put(blank);
        }
    }

    /// An object of these parts in any order, with unknown members among them. `decoys` are keys that mean
    /// something elsewhere, but not here. Returns where the last member ends.
    fn object(&mut self, mut parts: Vec<Part<'_>>, decoys: &[&'static str]) -> Option<usize> {
        for _ in 0..self.rng.usize(0..6).saturating_sub(2) {
            let junk = self.some_junk();
            let key = if self.rng.bool() { "x" } else { self.rng.choice(decoys).copied().unwrap_or("日") };
            parts.push((key, Box::new(move |writer| writer.value(&junk))));
        }
        self.rng.shuffle(&mut parts);
        self.put("{");
        let mut last = None;
        for (key, write) in parts {
            if last.is_some() {
                self.put(",");
            }
            self.blank();
            self.string(&units(key));
            self.blank();
            self.put(":");
            self.blank();
            write(self);
            last = Some(self.at());
            self.blank();
        }
        self.blank();
        self.put("}");
        last
    }

    fn some_junk(&mut self) -> Meaning {
        self.rng.choice(&self.junk).cloned().unwrap_or(Meaning::Null)
    }

    fn document(&mut self, plans: &[Plan]) {
        self.odd.nodes.resize_with(plans.len(), OddNode::default);
        self.blank();
        let bare = self.rng.u8(0..4) == 0;
        let flow = |writer: &mut Self| {
            let parts: Vec<Part<'_>> =
                vec![("version", Box::new(Self::version)), ("nodes", Box::new(|writer| writer.nodes(plans)))];
            writer.object(parts, &["id", "edges", "configuration", "variables", "value"]);
        };
        if bare {
            flow(self);
        } else {
            self.object(vec![("flow", Box::new(flow))], &["nodes", "version", "id"]);
        }
        self.blank();
    }

    fn version(&mut self) {
        let start = self.at();
        let version = self.pick(&["14", "9007199254740993", "1e3", "-0", "\"v\\u0031\"", "1.10"]);
        self.put(version);
        self.odd.version = start..self.at();
    }

    fn nodes(&mut self, plans: &[Plan]) {
        let mut order: Vec<Option<usize>> = (0..plans.len()).map(Some).collect();
        order.resize(plans.len() + self.rng.usize(0..4), None);
        self.rng.shuffle(&mut order);
        self.put("[");
        for (at, node) in order.into_iter().enumerate() {
            self.put(if at > 0 { "," } else { "" });
            self.blank();
            match node {
                Some(index) => self.node(index, &plans[index]),
                None => self.other_node(),
            }
            self.blank();
        }
        self.put("]");
    }

    /// A node that no address leads to, as ambiguous as can be.
    fn other_node(&mut self) {
        let others = [
            r#"{"id":"twin","configuration":{"variables":[{"name":"a","value":1}]}}"#,
            r#"{"id":"other","id":"twin","configuration":{},"configuration":[]}"#,
            r#"{"id":0,"configuration":{"variables":[{"name":"a","value":1},{"name":"a","value":1}]}}"#,
            r#"{"id":"\ud800"}"#,
            r#"{"id":["n0"]}"#,
            r#"{"id":"N0"}"#,
            "{}",
            "1e999",
            r#""\udfff""#,
            r#"[{"id":"n0"}]"#,
        ];
        let other = self.pick(&others);
        self.put(other);
    }

    fn node(&mut self, index: usize, plan: &Plan) {
        let id = format!("n{index}");
        let parts: Vec<Part<'_>> = vec![
            ("id", Box::new(|writer| writer.string(&units(&id)))),
            ("configuration", Box::new(|writer| writer.configuration(index, plan.as_deref()))),
        ];
        self.object(parts, &["variables", "name", "value", "nodes"]);
    }

    fn configuration(&mut self, index: usize, plan: Option<&[Element]>) {
        let start = self.at();
        let list = plan.map(|elements| -> Part<'_> {
            ("variables", Box::new(move |writer| writer.list(index, elements)))
        });
        let last = self.object(list.into_iter().collect(), &["configuration", "id", "name", "value"]);
        let end = self.at();
        let node = &mut self.odd.nodes[index];
        node.configuration = start..end;
        node.configuration_empty = last.is_none();
        node.configuration_last = last.unwrap_or(start + 1);
    }

    fn list(&mut self, index: usize, elements: &[Element]) {
        let start = self.at();
        self.put("[");
        let mut last = self.at();
        for (at, element) in elements.iter().enumerate() {
            self.put(if at > 0 { "," } else { "" });
            self.blank();
            match element {
                Element::Variable(name, value) => self.variable(index, *name, Some(value)),
                Element::Valueless(name) => self.variable(index, *name, None),
                Element::Foreign(value) => self.value(value),
            }
            last = self.at();
            self.blank();
        }
        self.blank();
        self.put("]");
        let end = self.at();
        let node = &mut self.odd.nodes[index];
        (node.list, node.list_last, node.list_empty) = (Some(start..end), last, elements.is_empty());
    }

    fn variable(&mut self, index: usize, name: usize, value: Option<&Meaning>) {
        let (mut name_end, mut value_at) = (0, 0..0);
        let mut parts: Vec<Part<'_>> = vec![(
            "name",
            Box::new(|writer| {
                writer.string(&units(NAMES[name]));
                name_end = writer.at();
            }),
        )];
        if let Some(value) = value {
            parts.push((
                "value",
                Box::new(|writer| {
                    let start = writer.at();
                    writer.value(value);
                    value_at = start..writer.at();
                }),
            ));
        }
        self.object(parts, &["id", "variables", "Name", "VALUE"]);
        let value = value.map(|value| (value_at, value.clone()));
        self.odd.nodes[index].variables.push(OddVariable { name, name_end, value });
    }

    fn value(&mut self, meaning: &Meaning) {
        match meaning {
            Meaning::Null => self.put("null"),
            Meaning::Bool(value) => self.put(if *value { "true" } else { "false" }),
            Meaning::Number(negative, digits, exponent) => self.number(*negative, digits, *exponent),
            Meaning::Text(units) => self.string(units),
            Meaning::Array(elements) => {
                self.put("[");
                for (at, element) in elements.iter().enumerate() {
                    self.put(if at > 0 { "," } else { "" });
                    self.blank();
                    self.value(element);
                    self.blank();
                }
                self.put("]");
            }
            Meaning::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                self.rng.shuffle(&mut members);
                self.put("{");
                for (at, (key, value)) in members.into_iter().enumerate() {
                    self.put(if at > 0 { "," } else { "" });
                    self.blank();
                    self.string(key);
                    self.put(":");
                    self.value(value);
                }
                self.blank();
                self.put("}");
            }
        }
    }

    /// Moves the point and adds zeros at random; the exponent makes up for it.
    fn number(&mut self, negative: bool, digits: &str, exponent: i64) {
        if digits.is_empty() {
            let zero = self.pick(&["0", "-0", "0.0", "-0.00e7", "0E-99999999999999999999999", "0e+3"]);
            return self.put(zero);
        }
        let zeros = match u8::try_from(exponent) {
            Ok(all) if all < 30 && self.rng.bool() => all,
            _ => self.rng.u8(0..3),
        };
        let digits = digits.to_owned() + &"0".repeat(usize::from(zeros));
        let point = self.rng.usize(0..=digits.len());
        let behind_point = i64::try_from(digits.len() - point).expect("a number is short");
        let exponent = exponent - i64::from(zeros) + behind_point;
        self.put(if negative { "-" } else { "" });
        self.put(if point == 0 { "0" } else { &digits[..point] });
        if point < digits.len() {
            self.put(".");
            self.put(&digits[point..]);
        }
        if exponent != 0 || self.rng.bool() {
            let e = if self.rng.bool() { "e" } else { "E" };
            let plus = if exponent >= 0 && self.rng.bool() { "+" } else { "" };
            let zeros = "0".repeat(self.rng.usize(0..3));
            let sign = if exponent < 0 { "-" } else { "" };
            self.put(&format!("{e}{plus}{sign}{zeros}{}", exponent.unsigned_abs()));
        }
    }

    /// Each code unit as itself or as one of its escapes.
    fn string(&mut self, units: &[u16]) {
        self.put("\"");
        for decoded in char::decode_utf16(units.iter().copied()) {
            let c = match decoded {
                Ok(c) => c,
                Err(lone) => {
                    self.put(&format!("\\u{:04x}", lone.unpaired_surrogate()));
                    continue;
                }
            };
            let short = match c {
                '"' => "\\\"",
                '\\' => "\\\\",
                '/' => "\\/",
                '\u{8}' => "\\b",
                '\u{c}' => "\\f",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                _ => "",
            };
            match self.rng.u8(0..8) {
                0 => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let escape =
                            if self.rng.bool() { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") };
                        self.put(&escape);
                    }
                }
                1 | 2 if !short.is_empty() => self.put(short),
                _ if matches!(c, '"' | '\\') => self.put(short),
                _ if c < ' ' => self.put(&format!("\\u{:04x}", u32::from(c))),
                _ => self.odd.text.push(c),
            }
        }
        self.put("\"");
    }
}
