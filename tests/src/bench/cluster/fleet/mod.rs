//! Many nodes: agents of this process, with kernels that are the simulator's, against the real API server and the
//! installed controller. What is measured is everything between a request and the last node's kernel but the kernel.

mod agents;
mod kernel;
mod nodes;

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use self::agents::{Agents, BOOT, folder};
use self::kernel::{Board, Edges};
use self::nodes::Node;
use super::api::{Api, until};
use super::audit::Moment;
use super::halt;
use super::parts::{self, AGENT};
use super::shop::{Shop, Wanted, partition};
use super::site::{Site, name, text};
use crate::bench::stats::{Samples, show};
use crate::bench::table::Row;
use crate::live::api::RUMPUS;

const ROUNDS: usize = 5;

/// How long one step of all of them may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Between two questions about all of them.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Columns {
    /// Of each node.
    begun: Samples,
    all_begun: Samples,
    ended: Samples,
    all_ended: Samples,
    halted: Samples,
    attested: Samples,
}

struct Fleet {
    shop: Shop,
    nodes: Vec<(Node, Board)>,
    agents: Agents,
}

pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let count = site.options.agents;
    let fleet = Fleet::gather(site, count).await?;
    let mut columns = Columns::default();
    let measured = rounds(site, &fleet, &mut columns).await;
    let weights = parts::weigh(&site.api).await;
    let stopped = tokio::task::spawn_blocking(|| fleet.agents.stop()).await.context("wait for the agents")?;
    measured?;
    stopped?;
    let row = |what: String, samples: &Samples| Row::new(what).times(samples);
    let worst = |what: &str, samples: &Samples| Row::new(what).times(samples).p99(show(samples.max()) + " (worst)");
    Ok(vec![
        row(format!("{count} nodes: POST of a run on one pod of each → effect in the node's kernel"), &columns.begun)
            .goal("p99 400 ms at 100 nodes, 6 s at 1,000"),
        worst("… → in effect on the last node", &columns.all_begun),
        Row::new("… DELETE of that run → effect gone").times(&columns.ended),
        worst("… → gone on the last node", &columns.all_ended),
        Row::new("… POST of a Halt of everything → effect gone").times(&columns.halted).goal("p99 150 ms at 1,000"),
        worst("… → every node attests it (audit log)", &columns.attested).goal("3 s at 1,000"),
        Row::new("… resident memory of the controller").value(weights?.controller.show()).count(1),
    ])
}

/// Removes what a bench's agents kept.
pub(super) fn sweep(id: &str) -> Result<()> {
    match std::fs::remove_dir_all(folder(id)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("remove the agents' folders"),
        Ok(()) | Err(_) => Ok(()),
    }
}

async fn rounds(site: &Site<'_>, fleet: &Fleet, columns: &mut Columns) -> Result<()> {
    // What an agent does once, before its first fault, is no part of what is measured.
    run(site, fleet, "first", &mut Columns::default()).await.context("the first run")?;
    for number in 0..site.rounds(ROUNDS) {
        super::progress(&format!("fleet {}", number + 1));
        run(site, fleet, &format!("fleet-{number}"), columns).await.with_context(|| format!("run {number}"))?;
        halted(site, fleet, number, columns).await.with_context(|| format!("halt {number}"))?;
    }
    Ok(())
}

impl Fleet {
    async fn gather(site: &Site<'_>, count: usize) -> Result<Self> {
        let folder = folder(&site.id);
        std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        let shop = site.shop("fleet").await?;
        // The other side of the partition is a real pod.
        shop.start(&[Wanted { name: "db", app: "db", node: site.node(0), restarts: "Always" }]).await?;
        super::progress(&format!("makes {count} nodes that no kubelet knows of"));
        let made = nodes::make(site, &shop, &folder, count).await?;
        let nodes: Vec<(Node, Board)> = made
            .into_iter()
            .map(|node| {
                let board = Board::with(&node.pod, BOOT);
                (node, board)
            })
            .collect();
        super::progress(&format!("starts {count} agents"));
        let agents = Agents::start(&nodes, &folder)?;
        let fleet = Self { shop, nodes, agents };
        let proven = until(PATIENCE, "every agent has proven the rules of admission", async || {
            tokio::time::sleep(LOOK).await;
            let all = site.api.list(&format!("{RUMPUS}/chaosnodes")).await?;
            let prefix = site.named("fleet");
            let ready = |node: &&Value| name(node).starts_with(&prefix) && node["status"]["admission"] == "proven";
            Ok(all.iter().filter(ready).count() == count)
        });
        proven.await?;
        Ok(fleet)
    }

