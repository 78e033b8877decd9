//! Fields that may be written in two ways. Nothing is converted here: `"5"` is text and 5 is a number.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, IntoDeserializer, SeqAccess, Visitor, value};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A device's name as `scope::Device` reads it.
const DEVICE: &str = r"^[!#$&(-.0-9<-~]+$";

/// A number or text, as it was written: ports, users, signals, shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumberOrText {
    Number(i64),
    Text(String),
}

impl NumberOrText {
    /// Reads a flag's text the way YAML would read it without quotes.
    pub fn plain(text: &str) -> Self {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(n) if number => Self::Number(n),
            Ok(_) | Err(_) => Self::Text(text.to_owned()),
        }
    }
}

impl fmt::Display for NumberOrText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Text(t) => f.write_str(t),
        }
    }
}

impl<'de> Deserialize<'de> for NumberOrText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = NumberOrText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or text")
            }

            fn visit_i64<E: Error>(self, n: i64) -> Result<NumberOrText, E> {
                Ok(NumberOrText::Number(n))
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<NumberOrText, E> {
                // Beyond i64 every field that may be a number is out of its range anyway.
                Ok(i64::try_from(n).map_or_else(|_| NumberOrText::Text(n.to_string()), NumberOrText::Number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<NumberOrText, E> {
                Ok(NumberOrText::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Serialize for NumberOrText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(n) => serializer.serialize_i64(*n),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl JsonSchema for NumberOrText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "NumberOrText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 253,
        })
    }
}

/// One text, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either(PhantomData<()>);
        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a list of texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMany, A::Error> {
                let mut all = Vec::new();
                while let Some(text) = list.next_element()? {
                    all.push(text);
                }
                Ok(OneOrMany(all))
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl Serialize for OneOrMany {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(one),
            many => many.serialize(serializer),
        }
    }
}

impl JsonSchema for OneOrMany {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OneOrMany".into()
    }

    /// Each bound is about one of the two types and says nothing about the other.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-preserve-unknown-fields": true,
            "maxLength": 15,
            "pattern": DEVICE,
            "items": {"type": "string", "maxLength": 15, "pattern": DEVICE},
            "minItems": 1,
            "maxItems": 16,
        })
    }
}

/// Reads one of an enum's words, for flags: the same words and the same error text as in a file.
///
/// # Errors
/// The word is none of them.
pub fn word<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, value::Error> {
    T::deserialize(IntoDeserializer::<value::Error>::into_deserializer(text))
}
