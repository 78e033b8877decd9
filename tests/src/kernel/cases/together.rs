//! Faults together: several targets, several policies of a file, two runs on one namespace.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::how::{Effect, How, expect, nothing_left, sent_to, spared};
use crate::kernel::lab::Lab;
use crate::kernel::lab::address::{OTHER_V4, OTHER_V6, PEER_V4, PEER_V6};
use crate::kernel::matrix::Kernel;

/// Two namespaces in one run; each stands alone.
pub(super) fn two_targets_of_one_run_are_both_hit(lab: &Lab, how: &How) -> Result<()> {
    let words = ["--netns", lab.peer().name(), "--direction", "Egress", "--protocol", "UDP"];
    let running = how.order(lab, &["--for", "5m"]).and(&words).in_effect(2)?;
    how.hits(sent_to(lab, PEER_V4))?;
    how.hits(super::how::got_from(lab, PEER_V4))?;
    let ended = running.interrupt()?.expect(130)?;
    let states: Vec<_> = ended.attestations()?.iter().map(|one| one["state"].clone()).collect();
    ensure!(states == ["Restored", "Restored"], "{states:?}");
    nothing_left(lab)?;
    spared(sent_to(lab, PEER_V4))
}

/// Two runs by two agents on one target: when the first one to end has ended, the other's effect is all that is left.
pub(super) fn each_ends_alone(lab: &Lab, first: (&How, &str), second: (&How, &str)) -> Result<()> {
    let before = lab.snapshot()?;
    let start = |number: usize, (how, peer): (&How, &str)| {
        let state = lab.state_dir().join(format!("agent-{number}"));
        how.order(lab, &["--for", "5m", "--direction", "Egress", "--peer", peer]).state_dir(&state).in_effect(1)
    };
    let alone = |(how, peer): (&How, &str)| -> Result<()> {
        let address = peer.parse().with_context(|| format!("{peer} is no address"))?;
        how.hits(sent_to(lab, address))?;
        let others = [PEER_V4, OTHER_V4, PEER_V6, OTHER_V6].into_iter().filter(|other| *other != address);
        others.map(|other| sent_to(lab, other)).try_for_each(|flow| spared(flow))
    };
    // Under emulation one order has to do: which one, the caller says by which fault comes first.
    let orders: &[(usize, usize)] = match lab.settings().kernel {
        Kernel::Host => &[(0, 1), (1, 0)],
        Kernel::Qemu => &[(0, 1)],
    };
    for (ends, stays) in orders.iter().copied() {
        let faults = [first, second];
        let mut runs = [Some(start(0, first)?), Some(start(1, second)?)];
        // Where both want the same peer, a drop is what shows.
        if first.1 == second.1 {
            expect(sent_to(lab, first.1.parse().context("no address")?), Effect::Dropped)?;
        } else {
            for (how, peer) in faults {
                how.hits(sent_to(lab, peer.parse().context("no address")?))?;
            }
        }
        for (number, still) in [(ends, Some(faults[stays])), (stays, None)] {
            runs[number].take().context("it has ended")?.interrupt()?.expect(130)?;
            if let Some(still) = still {
                alone(still)?;
            }
        }
        spared(sent_to(lab, PEER_V4))?;
    }
    lab.expect_unchanged(&before)
}

/// Writes a file of two policies for the same namespace.
fn two_policies(lab: &Lab, faults: [(&str, &str); 2]) -> Result<String> {
    let mut text = String::new();
    for (number, (fault, peer)) in faults.into_iter().enumerate() {
        text += &format!(
            "---\napiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: policy-{number}}}\nspec:\n  \
             experiment:\n    targets: {{netns: {{names: [{name}]}}}}\n    pick: {{all: true}}\n    faults:\n    \
             - {fault}, direction: Egress, peers: {{addresses: [\"{peer}\"]}}}}\n    duration: 5m\n    \
             steadyState: {{none: {{reason: a test}}}}\n",
            name = lab.target().name(),
        );
    }
    let path = lab.state_dir().join("two.yaml");
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(path.display().to_string())
}

fn in_yaml(how: &How) -> &'static str {
    match (how.effect(), how.words.is_empty()) {
        (Effect::Delayed, _) => "latency: {delay: 100ms",
        (Effect::Dropped | Effect::None, true) => "partition: {how: Drop",
        (Effect::Dropped | Effect::None, false) => "loss: {percent: 100",
    }
}

/// Two policies in one file run side by side, each on its own peers.
pub(super) fn two_policies_of_a_file_run_side_by_side(lab: &Lab, how: &How) -> Result<()> {
    let file = two_policies(lab, [(in_yaml(how), "10.77.0.2"), (in_yaml(how), "fd77::3")])?;
    let running = lab.rumpus(&["run", &file, "--arm"]).and(how.only()).in_effect(2)?;
    how.hits(sent_to(lab, PEER_V4))?;
    how.hits(sent_to(lab, OTHER_V6))?;
    spared(sent_to(lab, OTHER_V4))?;
    spared(sent_to(lab, PEER_V6))?;
    let ended = running.interrupt()?.expect(130)?;
    ensure!(ended.attestations()?.len() == 2, "two policies were to be attested:\n{}", ended.out);
    nothing_left(lab)
}

/// Delays over the same peers are refused by name, and nothing of them is done.
pub(super) fn overlapping_delays_are_refused(lab: &Lab, how: &How) -> Result<()> {
    // A snapshot would also show how the first one's gate is renewed.
    let objects = || -> Result<String> {
        let target = lab.target();
        Ok(target.tool("nft", &["list", "tables"])? + &target.tool("ip", &["-brief", "link", "show"])?)
    };
    let clean = objects()?;
    let file = two_policies(lab, [(in_yaml(how), "10.77.0.0/24"), (in_yaml(how), "10.77.0.3")])?;
    let ended = lab.rumpus(&["run", &file, "--arm"]).and(how.only()).run()?.expect(3)?;
    let report = ended.report()?;
    let refused = report.pointer("/plans/1/refusals/0").context("the second policy was not refused")?.to_string();
    ensure!(refused.to_lowercase().contains("delayoverlaps") && refused.contains("policy-0"), "{refused}");
    ensure!(ended.attestations()?.is_empty(), "something was injected:\n{}", ended.out);
    ensure!(objects()? == clean, "the refused file changed\n{clean}to\n{}", objects()?);

    let running = how.order(lab, &["--for", "5m", "--direction", "Both", "--peer", "10.77.0.2"]).in_effect(1)?;
    let one = objects()?;
    let words = ["--for", "5m", "--direction", "Egress", "--peer", "10.77.0.0/24"];
    let second = how.order(lab, &words).state_dir(&lab.state_dir().join("second")).run()?.expect(3)?;
    let said = second.report()?.pointer("/plans/0/refusals/0").context("it was not refused")?.to_string();
    ensure!(said.contains("rumpus_"), "the refusal does not name the other table: {said}");
    let after = objects()?;
    ensure!(one == after, "the refused run changed\n{one}to\n{after}");
    how.hits(sent_to(lab, PEER_V4))?;
    spared(sent_to(lab, OTHER_V4))?;
    running.interrupt()?.expect(130)?;
    ensure!(objects()? == clean, "afterwards there is more than\n{clean}:\n{}", objects()?);
    Ok(())
}
