//! From the POST of a run to the end of a container's first process, as a descriptor of it shows.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use rumpus_agent::kernel::timer::boottime;
use serde_json::{Value, json};

use super::api::until;
use super::shop::{Shop, Wanted};
use super::site::Site;
use crate::bench::stats::Samples;
use crate::bench::table::Row;
use crate::live::objects::experiment;
use crate::live::pod::Pod;

const ROUNDS: usize = 20;

/// How long a victim may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let container = times(site, "container", &json!({ "kill": { "container": true } })).await?;
    let process = times(site, "process", &json!({ "kill": { "signal": "KILL" } })).await?;
    Ok(vec![
        Row::new("POST of a run → the container's first process has ended (`kill`, whole container, fresh pods)")
            .times(&container)
            .peers("Chaos Mesh container-kill 55 ms (52 to 175, n 6)")
            .goal("median 50 ms, p99 150 ms"),
        Row::new("the same by `kill` with SIGKILL to the first process").times(&process),
    ])
}

/// Kills each of as many pods as there are rounds. None is started again, so that no restart delays the next. The first
/// one of each node comes before these and does not count: an agent that has just begun does something once.
async fn times(site: &Site<'_>, part: &str, fault: &Value) -> Result<Samples> {
    let rounds = site.rounds(ROUNDS);
    super::progress(&format!("kills {rounds} times: {part}"));
    let shop = site.shop(&format!("kill-{part}")).await?;
    let names: Vec<String> = (0..rounds + site.nodes.len()).map(|number| format!("victim-{number}")).collect();
    let victim = |(number, name)| Wanted { name, app: name, node: site.node(number), restarts: "Never" };
    let wanted: Vec<Wanted<'_>> = names.iter().map(String::as_str).enumerate().map(victim).collect();
    let mut samples = Samples::default();
    for (number, pod) in shop.start(&wanted).await?.iter().enumerate() {
        let took = once(&shop, pod, fault).await.with_context(|| format!("kill {}", pod.name))?;
        if number >= site.nodes.len() {
            samples.push(took);
        }
    }
    Ok(samples)
}

async fn once(shop: &Shop, pod: &Pod, fault: &Value) -> Result<Duration> {
    let victim = pod.first_process(&shop.container(pod).await?)?;
    ensure!(!victim.ends_within(Duration::ZERO)?, "it has ended before");
    let watch = thread::spawn(move || anyhow::Ok(victim.ends_within(PATIENCE)?.then(boottime)));
    let (created, run) = shop.run(&pod.name, &experiment(&pod.name, fault, None)).await?;
    // Nothing is asked of the API server before the process has ended.
    let ended = until(PATIENCE, "the process has ended", async || Ok(watch.is_finished())).await;
    run.explained(ended).await?;
    run.over().await?;
    let ended = watch.join().map_err(|_panic| anyhow!("the watch of a process panicked"))??;
    let ended = ended.context("the process lives on")?;
    ensure!(ended >= created.boot, "it ended before the run was asked for");
    run.delete().await?;
    run.gone().await?;
    Ok(ended.saturating_sub(created.boot))
}
