//! Text for people: at most 100 columns, colours only on a terminal, and nothing from outside that could steer it.

pub mod plan;
pub mod run;

mod text;

pub use plan::plan;
pub use run::{change, end, millis};
