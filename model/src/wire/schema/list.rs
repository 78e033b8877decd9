//! Lists and mappings: how many.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::marker::PhantomData;

/// A list of 1 to `MOST` items: an empty one means nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<T, const MOST: u32>(PhantomData<T>);

impl<T: JsonSchema, const MOST: u32> JsonSchema for List<T, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("List{MOST}Of{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        json_schema!({"type": "array", "minItems": 1, "maxItems": MOST, "items": items,
                      "x-kubernetes-list-type": "atomic"})
    }
}

/// A list of 1 to `MOST` different texts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Set<T, const MOST: u32>(PhantomData<T>);

impl<T: JsonSchema, const MOST: u32> JsonSchema for Set<T, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Set{MOST}Of{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        json_schema!({"type": "array", "minItems": 1, "maxItems": MOST, "items": items,
                      "x-kubernetes-list-type": "set"})
    }
}

/// A list of up to `MOST` items that may be empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Several<T, const MOST: u32>(PhantomData<T>);

impl<T: JsonSchema, const MOST: u32> JsonSchema for Several<T, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Several{MOST}Of{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        json_schema!({"type": "array", "maxItems": MOST, "items": items, "x-kubernetes-list-type": "atomic"})
    }
}

/// Up to 16 conditions, each type once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for Conditions<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Conditions".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        json_schema!({"type": "array", "maxItems": 16, "items": items,
                      "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]})
    }
}

/// A mapping of `LEAST` to `MOST` keys. The schema language says nothing about how long a key is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Map<T, const LEAST: u32, const MOST: u32>(PhantomData<T>);

impl<T: JsonSchema, const LEAST: u32, const MOST: u32> JsonSchema for Map<T, LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Map{MOST}Of{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let values = generator.subschema_for::<T>();
        json_schema!({"type": "object", "minProperties": LEAST, "maxProperties": MOST,
                      "additionalProperties": values})
    }
}
