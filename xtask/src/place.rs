//! Where things lie: the checkout, the build folder, and the cache that survives checkouts.
//!
//! Nothing is ever written into the checkout but the build folder, and only where the caller has
//! not moved it with `CARGO_TARGET_DIR`.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// Returns the root of the checkout.
pub(crate) fn root() -> Result<PathBuf> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Ok(manifest.parent().context("xtask has no parent folder")?.to_path_buf())
}

/// Returns the build folder: `CARGO_TARGET_DIR`, else `target` in the checkout.
pub(crate) fn target() -> Result<PathBuf> {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => Ok(root()?.join(folder)),
        None => Ok(root()?.join("target")),
    }
}

/// Returns (and makes) a folder of the cache: `$XDG_CACHE_HOME/rumpus/NAME`, else
/// `~/.cache/rumpus/NAME`. `name` carries the version of what lies in it, so that a new version
/// never meets an old one's files.
pub(crate) fn cache(name: &str) -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?).join(".cache"),
    };
    let folder = base.join("rumpus").join(name);
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}
