//! Checks what a compiler does not: sizes, first lines, names, and that the documents tell the truth.
//!
//! ```text
//! files (as git knows them) -> source (one file at a time) + documents (links, names of files) -> findings
//! ```

mod documents;
mod source;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::command::{capture, command};
use crate::place;
use crate::steps::Count;

/// Checks every file that git tracks or would track, and prints each finding.
pub(crate) fn check() -> Result<Count> {
    let root = place::root()?;
    let mut findings = Vec::new();
    let files = files(&root)?;
    for file in &files {
        // A file that is deleted in the working tree, or is no text, has nothing to check.
        let Ok(text) = fs::read_to_string(root.join(file)) else { continue };
        findings.extend(source::check(file, &text));
        if file.ends_with(".md") {
            findings.extend(documents::check(&root, file, &text));
        }
    }
    findings.extend(documents::missing(&root));
    for finding in &findings {
        println!("   {finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings in {} files", findings.len(), files.len());
    }
    println!("   {} files are tidy", files.len());
    Ok(Count::ONE)
}

fn files(root: &Path) -> Result<Vec<String>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let text = capture(command("git", list).current_dir(root)).context("list the files of the checkout")?;
    let files: Vec<String> = text.split('\0').filter(|file| !file.is_empty()).map(str::to_owned).collect();
    ensure!(!files.is_empty(), "git lists no file");
    Ok(files)
}
