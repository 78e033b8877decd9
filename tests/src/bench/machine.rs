//! On what, when and beside what load was measured.

use std::fs;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result, ensure};

/// Returns kernel, cores and date.
pub(super) fn line() -> Result<String> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("read the kernel's release")?;
    let info = fs::read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
    let model = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    let cores = thread::available_parallelism().context("count the cores")?;
    let date = Command::new("date").args(["-u", "+%F %R UTC"]).output().context("start date")?;
    ensure!(date.status.success(), "date failed: {}", date.status);
    let date = String::from_utf8_lossy(&date.stdout).trim().to_owned();
    let build = if cfg!(debug_assertions) { "DEBUG build: no number counts" } else { "release build" };
    Ok(format!("Linux {}, {cores} cores ({model}), {date}, {build}", kernel.trim()))
}

/// Returns the load averages over 1, 5 and 15 minutes.
pub(super) fn load() -> Result<String> {
    let load = fs::read_to_string("/proc/loadavg").context("read the load")?;
    Ok(load.split(' ').take(3).collect::<Vec<_>>().join(" "))
}
