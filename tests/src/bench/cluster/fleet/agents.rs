//! The agents of all nodes, in this process: each the production one but for its kernel, with its own account, its own
//! connections and its own journal. They share one thread for what is asynchronous, as one agent has it for itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rumpus_agent::cluster::ceilings::{ALWAYS_PROTECTED, Ceilings};
use rumpus_agent::cluster::run::{Config, Inbox, Stopper, serve};
use rumpus_agent::state_dir::StateDir;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::super::parts::RELEASE;
use super::kernel::Board;
use super::nodes::Node;

/// The chart's default.
const LEASE: Duration = Duration::from_secs(15);
/// Longest fault, as the chart's default.
const LONGEST: Duration = Duration::from_secs(3600);
/// Agents start one after another: a rollout does not start them all at once either.
const BETWEEN: Duration = Duration::from_millis(10);
/// What all these nodes call their boot.
pub(super) const BOOT: &str = "00000000-0000-4000-8000-000000000000";

/// The running agents.
pub(super) struct Agents {
    stoppers: Vec<Stopper>,
    thread: JoinHandle<Result<usize>>,
}

/// Returns the folder of a bench's agents: in memory, since each real node has a disk of its own.
pub(super) fn folder(id: &str) -> PathBuf {
    Path::new("/dev/shm").join(format!("rumpus-{id}"))
}

impl Agents {
    /// Starts an agent for each node.
    pub(super) fn start(nodes: &[(Node, Board)], folder: &Path) -> Result<Self> {
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).context("read the limit of open files")?;
        setrlimit(Resource::RLIMIT_NOFILE, most, most).context("raise the limit of open files")?;
        let mut all = Vec::new();
        for (node, board) in nodes {
            let own = folder.join(&node.name);
            let config = config(node, &own);
            fs::create_dir_all(&own).with_context(|| format!("make {}", own.display()))?;
            all.push((config, board.ground(BOOT), Inbox::default()));
        }
        let stoppers = all.iter().map(|(_, _, inbox)| inbox.stopper()).collect();
        let thread = std::thread::Builder::new().name("fleet".into()).spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().context("start a runtime")?;
            let stopped = runtime.block_on(async {
                let mut running = JoinSet::new();
                for (config, ground, inbox) in all {
                    running.spawn(async move {
                        let dir = StateDir::open(&config.state_dir)?;
                        anyhow::Ok(serve(config, ground, dir, inbox).await?)
                    });
                    sleep(BETWEEN).await;
                }
                running.join_all().await
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
            let mut bad = 0;
            for one in stopped {
                bad += usize::from(!one?.finish());
            }
            Ok(bad)
        })?;
        Ok(Self { stoppers, thread })
    }

    /// Ends them all; an error if one of them could not end or tell everything.
    pub(super) fn stop(self) -> Result<()> {
        self.stoppers.iter().for_each(Stopper::stop);
        let bad = self.thread.join().map_err(|_panic| anyhow!("the agents' thread panicked"))??;
        anyhow::ensure!(bad == 0, "{bad} agents have not ended or not told everything");
        Ok(())
    }
}

fn config(node: &Node, own: &Path) -> Config {
    let mut protected: BTreeSet<String> = ALWAYS_PROTECTED.map(str::to_owned).into();
    protected.insert(RELEASE.to_owned());
    Config {
        node: node.name.clone(),
        namespace: RELEASE.to_owned(),
        state_dir: own.join("state"),
        run_dir: own.join("run"),
        pod_logs: own.join("logs"),
        lease: LEASE,
        ceilings: Ceilings { protected, own_pod: node.agent.clone(), longest: LONGEST, most: 100 },
        without: BTreeSet::new(),
        kubeconfig: Some(node.kubeconfig.clone()),
        version: env!("CARGO_PKG_VERSION"),
    }
}
