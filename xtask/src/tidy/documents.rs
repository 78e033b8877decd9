//! Whether the documents speak of files that exist.

use std::path::Path;

/// Documents that a newcomer looks for.
const EXPECTED: &[&str] = &["README.md", "ARCHITECTURE.md"];

/// Endings by which a word of the map is taken for the path of a file.
const ENDINGS: &[&str] = &[".rs", ".md", ".toml", ".yaml", ".sh"];

/// Returns the expected documents that are missing.
pub(super) fn missing(root: &Path) -> Vec<String> {
    let gone = EXPECTED.iter().filter(|file| !root.join(file).is_file());
    gone.map(|file| format!("{file}: does not exist")).collect()
}

/// Returns every finding in one document.
pub(super) fn check(root: &Path, file: &str, text: &str) -> Vec<String> {
    let folder = root.join(file).parent().unwrap_or(root).to_path_buf();
    let mut findings = Vec::new();
    for target in links(text) {
        if !folder.join(target).exists() {
            findings.push(format!("{file}: links to {target}, which does not exist"));
        }
    }
    if file == "ARCHITECTURE.md" {
        let lost = paths(text).filter(|path| !root.join(path).exists());
        findings.extend(lost.map(|path| format!("{file}: names {path}, which does not exist")));
    }
    findings
}

/// The local files that `[text](target)` links to, less the part after `#`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', ' ', '\n']).next()?;
        let target = target.split('#').next()?;
        let local = !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
        local.then_some(target)
    })
}

/// The words that look like the path of a file, from the root of the checkout.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|character: char| !(character.is_alphanumeric() || "./_-*<>".contains(character)));
    words.map(|word| word.trim_end_matches('.')).filter(|word| {
        let pattern = word.contains(['*', '<', '>']);
        word.contains('/') && !pattern && ENDINGS.iter().any(|ending| word.ends_with(ending))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_a_page_elsewhere_is_not_a_file() {
        let text = "[a](docs/a.md#top) [b](https://example.org/b.md) [c](#here) [d](LICENSE)";
        assert_eq!(links(text).collect::<Vec<_>>(), ["docs/a.md", "LICENSE"]);
    }

    #[test]
    fn the_map_is_held_to_the_files_it_names() {
        let text = "follow `model/src/plan.rs`, then agent/src/inbox.rs. A policy: policies/*.yaml";
        assert_eq!(paths(text).collect::<Vec<_>>(), ["model/src/plan.rs", "agent/src/inbox.rs"]);
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(check(root, "ARCHITECTURE.md", "src/main.rs and src/none.rs").len(), 1);
    }
}
