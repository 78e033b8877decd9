//! Text for people: at most 100 columns, colours only on a terminal, and nothing from outside that could steer it.

pub mod active;
pub mod cluster;
pub mod cluster_plan;
pub mod doctor;
pub mod explain;
pub mod halt;
pub mod instant;
pub mod lint;
pub mod plan;
pub mod residue;
pub mod schedule;
pub mod simulate;
pub mod resume;
pub mod run;

mod table;
mod text;

pub use cluster_plan::cluster_plan;
pub use explain::explanation;
pub use lint::lint;
pub use plan::plan;
pub use run::{change, end, millis};
