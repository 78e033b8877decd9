//! A lifted halt as text.

use super::text::{safe, wrap};
use crate::commands::resume::Report;

/// Longest single item.
const ITEM: usize = 200;

/// Renders what was lifted.
pub fn page(report: &Report) -> String {
    let dir = safe(&report.state_dir.display().to_string(), ITEM);
    let text = match (report.lifted, &report.halt) {
        (true, Some(halt)) => format!(
            "lifted the halt of {} since {}: {}. New runs may begin; nothing restarts by itself.",
            safe(&halt.by, ITEM),
            safe(&halt.at, ITEM),
            safe(&halt.reason, ITEM)
        ),
        (true, None) => "lifted a halt. New runs may begin; nothing restarts by itself.".into(),
        (false, _) => format!("nothing to lift: {dir} is not halted."),
    };
    let mut page = wrap("", &text);
    for warning in &report.warnings {
        page += &wrap("  warning: ", &safe(warning, ITEM));
    }
    if !report.warnings.is_empty() && report.warnings.iter().any(|w| w.starts_with("left ")) {
        page += "hint: `rumpus residue --clean` takes it away\n";
    }
    page
}
