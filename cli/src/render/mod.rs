//! Text for people: no colours, at most 100 columns, and nothing from outside that could steer the terminal.

pub mod plan;

mod text;

pub use plan::plan;