    fn names(&self) -> Vec<String> {
        self.nodes.iter().map(|(node, _)| node.name.clone()).collect()
    }

    async fn touch(&self, api: &Api) -> Result<()> {
        let nodes: Vec<Node> = self.nodes.iter().map(|(node, _)| node.clone()).collect();
        nodes::touch(api, &nodes).await
    }

    fn edges(&self, which: fn(Edges) -> Option<Duration>, since: Duration) -> Vec<Duration> {
        self.nodes.iter().filter_map(|(_, board)| which(board.edges())).map(|at| at.saturating_sub(since)).collect()
    }

    fn forget(&self) {
        self.nodes.iter().for_each(|(_, board)| board.forget());
    }
}

/// One run on every node, from its request until nothing of it is left.
async fn run(site: &Site<'_>, fleet: &Fleet, name: &str, columns: &mut Columns) -> Result<()> {
    fleet.touch(&site.api).await?;
    fleet.forget();
    let (asked, run) = fleet.shop.run(name, &partition("web", "db")).await?;
    run.in_effect().await?;
    let begun = fleet.edges(|edges| edges.begun, asked.boot);
    anyhow::ensure!(begun.len() == fleet.nodes.len(), "in effect on {} of {} nodes", begun.len(), fleet.nodes.len());
    columns.all_begun.push(begun.iter().copied().max().unwrap_or_default());
    columns.begun.extend(begun);
    let deleted = run.delete().await?;
    run.gone().await?;
    let ended = fleet.edges(|edges| edges.ended, deleted.boot);
    anyhow::ensure!(ended.len() == fleet.nodes.len(), "ended on {} of {} nodes", ended.len(), fleet.nodes.len());
    columns.all_ended.push(ended.iter().copied().max().unwrap_or_default());
    columns.ended.extend(ended);
    Ok(())
}

/// A Halt of everything while a run is in effect on every node.
async fn halted(site: &Site<'_>, fleet: &Fleet, number: usize, columns: &mut Columns) -> Result<()> {
    fleet.touch(&site.api).await?;
    fleet.forget();
    let (_, run) = fleet.shop.run(&format!("halted-{number}"), &partition("web", "db")).await?;
    run.in_effect().await?;
    let path = format!("{RUMPUS}/chaoshalts");
    let halt_name = site.named(&format!("fleet-halt-{number}"));
    let scope =
        if site.options.shared { json!({ "namespaces": [fleet.shop.namespace] }) } else { json!({ "all": true }) };
    let object = json!({
        "apiVersion": "rumpus.dev/v1alpha1",
        "kind": "ChaosHalt",
        "metadata": { "name": halt_name },
        "spec": { "scope": scope, "reason": "a bench" },
    });
    let mark = site.audit.mark()?;
    let asked = Moment::now()?;
    let uid = text(&site.api.post(&path, &object).await?["metadata"]["uid"], "the Halt's UID")?;
    let names = fleet.names();
    let all = async |wanted: bool| -> Result<bool> {
        tokio::time::sleep(LOOK).await;
        let nodes = site.api.list(&format!("{RUMPUS}/chaosnodes")).await?;
        let mut ours = nodes.iter().filter(|node| names.contains(&name(node)));
        Ok(ours.all(|node| halt::lists(node, &uid) == wanted))
    };
    until(PATIENCE, "every node attests the Halt", async || all(true).await).await?;
    columns.halted.extend(fleet.edges(|edges| edges.ended, asked.boot));
    let attested = halt::last(&site.audit.since(mark, &[AGENT])?, &names, &uid)?;
    columns.attested.push(attested.saturating_sub(asked.wall));
    site.api.delete(&format!("{path}/{halt_name}")).await?;
    run.over().await?;
    run.delete().await?;
    run.gone().await?;
    until(PATIENCE, "every node forgets the Halt", async || all(false).await).await
}
