//! What a runner that was killed left: labs and outputs of cases that nobody ends any more.
//!
//! It must never touch the lab of a runner or a case that lives, in this run or another one.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result, bail};

use super::namespace::FOLDER;
use super::{OUTPUTS, output_path, sweep};

/// Removes the labs and outputs of runs that are over, and returns how many cases they were of.
///
/// # Errors
/// With everything that could not be removed, in one text.
pub fn sweep_orphans() -> Result<usize> {
    let running = command_lines().context("list the processes")?;
    let ids: BTreeSet<String> = names(FOLDER).chain(names(OUTPUTS)).filter_map(|name| id(&name)).collect();
    let orphans: Vec<&String> = ids.iter().filter(|id| !in_use(id, &running)).collect();
    let mut failed = Vec::new();
    for id in &orphans {
        let output = output_path(id);
        let removed = if output.exists() { fs::remove_file(&output).map_err(anyhow::Error::from) } else { Ok(()) };
        failed.extend(sweep(id).and(removed).err().map(|error| format!("{error:#}")));
    }
    if failed.is_empty() { Ok(orphans.len()) } else { bail!("{}", failed.join("; ")) }
}

/// Whether the runner that gave the id lives, or anything that it started: their words name the id.
fn in_use(id: &str, running: &[(u32, String)]) -> bool {
    let runner = id.split('-').next().and_then(|pid| pid.parse::<u32>().ok());
    running.iter().any(|(pid, words)| {
        let runs = Some(*pid) == runner && words.contains("ktest");
        runs || words.split([' ', '/']).any(|word| word == id || word == format!("rumpus-test-{id}"))
    })
}

/// Returns the id of a case (`PID-NUMBER`) from the name of its namespace, state folder or output.
fn id(name: &str) -> Option<String> {
    let namespace = name.strip_prefix("rt-").and_then(|rest| rest.strip_suffix("-t").or(rest.strip_suffix("-p")));
    let file = name.strip_prefix("rumpus-test-").map(|rest| rest.strip_suffix(".output").unwrap_or(rest));
    let id = namespace.or(file)?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (pid, number) = id.split_once('-')?;
    (digits(pid) && digits(number)).then(|| id.to_owned())
}

fn names(folder: &str) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).ok().into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

/// Returns each process with its words; one that ends meanwhile has none.
fn command_lines() -> Result<Vec<(u32, String)>> {
    let entries = fs::read_dir("/proc").context("read /proc")?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    Ok(pids
        .map(|pid| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            (pid, String::from_utf8_lossy(&words).replace('\0', " "))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_runner_gives_are_read() {
        for name in ["rt-41-7-t", "rt-41-7-p", "rumpus-test-41-7", "rumpus-test-41-7.output"] {
            assert_eq!(id(name).as_deref(), Some("41-7"), "{name}");
        }
        for name in ["rt-crash-x", "rt-41-t", "rt-41-7", "rt-41-7-q", "rumpus-test-proc-41-7", "rumpus-test-", "eth0"] {
            assert_eq!(id(name), None, "{name}");
        }
    }

    #[test]
    fn what_lives_keeps_its_lab() {
        let running = |pid: u32, words: &str| vec![(pid, words.to_owned())];
        assert!(in_use("41-7", &running(41, "/x/rumpus-ktest run --kernel host")));
        assert!(in_use("41-7", &running(90, "/x/rumpus-ktest case --id 41-7 --kernel host")));
        assert!(in_use("41-7", &running(90, "/x/rumpus-ktest rumpus run kill --state-dir /tmp/rumpus-test-41-7")));
        assert!(!in_use("41-7", &running(41, "bash")));
        assert!(!in_use("41-7", &running(90, "/x/rumpus-ktest case --id 41-77 --kernel host")));
    }
}
