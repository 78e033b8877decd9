//! What the verbs of a cluster print, in the shapes of those of a host.

pub mod active;
pub mod halt;
pub mod residue;
pub mod resume;
pub mod run;

/// Longest single item.
const ITEM: usize = 200;
/// Longest item of a table.
const CELL: usize = 60;
