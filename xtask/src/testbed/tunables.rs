//! Kernel settings that a kubelet changes for the whole machine: recorded before, put back after.

use std::fs;
use std::io::ErrorKind;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use super::folder::Folder;

/// What `setupKernelTunables` of the kubelet sets (pkg/kubelet/cm/container_manager_linux.go).
const SETTINGS: &[&str] = &[
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

const RECORD: &str = "tunables.json";

/// Records the settings, unless they are recorded: a second start must not record what the first changed.
pub(crate) fn record(folder: &Folder) -> Result<()> {
    if folder.file(RECORD).is_file() {
        return Ok(());
    }
    let mut record = Map::new();
    for setting in SETTINGS {
        match fs::read_to_string(format!("/proc/sys/{setting}")) {
            Ok(value) => drop(record.insert((*setting).to_owned(), Value::from(value.trim()))),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("read {setting}")),
        }
    }
    folder.write(RECORD, Value::from(record).to_string()).map(drop)
}

/// Puts the recorded settings back.
pub(crate) fn restore(folder: &Folder) -> Result<()> {
    let text = match fs::read_to_string(folder.file(RECORD)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).context("read the recorded settings of the kernel"),
    };
    let record: Map<String, Value> = serde_json::from_str(&text).context("read the recorded settings of the kernel")?;
    for (setting, value) in &record {
        let value = value.as_str().with_context(|| format!("the record of {setting} is no text"))?;
        let path = format!("/proc/sys/{setting}");
        if fs::read_to_string(&path).is_ok_and(|now| now.trim() == value) {
            continue;
        }
        fs::write(&path, value).with_context(|| format!("put {setting} back to {value}"))?;
    }
    Ok(())
}
