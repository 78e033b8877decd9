//! From a YAML tree to wire types: every error knows its field, and one error does not hide the next.
//!
//! Decoding is repeated without the part that was wrong until it succeeds. Nothing is converted on the way: text where
//! a number is meant is an error, as it is for the API server, and so is a key with nothing behind it (an `exclude:`
//! that was left empty must not mean "exclude nothing").

use super::problem::Problem;
use super::yaml::{Entry, Node, Value};
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use std::collections::BTreeSet;
use std::fmt;

/// Most problems of one document that are told at once.
pub(crate) const MAX_PROBLEMS: usize = 50;

/// A wire value, and which parts of the tree were left out of it because they are wrong.
#[derive(Debug)]
pub(crate) struct Decoded<T> {
    pub(crate) value: Option<T>,
    pub(crate) problems: Vec<Problem>,
}

/// Reads a tree as a wire type.
pub(crate) fn decode<T: DeserializeOwned>(root: &Node) -> Decoded<T> {
    let mut problems = Vec::new();
    let mut skip = BTreeSet::new();
    while problems.len() < MAX_PROBLEMS {
        match T::deserialize(Decoder { node: root, path: String::new(), skip: &skip }) {
            Ok(value) => return Decoded { value: Some(value), problems },
            Err(wrong) => {
                let path = wrong.path.unwrap_or_default();
                let again = !path.is_empty() && skip.insert(path.clone());
                problems.push(Problem::at(path, wrong.what, wrong.hint));
                if !again {
                    break;
                }
            }
        }
    }
    Decoded { value: None, problems }
}

/// One error, with the path of the innermost value that it is about.
#[derive(Debug)]
pub(crate) struct Wrong {
    path: Option<String>,
    what: String,
    hint: String,
}

impl Wrong {
    fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { path: None, what: what.into(), hint: hint.into() }
    }

    fn at(mut self, path: &str) -> Self {
        self.path.get_or_insert_with(|| path.to_owned());
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Wrong {}

impl Error for Wrong {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(text.to_string(), "")
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let meant = meant(&expected);
        let scalar = matches!(
            found,
            Unexpected::Bool(_) | Unexpected::Signed(_) | Unexpected::Unsigned(_) | Unexpected::Float(_)
        );
        // `010` is text even without quotes.
        let number = |t: &str| t.parse::<i64>().is_ok_and(|n| n.to_string() == t);
        let quoted = matches!(found, Unexpected::Str(t) if number(t) || t == "true" || t == "false");
        let hint = if quoted {
            "leave the quotes out"
        } else if scalar && meant == "text" {
            "put it in quotes"
        } else if found == Unexpected::Unit {
            "leave the field out, or fill it"
        } else {
            ""
        };
        Self::new(format!("{meant} is meant here, not {}", shown(found)), hint)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("{} is meant here, not {}", meant(&expected.to_string()), shown(found)), "")
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let hint = match closest(field, expected) {
            Some(near) => format!("did you mean `{near}`?"),
            None if expected.is_empty() => "nothing is written in here".to_owned(),
            None => format!("known here: {}", expected.join(", ")),
        };
        Self::new("unknown field", hint)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint = closest(variant, expected).map(|near| format!("did you mean `{near}`?")).unwrap_or_default();
        Self::new(format!("`{variant}` is none of {}", expected.join(", ")), hint)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is missing"), "")
    }

    fn duplicate_field(_field: &'static str) -> Self {
        Self::new("is written twice", "leave one of them out")
    }
}

fn meant(expected: &str) -> &str {
    match expected {
        "i64" => "a whole number",
        "a string" => "text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a mapping",
        other if other.starts_with("struct ") => "a mapping",
        other if other.starts_with("enum ") || other == "variant identifier" => "a word",
        other => other,
    }
}

