//! Looks at the whole machine before and after the tests, with the machine's own tools: what is there
//! afterwards has to be what was there before, and nothing of it may be ours.
//!
//! It shares no code and no list of names with the product: a residue that the product overlooks has
//! to be seen here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::command::{capture, command};

/// What was found, one line each.
pub(crate) type Found = BTreeSet<String>;

/// Looks at the machine.
pub(crate) fn look() -> Result<Found> {
    let mut found = Found::new();
    lines(&mut found, "netns", &mut command("ip", ["netns", "list"]))?;
    lines(&mut found, "table", &mut command("nft", ["list", "tables"]))?;
    lines(&mut found, "qdisc", &mut command("tc", ["qdisc", "show"]))?;
    links(&mut found)?;
    foreign_tables(&mut found)?;
    processes(&mut found)?;
    cgroups(&mut found, Path::new("/sys/fs/cgroup"))?;
    mounts(&mut found)?;
    folders(&mut found)?;
    Ok(found)
}

/// Returns everything that is wrong between two looks.
pub(crate) fn compare(before: &Found, after: &Found) -> Vec<String> {
    let mut wrong: Vec<String> = after.difference(before).map(|line| format!("left behind: {line}")).collect();
    wrong.extend(before.difference(after).map(|line| format!("gone: {line}")));
    // Tests of ours were not running before either; what carries our name was left by an earlier run.
    let ours = |line: &&String| line.contains("rumpus") && before.contains(*line);
    wrong.extend(after.iter().filter(ours).map(|line| format!("ours, from an earlier run: {line}")));
    wrong
}

fn lines(found: &mut Found, what: &str, program: &mut std::process::Command) -> Result<()> {
    for line in capture(program)?.lines().filter(|line| !line.is_empty()) {
        found.insert(format!("{what} {line}"));
    }
    Ok(())
}

fn links(found: &mut Found) -> Result<()> {
    for line in capture(&mut command("ip", ["-o", "link", "show"]))?.lines() {
        let name = line.split(": ").nth(1).with_context(|| format!("odd line of ip link: {line}"))?;
        found.insert(format!("link {name}"));
    }
    Ok(())
}

/// Tables with our name in any network namespace that a process or a name keeps alive.
fn foreign_tables(found: &mut Found) -> Result<()> {
    for (inode, path) in namespaces()? {
        let enter = [format!("--net={}", path.display()), "nft".to_owned(), "list".to_owned(), "tables".to_owned()];
        // A namespace whose last process ends between the list and the look has no table any more.
        let Ok(text) = capture(&mut command("nsenter", enter)) else { continue };
        for line in text.lines().filter(|line| line.contains("rumpus")) {
            found.insert(format!("in namespace {inode}: {line}"));
        }
    }
    Ok(())
}

fn namespaces() -> Result<BTreeMap<u64, PathBuf>> {
    let mut paths = Vec::new();
    for pid in pids()? {
        paths.push(PathBuf::from(format!("/proc/{pid}/ns/net")));
    }
    if let Ok(named) = fs::read_dir("/run/netns") {
        paths.extend(named.flatten().map(|entry| entry.path()));
    }
    Ok(paths.into_iter().filter_map(|path| Some((fs::metadata(&path).ok()?.ino(), path))).collect())
}

fn pids() -> Result<Vec<u32>> {
    let entries = fs::read_dir("/proc").context("list the processes")?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

fn processes(found: &mut Found) -> Result<()> {
    for pid in pids()? {
        // A process that ended since the list is none.
        let Ok(comm) = fs::read_to_string(format!("/proc/{pid}/comm")) else { continue };
        if !comm.starts_with("rumpus") {
            continue;
        }
        // A testbed that was up before may stay; what runs in it changes while it is tested.
        if in_testbed(&fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default()) {
            found.insert("the testbed's own processes".to_owned());
        } else {
            found.insert(format!("process {pid} {}", comm.trim()));
        }
    }
    Ok(())
}

fn in_testbed(cgroup: &str) -> bool {
    cgroup.lines().any(|line| line.splitn(3, ':').nth(2).is_some_and(|path| path.starts_with("/testbed/")))
}

fn cgroups(found: &mut Found, folder: &Path) -> Result<()> {
    // A group that was removed since its parent was listed is none.
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let entry = entry.with_context(|| format!("list {}", folder.display()))?;
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().to_string_lossy().starts_with("rumpus") {
            found.insert(format!("cgroup {}", entry.path().display()));
        }
        cgroups(found, &entry.path())?;
    }
    Ok(())
}

fn mounts(found: &mut Found) -> Result<()> {
    let text = fs::read_to_string("/proc/self/mountinfo").context("read the mounts")?;
    for point in text.lines().filter_map(|line| line.split(' ').nth(4)) {
        if point.starts_with("/run/netns/") || point.contains("rumpus") {
            found.insert(format!("mount {point}"));
        }
    }
    Ok(())
}

fn folders(found: &mut Found) -> Result<()> {
    for entry in fs::read_dir("/tmp").context("list /tmp")?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("rumpus") {
            found.insert(format!("folder {}", entry.path().display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &[&str]) -> Found {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn a_machine_as_it_was_is_clean_and_one_with_our_leftovers_is_not() {
        let clean = found(&["link lo", "netns a"]);
        assert_eq!(compare(&clean, &clean), Vec::<String>::new());
        assert_eq!(compare(&clean, &found(&["link lo", "netns a", "link ifb0"])), ["left behind: link ifb0"]);
        assert_eq!(compare(&clean, &found(&["link lo"])), ["gone: netns a"]);
        let dirty = found(&["process 7 rumpus"]);
        assert_eq!(compare(&dirty, &dirty), ["ours, from an earlier run: process 7 rumpus"]);
    }

    #[test]
    fn what_runs_in_the_testbed_is_told_by_its_group() {
        assert!(in_testbed("9:name=systemd:/testbed/node-3/kubepods/burstable/pod1/2\n0::/\n"));
        assert!(!in_testbed("9:name=systemd:/\n0::/user/testbed/x\n"));
    }
}
