//! The demo's policies: the files in ./policies if they are there, so that they can be edited and tried, else the same
//! files as they were when this program was built.

use crate::commands::plan;
use crate::failure::Failure;
use rumpus_model::policy::{self, Policy};
use std::path::{Path, PathBuf};

const FOLDER: &str = "policies";
const BUILT_IN: [(&str, &str); 3] = [
    ("demo-1-latency.yaml", include_str!("../../../policies/demo-1-latency.yaml")),
    ("demo-2-partition.yaml", include_str!("../../../policies/demo-2-partition.yaml")),
    ("demo-3-kill.yaml", include_str!("../../../policies/demo-3-kill.yaml")),
];

/// Policies and where they are from.
#[derive(Debug)]
pub struct Source {
    pub from: String,
    pub policies: Vec<Policy>,
}

/// Reads them.
///
/// # Errors
/// Every problem of the first file that has one.
pub fn load() -> Result<Source, Failure> {
    let files = in_folder(Path::new(FOLDER));
    let mut policies = Vec::new();
    if files.is_empty() {
        for (name, text) in BUILT_IN {
            let parsed = policy::parse(text);
            policies.extend(parsed.map_err(|problems| Failure::Problems { file: name.to_owned(), problems })?);
        }
        let names = BUILT_IN.map(|(name, _)| name).join(", ");
        return Ok(Source { from: format!("built in ({names})"), policies });
    }
    for file in &files {
        policies.extend(plan::load(file)?);
    }
    let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    Ok(Source { from: names.join(", "), policies })
}

/// Returns `demo-*.yaml` in order; a folder that is not there or cannot be read has none.
fn in_folder(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let is_demo = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("demo-") && name.ends_with(".yaml")
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(is_demo).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_policies_are_sound() {
        for (name, text) in BUILT_IN {
            assert!(policy::parse(text).is_ok_and(|p| p.len() == 1), "{name}");
        }
    }
}
