//! A partition from many addresses, beside what tools do for the same.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rumpus_agent::kernel::netns::NetNs;
use rumpus_agent::kernel::nft::{self, TableName, Wiring};
use rumpus_agent::kernel::timer::boottime;
use rumpus_model::change::{Change, Filter};
use rumpus_model::injection::Attestation;
use rumpus_model::plan::Plan;

use super::host::Host;
use super::peers;
use super::site::Site;
use super::stats::{Samples, show, times};
use super::supervise::progress;
use super::table::Row;
use crate::kernel::lab::{DEVICE, Lab};

/// How many addresses, and how often our own and the tools' batches are measured.
const SIZES: &[(u32, usize)] = &[(1, 20), (100, 20), (1_000, 15), (10_000, 7)];

/// The sequence of one process per address goes no further: it would take 20 s.
const LONGEST_SEQUENCE: u32 = 1_000;

/// What was measured for one size.
#[derive(Debug, Default)]
struct Measured {
    table: Samples,
    attested: Samples,
    ended: Samples,
    command: Samples,
    sequence: Samples,
    set_batch: Samples,
    rule_batch: Samples,
}

pub(super) fn measure(site: &Site, _toxiproxy: &Path) -> Result<Vec<Row>> {
    let lab = site.lab(0)?;
    let mut host = Host::start(&lab.state_dir().join("agent"), &[])?;
    let mut rows = Vec::new();
    for (size, rounds) in SIZES {
        progress(&format!("partition from {size}"));
        let measured = one_size(&lab, &mut host, *size, *rounds)?;
        rows.extend(measured.rows(*size));
    }
    host.finish();
    site.remove(lab, 0)?;
    Ok(rows)
}

fn one_size(lab: &Lab, host: &mut Host, size: u32, rounds: usize) -> Result<Measured> {
    // Every second address, so that no two can be merged into one network.
    let addresses: Vec<String> = (0..size).map(|n| format!("10.80.{}.{}", n * 2 / 256, n * 2 % 256)).collect();
    let policy = policy(lab.target().name(), &addresses);
    let file = lab.state_dir().join("partition.yaml");
    fs::write(&file, &policy).with_context(|| format!("write {}", file.display()))?;
    let mut measured = Measured::default();
    for round in 0..rounds {
        let plan = host.plan(&policy)?;
        measured.table.push(table(lab, &plan)?);
        let cycle = host.cycle(&plan)?;
        measured.attested.push(cycle.in_effect);
        measured.ended.push(cycle.ended);
        measured.set_batch.push(peers::set_batch(lab.target(), &addresses)?);
        peers::clear(lab.target())?;
        measured.rule_batch.push(peers::rule_batch(lab.target(), &addresses)?);
        peers::clear(lab.target())?;
        if round < 5 {
            measured.command.push(command(lab, &file)?);
        }
        if round < 3 && size <= LONGEST_SEQUENCE {
            measured.sequence.push(peers::sequence(lab.target(), &addresses)?);
            peers::clear(lab.target())?;
        }
    }
    Ok(measured)
}

/// Makes and deletes the table alone, without an agent.
fn table(lab: &Lab, plan: &Plan) -> Result<Duration> {
    let changes = plan.targets.first().context("a plan without a target")?.changes(&plan.fault);
    let filter: &Filter = changes
        .iter()
        .find_map(|change| match change {
            Change::Filter(filter) => Some(filter),
            Change::DelayLinks(_) | Change::DelayWorker(_) | Change::KillContainer | Change::Signal(_) => None,
        })
        .context("a partition without a filter")?;
    let name = TableName { instance: 0xbe0c_4be0, id: 1 };
    let wiring = Wiring { devices: vec![DEVICE.to_owned()], ..Wiring::default() };
    let netns = NetNs::open(lab.target().path())?;
    let took = netns.enter(|| {
        let began = Instant::now();
        nft::create(&name, "bench", filter, &wiring, boottime() + Duration::from_secs(60))?;
        let took = began.elapsed();
        nft::delete(&name, nft::families(filter.hook)).map(|()| took)
    })??;
    Ok(took)
}

/// Runs the whole command and returns the time from its start until the fault is in effect.
fn command(lab: &Lab, file: &Path) -> Result<Duration> {
    let file = file.to_str().context("a path that is not text")?;
    let order = lab.rumpus(&["run", file, "--arm"]).state_dir(&lab.state_dir().join("command"));
    let began = boottime();
    let ended = order.in_effect(1)?.interrupt()?;
    let said = ended.attestations()?.into_iter().next().context("the run attests nothing")?;
    let said: Attestation = serde_json::from_value(said).context("read an attestation")?;
    Ok(said.in_effect.context("the run was never in effect")?.saturating_sub(began))
}

impl Measured {
    fn rows(&self, size: u32) -> Vec<Row> {
        let addresses = if size == 1 { "1 address".to_owned() } else { format!("{size} addresses") };
        let ours = self.attested.median();
        let peer = |samples: &Samples| format!("{} ({})", show(samples.median()), times(samples.median(), ours));
        let mut said = Vec::new();
        if self.sequence.count() > 0 {
            let processes = peers::FIXED + usize::try_from(size).unwrap_or_default();
            said.push(format!("Chaos Mesh's sequence, {processes} processes: {}", peer(&self.sequence)));
        }
        said.push(format!("`ipset restore` + `iptables-restore`: {}", peer(&self.set_batch)));
        said.push(format!("`iptables-restore` of {} rules: {}", 2 * size, peer(&self.rule_batch)));
        let goal = if size == 1_000 { "< 10 ms" } else { "" };
        let attested = Row::new(format!("partition from {addresses}: accepted → read back from the kernel"));
        vec![
            attested.times(&self.attested).peers(said.join("; ")).goal(goal),
            Row::new(format!("… the kernel's part alone: one transaction, {addresses}")).times(&self.table),
            Row::new(format!("… asked to end → effect ended, {addresses}")).times(&self.ended),
            Row::new(format!("… start of the process `rumpus run` → in effect, {addresses}")).times(&self.command),
        ]
    }
}

fn policy(netns: &str, addresses: &[String]) -> String {
    format!(
        "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: bench}}\nspec:\n  experiment:\n    \
         targets: {{netns: {{names: [{netns}]}}}}\n    pick: {{all: true}}\n    faults:\n    - partition: {{how: Drop, \
         direction: Both, peers: {{addresses: [{}]}}}}\n    duration: 60s\n    steadyState: {{none: {{reason: bench}}}}\n",
        addresses.join(", ")
    )
}
