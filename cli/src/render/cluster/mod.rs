//! What the verbs of a cluster print, in the shapes of those of a host.

pub mod active;
pub mod halt;
pub mod residue;
pub mod resume;
pub mod run;

use super::text::safe;

/// Shows an instant to the second; what is none is shown as it is.
fn instant(text: &str) -> String {
    let at = text.parse::<jiff::Timestamp>().ok();
    let rounded = at.and_then(|at| at.round(jiff::Unit::Second).ok());
    rounded.map_or_else(|| safe(text, CELL), |at| at.to_string())
}

/// Longest single item.
const ITEM: usize = 200;
/// Longest item of a table.
const CELL: usize = 60;
