//! YAML text as a tree in which every node knows its place.
//!
//! Scalars keep what they are: `"3"` is text and 3 a number, never one for the other. The budget refuses alias bombs
//! and deep nesting before they cost memory.

use super::problem::Problem;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Options, Spanned};
use std::fmt;

/// Longest text that is read at all.
pub const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting; the API nests 9 deep.
const MAX_DEPTH: usize = 32;
/// Most nodes, aliases expanded: some thousands of peers, and no bomb.
const MAX_NODES: usize = 20_000;
/// Most uses of an anchor.
const MAX_ALIASES: usize = 64;
/// Longest key in bytes; a label's, the longest there is, has 317. Paths are made of keys, again for each problem.
const MAX_KEY: usize = 512;
/// Most policies in one file.
const MAX_DOCUMENTS: usize = 64;

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// Line and column, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// What a node holds.
#[derive(Debug)]
pub(crate) enum Value {
    Bool(bool),
    Float(f64),
    Int(i64),
    List(Vec<Node>),
    Map(Vec<Entry>),
    Null,
    Text(String),
}

/// One key of a mapping and its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) node: Node,
}

/// Reads every document of a text; empty ones are left out.
///
/// # Errors
/// The text is no YAML, or more of it than any policy needs.
pub(crate) fn documents(text: &str) -> Result<Vec<Node>, Problem> {
    if text.len() > MAX_BYTES {
        let what = format!("the text has {} bytes; at most {MAX_BYTES} are read", text.len());
        return Err(Problem::at("", what, "write fewer policies into one file"));
    }
    serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| {
        let place = error.location().map(Place::from).filter(|p| p.line > 0);
        let hint = "look for a tab, an open bracket or quote, or a key out of its column; policies/ has whole files";
        let problem = Problem::at("", format!("cannot be read as YAML: {}", reason(&error)), hint);
        Problem { line: place.map(|p| p.line), column: place.map(|p| p.column), ..problem }
    })
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: MAX_DOCUMENTS,
            max_events: MAX_NODES * 4,
            max_nodes: MAX_NODES,
            max_total_scalar_bytes: MAX_BYTES,
        },
        // Reported by us, with the field's path.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // `010` and `1_0` are not the numbers that they look like.
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        // Only `true` and `false`.
        strict_booleans: true,
        with_snippet: false,
    }
}

/// Returns the parser's words without its own idea of the place.
fn reason(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    if let Some(breach) = text.strip_prefix("budget breached: ") {
        let what: String = breach.chars().take_while(char::is_ascii_alphanumeric).collect();
        return format!("larger than any policy ({what}, with every alias counted where it is used)");
    }
    let end = text.find(" at line ").unwrap_or(text.len());
    text.get(..end).unwrap_or(&text).trim_end_matches(':').to_owned()
}

impl Node {
    /// Returns a mapping's value for a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.node),
            Value::Bool(_) | Value::Float(_) | Value::Int(_) | Value::List(_) | Value::Null | Value::Text(_) => None,
        }
    }

    /// Returns where a path like `spec.faults[0].kill` stands, or the deepest part of it that exists.
    pub(crate) fn locate(&self, path: &str) -> Place {
        let (mut node, mut place, mut rest) = (self, self.place, path);
        while !rest.is_empty() {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let step = match &node.value {
                Value::Map(entries) => entries.iter().rev().find_map(|e| {
                    let tail = rest.strip_prefix(e.key.as_str())?;
                    let whole = tail.is_empty() || tail.starts_with(['.', '[']);
                    // A mapping or a list begins below its key, and the key is what the reader looks for.
                    let key = matches!(e.node.value, Value::Map(_) | Value::List(_) | Value::Null);
                    whole.then_some((&e.node, if key { e.place } else { e.node.place }, tail))
                }),
                Value::List(items) => rest.strip_prefix('[').and_then(|r| r.split_once(']')).and_then(|(n, tail)| {
                    let item = items.get(n.parse::<usize>().ok()?)?;
                    Some((item, item.place, tail))
                }),
                Value::Bool(_) | Value::Float(_) | Value::Int(_) | Value::Null | Value::Text(_) => None,
            };
            let Some(next) = step else { break };
            (node, place, rest) = next;
        }
        place
    }
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Self { line: number(location.line()), column: number(location.column()) }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { place: spanned.referenced.into(), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar, a list or a mapping")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        // No field of the API reaches that far; as text it is shown as it was written.
        Ok(i64::try_from(value).map_or_else(|_| Value::Text(value.to_string()), Value::Int))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            if key.value.len() > MAX_KEY {
                return Err(A::Error::custom(format_args!("a key has {} bytes, more than {MAX_KEY}", key.value.len())));
            }
            let place = key.referenced.into();
            entries.push(Entry { key: key.value, place, node: map.next_value()? });
        }
        Ok(Value::Map(entries))
    }
}