fn shown(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(b) => format!("{b}"),
        Unexpected::Unsigned(n) => format!("the number {n}"),
        Unexpected::Signed(n) => format!("the number {n}"),
        Unexpected::Float(n) => format!("the number {n}"),
        Unexpected::Str(t) => format!("the text `{}`", t.chars().take(60).collect::<String>()),
        Unexpected::Unit => "nothing".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a mapping".into(),
        Unexpected::Char(_)
        | Unexpected::Bytes(_)
        | Unexpected::Option
        | Unexpected::NewtypeStruct
        | Unexpected::Enum
        | Unexpected::UnitVariant
        | Unexpected::NewtypeVariant
        | Unexpected::TupleVariant
        | Unexpected::StructVariant
        | Unexpected::Other(_) => found.to_string(),
    }
}

/// Returns the known word that a misspelt one is nearest to: one edit away, or two where it is long.
fn closest(word: &str, known: &'static [&'static str]) -> Option<&'static str> {
    let near = known.iter().map(|k| (edits(word, k), *k)).min()?;
    let most = if near.1.len() > 4 { 2 } else { 1 };
    (near.0 <= most).then_some(near.1)
}

/// Returns the Levenshtein distance of two words, in letters, case ignored; far-off lengths are not computed.
fn edits(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut last = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = if x == *y { last } else { 1 + last.min(row[j]).min(row[j + 1]) };
            last = row[j + 1];
            row[j + 1] = cost;
        }
    }
    row[b.len()]
}

struct Decoder<'t> {
    node: &'t Node,
    path: String,
    skip: &'t BTreeSet<String>,
}

impl<'de> Deserializer<'de> for Decoder<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let Self { node, path, skip } = self;
        let result = match &node.value {
            Value::Bool(b) => visitor.visit_bool(*b),
            Value::Float(n) => visitor.visit_f64(*n),
            Value::Int(n) => visitor.visit_i64(*n),
            Value::Null => visitor.visit_unit(),
            Value::Text(t) => visitor.visit_str(t),
            Value::List(items) => visitor.visit_seq(Items { items, next: 0, path: &path, skip }),
            Value::Map(entries) => {
                visitor.visit_map(Fields { entries, next: 0, seen: BTreeSet::new(), path: &path, skip })
            }
        };
        result.map_err(|e| e.at(&path))
    }

    /// A field that is written is there: nothing behind it is an error of its type.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let Value::Text(text) = &self.node.value else { return self.deserialize_any(visitor) };
        let word: StrDeserializer<'_, Wrong> = text.as_str().into_deserializer();
        word.deserialize_enum(name, words, visitor).map_err(|e| e.at(&self.path))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    /// A list is no struct: serde would take its items for the fields in their order.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        if matches!(self.node.value, Value::List(_)) {
            return Err(Wrong::invalid_type(Unexpected::Seq, &visitor).at(&self.path));
        }
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Fields<'t> {
    entries: &'t [Entry],
    next: usize,
    seen: BTreeSet<&'t str>,
    path: &'t str,
    skip: &'t BTreeSet<String>,
}

impl<'t> Fields<'t> {
    fn child(&self, entry: &Entry) -> String {
        if self.path.is_empty() { entry.key.clone() } else { format!("{}.{}", self.path, entry.key) }
    }

    fn current(&self) -> Option<(&'t Entry, String)> {
        let entry = self.entries.get(self.next)?;
        Some((entry, self.child(entry)))
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        while let Some((entry, path)) = self.current() {
            if self.skip.contains(&path) {
                self.next += 1;
                continue;
            }
            if !self.seen.insert(&entry.key) {
                return Err(Wrong::duplicate_field("").at(&path));
            }
            let key: StrDeserializer<'_, Wrong> = entry.key.as_str().into_deserializer();
            return seed.deserialize(key).map(Some).map_err(|e| e.at(&path));
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let Some((entry, path)) = self.current() else { return Err(Wrong::new("has no value", "")) };
        self.next += 1;
        seed.deserialize(Decoder { node: &entry.node, path: path.clone(), skip: self.skip }).map_err(|e| e.at(&path))
    }
}

struct Items<'t> {
    items: &'t [Node],
    next: usize,
    path: &'t str,
    skip: &'t BTreeSet<String>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        while let Some(node) = self.items.get(self.next) {
            let path = format!("{}[{}]", self.path, self.next);
            self.next += 1;
            if self.skip.contains(&path) {
                continue;
            }
            return seed.deserialize(Decoder { node, path, skip: self.skip }).map(Some);
        }
        Ok(None)
    }
}
