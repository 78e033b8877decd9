//! Two agents: never both on one state directory, and never at each other's tables.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use rumpus_agent::kernel::timer::boottime;
use rustix::process::Signal;

use super::child::{cleaned, dead, expect_killed, poll};
use crate::kernel::lab::{Lab, address};
use crate::kernel::probe::Probe;

/// The second one refuses and names the first; the first does not notice.
pub(super) fn one_state_dir(lab: &Lab) -> Result<()> {
    let before = lab.snapshot()?;
    let first = lab.fault("partition", &["--direction", "Both", "--for", "30s"]).in_effect(1)?;
    let second = lab.fault("loss", &["--direction", "Both", "--loss", "50", "--for", "1s"]).run()?.expect(3)?;
    let pid = format!("pid {}", first.pid());
    ensure!(second.err.contains(&pid), "the refusal does not name {pid}:\n{}", second.err);
    first.interrupt()?.expect(130)?;
    lab.expect_unchanged(&before)
}

/// Two agents with a directory each do not see each other's faults as theirs: one ends, the other's stays.
pub(super) fn two_state_dirs(lab: &Lab) -> Result<()> {
    let before = lab.snapshot()?;
    let other = lab.state_dir().join("other");
    let result = (|| -> Result<()> {
        let peer = |address: std::net::IpAddr| address.to_string();
        let first = lab
            .fault("partition", &["--direction", "Both", "--for", "30s", "--peer", &peer(address::PEER_V4)])
            .in_effect(1)?;
        let second = lab
            .fault("partition", &["--direction", "Both", "--for", "30s", "--peer", &peer(address::OTHER_V4)])
            .state_dir(&other)
            .in_effect(1)?;
        second.interrupt()?.expect(130)?;
        let probe = Probe::begin(lab, None)?;
        let since = boottime();
        probe.hit_since(since, lab.patience()).context("the first fault, after the second one was put back")?;
        first.interrupt()?.expect(130)?;
        Ok(())
    })();
    removed(&other)?;
    result?;
    lab.expect_unchanged(&before)
}

/// What a dead instance left is another's to report, and its own to sweep.
pub(super) fn residue_of_another(lab: &Lab) -> Result<()> {
    let before = lab.snapshot()?;
    let other = lab.state_dir().join("other");
    let result = (|| -> Result<()> {
        let dying = lab.fault("partition", &["--direction", "Both", "--for", "30s"]).state_dir(&other).in_effect(1)?;
        dying.signal(Signal::KILL)?;
        dead(lab, &dying)?;
        expect_killed(&dying.wait()?)?;
        let table = poll(lab, "a table", || {
            Ok(lab.target().tool("nft", &["list", "tables"])?.lines().next().map(str::to_owned))
        })?;
        let name = table.rsplit(' ').next().context("a table without a name")?.to_owned();
        // An agent of another instance starts, sweeps what is its own, and ends.
        let beside =
            lab.rumpus(&["run", "kill", "--arm", "--signal", "KILL", "--name", "no-such-name"]).run()?.expect(4)?;
        ensure!(!beside.err.contains("swept:"), "it swept what is not its own:\n{}", beside.err);
        let residue = lab.rumpus(&["residue"]).run()?.expect(5)?;
        ensure!(residue.out.contains(&name), "{name} is not reported:\n{}", residue.out);
        let still = lab.target().tool("nft", &["list", "tables"])?;
        ensure!(still.contains(&name), "{name} is gone: a report took it away");
        cleaned(lab.rumpus(&["residue", "--clean"]).state_dir(&other))?;
        Ok(())
    })();
    removed(&other)?;
    result?;
    lab.expect_unchanged(&before)
}

fn removed(path: &std::path::Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("remove a state directory"),
        Ok(()) | Err(_) => Ok(()),
    }
}
