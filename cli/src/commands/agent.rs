//! `rumpus agent`: one node's part of a cluster. Flags and their environment variables are what the chart sets.

use crate::args::Global;
use crate::failure::Failure;
use crate::signals;
use clap::ArgAction;
use rumpus_agent::cluster::ceilings::{ALWAYS_PROTECTED, Ceilings};
use rumpus_agent::cluster::ready;
use rumpus_agent::cluster::run::{self, Config, Inbox};
use rumpus_agent::resolve::chain;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// The only place where control groups are looked for.
const CGROUPS: &str = "/sys/fs/cgroup";

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The node's name
    #[arg(long, env = "RUMPUS_NODE_NAME", value_name = "NAME", required_unless_present = "ready")]
    pub node_name: Option<String>,
    /// The release namespace
    #[arg(long, env = "RUMPUS_POD_NAMESPACE", value_name = "NAME", required_unless_present = "ready")]
    pub pod_namespace: Option<String>,
    /// This pod's name
    #[arg(long, env = "RUMPUS_POD_NAME", value_name = "NAME", required_unless_present = "ready")]
    pub pod_name: Option<String>,
    /// This pod's UID: it is never a target
    #[arg(long, env = "RUMPUS_POD_UID", value_name = "UID", required_unless_present = "ready")]
    pub pod_uid: Option<String>,
    /// Namespaces that are never touched; kube-system, kube-public, kube-node-lease and the release's own never are
    #[arg(long, env = "RUMPUS_PROTECTED_NAMESPACES", value_delimiter = ',', value_name = "NAME")]
    pub protected_namespaces: Vec<String>,
    /// The longest that a fault may last here
    #[arg(long, env = "RUMPUS_MAX_DURATION", default_value = "1h", value_parser = rumpus_model::duration::parse)]
    pub max_duration: Duration,
    /// Most faults at a time on this node
    #[arg(long, env = "RUMPUS_MAX_FAULTS", default_value_t = 100)]
    pub max_faults: usize,
    /// Whether nodes may be targets (not built: only `false`)
    #[arg(long, env = "RUMPUS_NODE_TARGETS", default_value_t = false, action = ArgAction::Set)]
    pub node_targets: bool,
    /// The API server's real address, for lock-out rules
    #[arg(long, env = "RUMPUS_API_SERVER", default_value = "", value_name = "HOST:PORT")]
    pub api_server: String,
    /// Where the readiness file is written
    #[arg(long, env = "RUMPUS_RUN_DIR", default_value = "/run/rumpus", value_name = "DIR")]
    pub run_dir: PathBuf,
    /// Where control groups are mounted
    #[arg(long, env = "RUMPUS_CGROUP_ROOT", default_value = CGROUPS, value_name = "DIR")]
    pub cgroup_root: PathBuf,
    /// The kubelet's log directories
    #[arg(long, env = "RUMPUS_POD_LOGS", default_value = "/var/log/pods", value_name = "DIR")]
    pub pod_logs: PathBuf,
    /// error, warn, info, debug or trace
    #[arg(long, env = "RUMPUS_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: String,
    /// Speak with the API server as this kubeconfig says, not as the pod's service account
    #[arg(long, env = "RUMPUS_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Only look whether the agent of this pod is ready
    #[arg(long)]
    pub ready: bool,
}

/// Serves, or looks whether the server of this pod is ready.
///
/// # Errors
/// It cannot be started, or is not ready.
pub fn run(global: &Global, args: &Args) -> Result<u8, Failure> {
    if args.ready {
        let checked = ready::check(&args.run_dir, global.lease);
        return checked.map(|()| 0).map_err(|why| Failure::refused(format!("not ready: {why}"), "see the agent's log"));
    }
    let config = config(global, args)?;
    let filter = EnvFilter::try_new(&args.log_level);
    let filter = filter.map_err(|e| Failure::refused(format!("--log-level: {e}"), "write info, warn or debug"))?;
    let logs =
        tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_writer(std::io::stderr);
    logs.try_init().map_err(|e| Failure::refused(format!("start the log: {e}"), "see `rumpus doctor`"))?;
    let inbox = Inbox::default();
    let stopper = inbox.stopper();
    let signals = signals::take_over(move |_asked| stopper.stop());
    signals.map_err(|e| Failure::refused(format!("take the signals over: {e}"), "see `rumpus doctor`"))?;
    match run::run(config, inbox) {
        Ok(true) => Ok(0),
        Ok(false) => {
            tracing::error!("something is not restored, or not reported");
            Ok(5)
        }
        Err(error) => {
            let why = chain(&error);
            tracing::error!(why, "no agent");
            Err(Failure::refused(why, "see the message, and `rumpus doctor` on the node"))
        }
    }
}

fn config(global: &Global, args: &Args) -> Result<Config, Failure> {
    let given = |name: &str, value: &Option<String>| {
        let value = value.clone().filter(|v| !v.is_empty());
        value.ok_or_else(|| Failure::refused(format!("--{name} is missing"), "the chart sets it from the pod itself"))
    };
    if args.cgroup_root.as_os_str() != CGROUPS {
        return Err(Failure::refused("--cgroup-root is elsewhere", format!("mount the node's {CGROUPS} there")));
    }
    if args.node_targets {
        return Err(Failure::refused("--node-targets is not built for clusters", "set it to false"));
    }
    let namespace = given("pod-namespace", &args.pod_namespace)?;
    given("pod-name", &args.pod_name)?;
    let mut protected: BTreeSet<String> = args.protected_namespaces.iter().filter(|n| !n.is_empty()).cloned().collect();
    protected.extend(ALWAYS_PROTECTED.map(str::to_owned));
    protected.insert(namespace.clone());
    Ok(Config {
        node: given("node-name", &args.node_name)?,
        namespace,
        state_dir: global.state_dir.clone(),
        run_dir: args.run_dir.clone(),
        pod_logs: args.pod_logs.clone(),
        lease: global.lease,
        ceilings: Ceilings {
            protected,
            own_pod: given("pod-uid", &args.pod_uid)?,
            longest: args.max_duration,
            most: args.max_faults,
        },
        without: global.without_engine.iter().copied().collect(),
        kubeconfig: args.kubeconfig.clone(),
        version: env!("CARGO_PKG_VERSION"),
    })
}

#[cfg(test)]
mod tests {
    use crate::args::{Cli, Command};
    use clap::Parser;

    const WHO: [&str; 10] =
        ["rumpus", "agent", "--node-name", "n1", "--pod-namespace", "rumpus", "--pod-name", "a", "--pod-uid", "u"];

    #[test]
    fn what_is_protected_always_is_whatever_the_list_says() {
        let cli = Cli::try_parse_from(WHO.iter().chain(&["--protected-namespaces", "prod,"])).unwrap();
        let Command::Agent(args) = &cli.command else { panic!() };
        let config = super::config(&cli.global, args).unwrap();
        let protected: Vec<&str> = config.ceilings.protected.iter().map(String::as_str).collect();
        assert_eq!(protected, ["kube-node-lease", "kube-public", "kube-system", "prod", "rumpus"]);
    }

    #[test]
    fn who_it_is_must_be_said_but_for_a_look_at_its_readiness() {
        assert!(Cli::try_parse_from(["rumpus", "agent"]).is_err());
        assert!(Cli::try_parse_from(["rumpus", "agent", "--ready"]).is_ok());
        let cli = Cli::try_parse_from(WHO.iter().chain(&["--node-targets", "true"])).unwrap();
        let Command::Agent(args) = &cli.command else { panic!() };
        assert!(super::config(&cli.global, args).is_err());
    }
}
