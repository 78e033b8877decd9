//! Numbers, and what may be written as a number or as text.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// A whole number within bounds, both included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole<const LEAST: i64, const MOST: i64>;

impl<const LEAST: i64, const MOST: i64> JsonSchema for Whole<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Whole{LEAST}To{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "format": "int64", "minimum": LEAST, "maximum": MOST})
    }
}

/// A count of what happened, or a number that only goes up; the API server holds bounds as floating-point numbers.
pub(crate) type Count = Whole<0, 9_007_199_254_740_991>;

macro_rules! either {
    ($($(#[$doc:meta])* $name:ident: $least:literal to $most:literal, or $longest:literal $pattern:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            /// Each bound is about one of the two types and says nothing about the other.
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "x-kubernetes-int-or-string": true,
                    "minimum": $least, "maximum": $most,
                    "maxLength": $longest, "pattern": $pattern,
                })
            }
        }
    )*};
}

either! {
    /// A port, with a protocol or a range as text.
    Port: 1 to 65_535, or 15 r"^[0-9]{1,5}(-[0-9]{1,5})?(/(TCP|UDP))?$";
    /// A signal by number or name.
    Signal: 1 to 64, or 12 r"^[A-Z][A-Z0-9+]*$";
    /// A user by number or name.
    User: 0 to 4_294_967_294_i64, or 255 r"^[^[:cntrl:]]+$";
    /// A number of pods, or a percentage of them.
    Amount: 0 to 4_294_967_295_i64, or 4 r"^0*(100|[0-9]{1,2})%$";
}
