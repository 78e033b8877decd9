//! The agent of a node in a cluster, put together: the reconciler on its own threads, and one thread with an async
//! runtime that speaks with the API server and carries notes between the two.
//!
//! Nothing here decides: the desk does, and the reconciler.

mod ground;
mod notes;
mod reading;
pub mod reports;
mod serve;
mod wall;

pub use ground::Ground;
pub use notes::{Inbox, Stopper};

use super::ceilings::Ceilings;
use super::desk::{Desk, Kept};
use super::diary::{ClusterDiary, Entries, Told};
use super::node::Node;
use crate::core::Record;
use crate::driver::{Agent, Parts};
use crate::journal::{FILE, Journal, JournalError};
use crate::kernel::proc::ProcError;
use crate::resolve::chain;
use crate::state_dir::{StateDir, StateDirError};
use crate::worker::spawn::SpawnError;
use notes::Bridge;
use rumpus_cluster::{ConnectError, in_cluster, kubeconfig};
use rumpus_model::engine::Engine;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The shortest time limit of a call.
const SHORTEST_LIMIT: Duration = Duration::from_millis(500);

/// What an agent is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's name.
    pub node: String,
    /// The release namespace: the Lease and the canary are in it.
    pub namespace: String,
    pub state_dir: PathBuf,
    /// Where the readiness file is written.
    pub run_dir: PathBuf,
    /// The kubelet's log directories.
    pub pod_logs: PathBuf,
    /// How long a fault may live without contact, at most.
    pub lease: Duration,
    pub ceilings: Ceilings,
    /// Engines that count as missing although the kernel may have them.
    pub without: BTreeSet<Engine>,
    /// `None`: the pod's service account.
    pub kubeconfig: Option<PathBuf>,
    pub version: &'static str,
}

/// Why there is no agent.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("find the API server")]
    Connect(#[from] ConnectError),
    #[error("open the journal")]
    Journal(#[from] JournalError),
    #[error("read what this process is")]
    Proc(#[from] ProcError),
    #[error("make directory {}", path.display())]
    RunDir { path: PathBuf, source: io::Error },
    #[error("start the runtime")]
    Runtime(#[source] io::Error),
    #[error("start workers")]
    Spawner(#[from] SpawnError),
    #[error("use the state directory")]
    StateDir(#[from] StateDirError),
    #[error("start the agent's threads")]
    Threads(#[source] io::Error),
}

/// Runs on this node until it is stopped; call it before any other thread is started. Returns whether everything has
/// ended and was reported.
///
/// # Errors
/// It could not be started.
pub fn run(config: Config, inbox: Inbox) -> Result<bool, AgentError> {
    let dir = StateDir::open(&config.state_dir)?;
    let ground = Ground::of_this_node(&config, &dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("rumpus-look")
        .build()
        .map_err(AgentError::Runtime)?;
    let stopped = runtime.block_on(serve(config, ground, dir, inbox))?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    let done = stopped.finish();
    tracing::info!(done, "ended");
    Ok(done)
}

/// An agent that was stopped, and speaks with nobody any more.
#[derive(Debug)]
pub struct Stopped {
    agent: Agent,
    dir: Arc<StateDir>,
    /// Everything was reported.
    told: bool,
}

impl Stopped {
    /// Waits until its threads have ended. Returns whether everything has ended and was reported.
    pub fn finish(self) -> bool {
        let left = self.agent.finish().iter().any(|a| !a.state.is_final());
        let done = self.told && !left;
        if done && let Err(error) = self.dir.empty() {
            tracing::warn!(error = chain(&error), "the state directory could not be emptied");
        }
        done
    }
}

/// Runs on a ground until it is stopped, within a runtime.
///
/// # Errors
/// It could not be started.
pub async fn serve(config: Config, ground: Ground, dir: StateDir, inbox: Inbox) -> Result<Stopped, AgentError> {
    std::fs::create_dir_all(&config.run_dir)
        .map_err(|source| AgentError::RunDir { path: config.run_dir.clone(), source })?;
    let dir = Arc::new(dir);
    let fresh = !dir.path().join(FILE).exists();
    let (journal, found) = Journal::<Record>::open(dir.as_ref())?;
    let fresh = fresh || found.damage.is_some();
    let entries = Entries::of(found.records);
    let (kept, recovered, told) = (Kept { fresh, ..entries.kept() }, entries.live(), Told::default());
    let limit = (config.lease / 5).max(SHORTEST_LIMIT);
    let bridge = Bridge { sender: inbox.sender.clone(), patience: limit.saturating_mul(3) };
    let cluster = match &config.kubeconfig {
        Some(file) => kubeconfig(Some(file), None, limit).await?.0,
        None => in_cluster(limit)?,
    };
    let parts = Parts {
        lease: config.lease,
        boot_id: ground.boot_id.clone(),
        hands: ground.hands,
        lever: Arc::new(bridge.clone()),
        tick: None,
        diary: Box::new(ClusterDiary::new(journal, entries, told.clone(), Some(Arc::clone(&dir)))),
        witness: Box::new(bridge),
        recovered,
    };
    let agent = Agent::start(parts).map_err(AgentError::Threads)?;
    let node = Node::new(ground.boot_id, config.version, &ground.engines, ground.blind.as_deref());
    let desk = Desk::new(config.node.clone(), config.ceilings.clone(), kept);
    tracing::info!(node = config.node, instance = dir.instance(), damage = ?found.damage, "started");
    let serve = serve::Serve::new(config, cluster, agent, desk, node, ground.finder, told, inbox.sender);
    let (agent, told) = serve.until_stopped(inbox.queue).await;
    Ok(Stopped { agent, dir, told })
}
