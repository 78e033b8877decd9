//! What the API server checks of each field, as types that stand in for the field's own in the schema.
//!
//! A schema can say less than `policy::check` and never more: what the parser accepts the schema accepts. Every text
//! has a greatest length and every list and mapping a greatest size, because the API server multiplies them into the
//! cost of each rule.

pub(crate) mod list;
pub(crate) mod number;
pub(crate) mod rules;
pub(crate) mod text;
pub(crate) mod time;
