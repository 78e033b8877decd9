//! `cargo xtask crd`: the CustomResourceDefinitions, generated from the model's types.
//!
//! One file for each kind, under `chart/crds-generated/`, and nothing else in that folder. Never edited by hand.

mod columns;
mod definition;
mod structural;
mod yaml;

#[cfg(test)]
mod tests;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::place;
use crate::steps::Count;

/// Where the files go.
const FOLDER: &str = "chart/crds-generated";

/// Flags of `cargo xtask crd`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Flags {
    /// Change nothing; fail if a file differs
    #[arg(long)]
    check: bool,
}

/// Writes the files, or compares them.
pub(crate) fn run(flags: Flags) -> Result<()> {
    if flags.check {
        return check().map(|_count| ());
    }
    let folder = folder()?;
    fs::create_dir_all(&folder).with_context(|| format!("make {FOLDER}"))?;
    let wanted = definition::files()?;
    for name in found()?.into_keys().filter(|name| !wanted.contains_key(name)) {
        fs::remove_file(folder.join(&name)).with_context(|| format!("remove {name}"))?;
    }
    for (name, text) in &wanted {
        fs::write(folder.join(name), text).with_context(|| format!("write {name}"))?;
        println!("{FOLDER}/{name}");
    }
    Ok(())
}

/// Compares what is checked in with what would be generated.
pub(crate) fn check() -> Result<Count> {
    let (wanted, found) = (definition::files()?, found()?);
    if wanted == found {
        return Ok(Count { passed: wanted.len(), failed: 0 });
    }
    let names: Vec<&String> =
        wanted.keys().chain(found.keys()).filter(|name| wanted.get(*name) != found.get(*name)).collect();
    bail!("{names:?} differ from the model's types: run `cargo xtask crd` and commit what it writes")
}

fn folder() -> Result<PathBuf> {
    Ok(place::root()?.join(FOLDER))
}

fn found() -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let folder = folder()?;
    if !folder.is_dir() {
        return Ok(files);
    }
    for entry in fs::read_dir(&folder).with_context(|| format!("list {FOLDER}"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(name, fs::read_to_string(&path)?);
    }
    Ok(files)
}
