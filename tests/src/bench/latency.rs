//! How long a delay takes until it is verified, on one network namespace, for each engine.

use std::path::Path;

use anyhow::Result;
use rumpus_model::engine::Engine;

use super::host::Host;
use super::site::Site;
use super::stats::{Samples, show};
use super::table::Row;

const ROUNDS: usize = 100;

const GOAL: &str = "< 5 ms";

pub(super) fn measure(site: &Site, _toxiproxy: &Path) -> Result<Vec<Row>> {
    let lab = site.lab(0)?;
    let policy = policy(lab.target().name());
    let mut rows = Vec::new();
    for (engine, other) in [(Engine::Nfqueue, Engine::Netem), (Engine::Netem, Engine::Nfqueue)] {
        let what = format!("latency on one netns, engine {engine}: accepted → read back from the kernel");
        let mut host = Host::start(&lab.state_dir().join(engine.name()), &["--without-engine", other.name()])?;
        let plan = host.plan(&policy)?;
        if !plan.refusals.is_empty() {
            host.finish();
            rows.push(Row::new(what).value(format!("no {engine} on this kernel")).goal(GOAL));
            continue;
        }
        let (mut effect, mut ended, mut clean) = (Samples::default(), Samples::default(), Samples::default());
        for _round in 0..ROUNDS {
            let plan = host.plan(&policy)?;
            let cycle = host.cycle(&plan)?;
            effect.push(cycle.in_effect);
            ended.push(cycle.ended);
            clean.push(cycle.clean);
        }
        host.finish();
        let no_peer = "the usual peer's command needs netem: none where the kernel has none";
        rows.push(Row::new(what).times(&effect).goal(GOAL).peers(no_peer));
        let back =
            format!("the same: asked to end → effect ended, read back (all clean after {})", show(clean.median()));
        rows.push(Row::new(back).times(&ended));
    }
    site.remove(lab, 0)?;
    Ok(rows)
}

fn policy(netns: &str) -> String {
    format!(
        "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: bench}}\nspec:\n  experiment:\n    \
         targets: {{netns: {{names: [{netns}]}}}}\n    pick: {{all: true}}\n    faults:\n    - latency: {{delay: 5ms, \
         direction: Egress, peers: {{addresses: [10.77.0.2]}}}}\n    duration: 60s\n    \
         steadyState: {{none: {{reason: bench}}}}\n"
    )
}
