//! Says what of the testbed runs, since when, and whether it is healthy.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::control_plane::{self, PARTS};
use super::dns;
use super::folder::Folder;
use super::install;
use super::network::Node;
use super::node;
use super::part::{self, Part};
use super::programs::Programs;

/// Clock ticks a second in `/proc/PID/stat`: USER_HZ, which Linux fixes on x86-64 and arm64.
const TICKS: u64 = 100;

/// One line of the table.
#[derive(Debug)]
struct Line {
    part: String,
    running: Option<Part>,
    health: Result<()>,
}

/// Prints the table and returns whether all of the testbed is as it should be.
pub(crate) fn print(folder: &Folder, programs: &Programs) -> Result<bool> {
    let lines = look(folder, programs)?;
    let uptime = uptime()?;
    println!("   component                     pid healthy  since");
    for line in &lines {
        let (pid, since) = match &line.running {
            Some(part) => (part.pid.to_string(), age(uptime, part.started)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let health = if line.health.is_ok() { "yes" } else { "NO" };
        println!("   {:<24} {pid:>8} {health:<8} {since}", line.part);
        if let Err(error) = &line.health {
            println!("      {error:#}");
        }
    }
    Ok(lines.iter().all(|line| line.health.is_ok()))
}

fn look(folder: &Folder, programs: &Programs) -> Result<Vec<Line>> {
    let parts = part::all()?;
    // The oldest process of a part is the part; the others are its children.
    let oldest = |name: &str| parts.iter().find(|part| part.name == name).cloned();
    let mut lines = Vec::new();
    for name in PARTS {
        let health = control_plane::is_healthy(folder, programs, name);
        lines.push(Line { part: name.to_owned(), running: oldest(name), health });
    }
    let ready = node::ready(folder, programs);
    for node in Node::ALL {
        let name = node.name();
        let health = match &ready {
            Ok(ready) if ready.contains(&name) => Ok(()),
            Ok(_) => Err(anyhow::anyhow!("the API server says it is not ready")),
            Err(_) => Err(anyhow::anyhow!("the API server does not say")),
        };
        lines.push(Line { running: oldest(&name), part: name.clone(), health });
        for inner in ["containerd", "kubelet", "kube-proxy"] {
            let name = format!("{name}/{inner}");
            let running = oldest(&name);
            let health = running
                .as_ref()
                .map(|_| ())
                .with_context(|| format!("does not run; see {}", folder.log(&name).display()));
            lines.push(Line { part: name, running, health });
        }
    }
    lines.push(Line { part: "coredns".to_owned(), running: None, health: dns::is_available(folder, programs) });
    lines.push(Line { part: "rumpus".to_owned(), running: None, health: install::is_ready(folder, programs) });
    Ok(lines)
}

/// Seconds since the machine's start.
fn uptime() -> Result<u64> {
    let text = fs::read_to_string("/proc/uptime").context("read the uptime")?;
    let whole = text.split('.').next().and_then(|seconds| seconds.parse().ok());
    whole.context("an odd uptime")
}

fn age(uptime: u64, started: u64) -> String {
    let age = Duration::from_secs(uptime.saturating_sub(started / TICKS)).as_secs();
    format!("{} h {:02} min {:02} s ago", age / 3600, age / 60 % 60, age % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_counted_from_the_start_of_the_process() {
        assert_eq!(age(4000, 30_000), "1 h 01 min 40 s ago");
        assert_eq!(age(1, 99_999), "0 h 00 min 00 s ago");
    }
}
