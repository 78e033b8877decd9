//! Measures a real cluster that runs on this machine, from the request to the packet. Nothing passes or fails by a time.
//!
//! ```text
//! supervise (a process for the run, sweeps behind it) -> sections, one file each -> table (Markdown)
//!                                                          |
//!                    site (namespaces, sweep), shop (pods, runs), crowd (fifty pods), pair (one round)
//!                    api (calls)   audit, hops (instants of calls)   probe, trace (datagrams)   parts (memory)
//! ```
//! A section that cannot measure says why in its row and makes the run fail; it never prints a number instead.

mod api;
mod audit;
mod crowd;
mod fifty;
mod fleet;
mod halt;
mod hops;
mod kill;
mod memory;
mod pair;
mod parts;
mod probe;
mod run;
mod shop;
mod site;
mod trace;
mod trial;
mod writes;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use tokio::runtime::{Builder, Runtime};

use super::supervise::{Ended, progress, to_its_end};
use super::table::{Row, Table};
use api::Api;
use site::Site;

/// A run takes about ten minutes on two cores.
const LIMIT: Duration = Duration::from_secs(3600);

/// Heading of the column of the peers: theirs are of another day.
const PEERS: &str = "peers, measured 2026-11-23 on the same kind of testbed, not in this run";

/// What to measure a cluster with; `RUMPUS_KUBECONFIG` names the administrator's access to it.
#[derive(Debug, Args)]
pub struct Options {
    /// The API server's audit log
    #[arg(long, env = "RUMPUS_AUDIT_LOG", value_name = "FILE")]
    audit: PathBuf,
    /// The most rounds of any section; most take fewer by themselves
    #[arg(long, default_value_t = 200, value_parser = rounds)]
    rounds: usize,
    /// How many pods of others the controller is weighed beside
    #[arg(long, default_value_t = 10_000, value_name = "COUNT")]
    pods: usize,
    /// How many nodes without kubelets there are in `fleet`, each with an agent of this process
    #[arg(long, default_value_t = 100, value_name = "COUNT")]
    agents: usize,
    /// Others use the cluster: halt only the bench's own namespace instead of everything
    #[arg(long)]
    shared: bool,
    /// Also write the table here
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Measure only sections whose name contains this: run, writes, kill, halt, fifty, memory, fleet
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Name part of everything that is made; the supervisor sets it
    #[arg(long, hide = true)]
    id: Option<String>,
}

/// The sections, in the order of the table.
const SECTIONS: [(&str, Section); 7] = [
    ("run", Section::Run),
    ("writes", Section::Writes),
    ("kill", Section::Kill),
    ("halt", Section::Halt),
    ("fifty", Section::Fifty),
    ("memory", Section::Memory),
    ("fleet", Section::Fleet),
];

/// A part of the table.
#[derive(Debug, Clone, Copy)]
enum Section {
    Run,
    Writes,
    Kill,
    Halt,
    Fifty,
    Memory,
    Fleet,
}

impl Section {
    async fn measure(self, site: &Site<'_>) -> Result<Vec<Row>> {
        match self {
            Self::Run => run::measure(site).await,
            Self::Writes => writes::measure(site).await,
            Self::Kill => kill::measure(site).await,
            Self::Halt => halt::measure(site).await,
            Self::Fifty => fifty::measure(site).await,
            Self::Memory => memory::measure(site).await,
            Self::Fleet => fleet::measure(site).await,
        }
    }
}

/// Measures everything and prints the table; false if something could not be measured.
///
/// # Errors
/// If the run cannot be started, cleaned up or written down.
pub fn run(options: &Options) -> Result<bool> {
    match &options.id {
        None => supervised(options),
        Some(id) => runtime()?.block_on(sections(options, id)),
    }
}

/// Runs the bench once more as a child, and removes everything of it when it has ended.
fn supervised(options: &Options) -> Result<bool> {
    let id = format!("bench-{}", std::process::id());
    let mut command = Command::new(std::env::current_exe().context("find this binary")?);
    command.args(["cluster-bench", "--id", &id]).arg("--audit").arg(&options.audit);
    command.args(["--rounds", &options.rounds.to_string(), "--pods", &options.pods.to_string()]);
    command.args(["--agents", &options.agents.to_string()]);
    if options.shared {
        command.arg("--shared");
    }
    if let Some(out) = &options.out {
        command.arg("--out").arg(out);
    }
    if let Some(only) = &options.only {
        command.args(["--only", only]);
    }
    let ended = to_its_end(&mut command, LIMIT)?;
    progress("removes what it made");
    let swept = runtime()?.block_on(async { site::sweep(&Api::administrator().await?, &id, None).await });
    let left = fleet::sweep(&id);
    swept.with_context(|| format!("remove everything named {id}-…"))?;
    left?;
    match ended {
        Ended::Itself(whole) => Ok(whole),
        Ended::Broken(why) => bail!("the bench {why}; what it made is removed"),
    }
}

async fn sections(options: &Options, id: &str) -> Result<bool> {
    let wanted = |name: &str| options.only.as_deref().is_none_or(|text| name.contains(text));
    let site = Site::open(options, id).await?;
    let (mut table, mut whole) = (Table::begin(PEERS)?, true);
    for (name, section) in SECTIONS.iter().filter(|(name, _)| wanted(name)) {
        progress(&format!("measures {name}"));
        let rows = undisturbed(*section, &site).await;
        let cleared = site.clear().await.context("remove what it made");
        match rows {
            Ok(rows) => table.add(rows),
            Err(error) => {
                progress(&format!("{name}: {error:#}"));
                whole = false;
                table.add(vec![Row::new(*name).value(format!("could not be measured: {error:#}"))]);
            }
        }
        if let Err(error) = cleared {
            // The next section would meet it.
            whole = false;
            table.add(vec![Row::new(format!("after {name}")).value(format!("given up: {error:#}"))]);
            break;
        }
    }
    table.finish(options.out.as_deref())?;
    Ok(whole)
}

/// Measures a section; what was measured while a part of Rumpus was started again does not count.
async fn undisturbed(section: Section, site: &Site<'_>) -> Result<Vec<Row>> {
    let before = parts::containers(&site.api).await?;
    let rows = section.measure(site).await?;
    ensure!(parts::containers(&site.api).await? == before, "a part of Rumpus was started again meanwhile");
    Ok(rows)
}

fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("start a runtime")
}

fn rounds(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("nothing is measured in no round".to_owned()),
        Ok(rounds) => Ok(rounds),
        Err(error) => Err(format!("{text}: {error}")),
    }
}
