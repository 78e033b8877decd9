//! What other tools do for a partition, replayed by argv inside the lab: the sequence of the common one, and the
//! batches that it could have used.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::kernel::lab::{DEVICE, Namespace};

/// The name of the set and of the chains.
const NAME: &str = "bench";

/// The chains and rules around a set, as Chaos Mesh makes them; `old` is the set's name until it is renamed.
const AROUND: &[&[&str]] = &[
    &["iptables", "-w", "-N", "CHAOS-INPUT"],
    &["iptables", "-w", "-A", "INPUT", "-j", "CHAOS-INPUT"],
    &["iptables", "-w", "-N", "CHAOS-OUTPUT"],
    &["iptables", "-w", "-A", "OUTPUT", "-j", "CHAOS-OUTPUT"],
    &["iptables", "-w", "-N", "INPUT/bench"],
    &["iptables", "-w", "-A", "CHAOS-INPUT", "-j", "INPUT/bench"],
    &["iptables", "-w", "-A", "INPUT/bench", "-i", DEVICE, "-m", "set", "--match-set", NAME, "src", "-j", "DROP"],
    &["iptables", "-w", "-N", "OUTPUT/bench"],
    &["iptables", "-w", "-A", "CHAOS-OUTPUT", "-j", "OUTPUT/bench"],
    &["iptables", "-w", "-A", "OUTPUT/bench", "-o", DEVICE, "-m", "set", "--match-set", NAME, "dst", "-j", "DROP"],
];

/// Processes of the sequence beside those that add an address each.
pub(super) const FIXED: usize = AROUND.len() + 2;

/// One process for each address. Shorter than the real tool's, which starts 35 around it and enters the namespace anew
/// for each.
pub(super) fn sequence(namespace: &Namespace, addresses: &[String]) -> Result<Duration> {
    namespace.run(|| {
        let began = Instant::now();
        tool(&["ipset", "create", "benchold", "hash:net", "family", "inet"])?;
        for address in addresses {
            tool(&["ipset", "add", "benchold", &format!("{address}/32")])?;
        }
        tool(&["ipset", "rename", "benchold", NAME])?;
        for args in AROUND {
            tool(args)?;
        }
        Ok(began.elapsed())
    })
}

/// One `ipset restore`, and one `iptables-restore` with two rules.
pub(super) fn set_batch(namespace: &Namespace, addresses: &[String]) -> Result<Duration> {
    let mut set = format!("create {NAME} hash:net family inet maxelem 65536\n");
    for address in addresses {
        writeln!(set, "add {NAME} {address}")?;
    }
    let rules = format!(
        "*filter\n-A INPUT -i {DEVICE} -m set --match-set {NAME} src -j DROP\n-A OUTPUT -o {DEVICE} -m set --match-set \
         {NAME} dst -j DROP\nCOMMIT\n"
    );
    namespace.run(|| {
        let began = Instant::now();
        fed(&["ipset", "restore"], &set)?;
        fed(&["iptables-restore", "--noflush"], &rules)?;
        Ok(began.elapsed())
    })
}

/// One `iptables-restore` with two rules for each address.
pub(super) fn rule_batch(namespace: &Namespace, addresses: &[String]) -> Result<Duration> {
    let mut rules = "*filter\n".to_owned();
    for address in addresses {
        writeln!(rules, "-A INPUT -i {DEVICE} -s {address} -j DROP\n-A OUTPUT -o {DEVICE} -d {address} -j DROP")?;
    }
    rules.push_str("COMMIT\n");
    namespace.run(|| {
        let began = Instant::now();
        fed(&["iptables-restore", "--noflush"], &rules)?;
        Ok(began.elapsed())
    })
}

/// Takes all of them away again.
pub(super) fn clear(namespace: &Namespace) -> Result<()> {
    namespace.run(|| {
        for args in [&["iptables", "-w", "-F"][..], &["iptables", "-w", "-X"], &["ipset", "destroy"]] {
            tool(args)?;
        }
        Ok(())
    })
}

fn tool(args: &[&str]) -> Result<()> {
    fed(args, "")
}

/// Runs a tool with this on its standard input.
fn fed(args: &[&str], input: &str) -> Result<()> {
    let (program, args) = args.split_first().context("no program")?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("start {program}; is it installed?"))?;
    child.stdin.take().context("no input")?.write_all(input.as_bytes()).or_else(|error| {
        // A tool that takes no input may end before it is closed.
        if input.is_empty() { Ok(()) } else { Err(error) }
    })?;
    let output = child.wait_with_output().with_context(|| format!("wait for {program}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}: {}", args.join(" "), output.status, errors.trim());
    Ok(())
}
