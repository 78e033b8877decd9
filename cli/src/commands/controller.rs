//! `rumpus controller`: the cluster side, as the chart's Deployment runs it. Flags and environment end here.

use crate::args::Global;
use crate::failure::Failure;
use clap::Args;
use rumpus_controller::cluster::calendars;
use rumpus_controller::cluster::config::Config;
use rumpus_controller::cluster::core::Calendars;
use rumpus_controller::cluster::gates::Asker;
use rumpus_model::cluster::world::Radius;
use rumpus_model::schedule::rate::{Rate, Rates};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  rumpus controller --pod-namespace rumpus --pod-name me --pod-uid me --kubeconfig ~/.kube/config"
)]
pub struct Controller {
    /// Namespace of the release: Lease and canary; never hit
    #[arg(long, env = "RUMPUS_POD_NAMESPACE")]
    pub pod_namespace: String,
    /// Name of this pod, for events and logs
    #[arg(long, env = "RUMPUS_POD_NAME")]
    pub pod_name: String,
    /// UID of this pod: holder of the Lease
    #[arg(long, env = "RUMPUS_POD_UID")]
    pub pod_uid: String,
    /// Namespaces that are never hit, besides those of Kubernetes and the release's
    #[arg(long, env = "RUMPUS_PROTECTED_NAMESPACES", default_value = "kube-system,kube-public,kube-node-lease")]
    pub protected_namespaces: String,
    /// Longest duration of a fault
    #[arg(long, env = "RUMPUS_MAX_DURATION", default_value = "1h", value_parser = rumpus_model::duration::parse)]
    pub max_duration: Duration,
    /// Where /healthz, /readyz and /metrics are served
    #[arg(long, env = "RUMPUS_HTTP", default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    pub http: SocketAddr,
    /// Most runs at once
    #[arg(long, env = "RUMPUS_MAX_ACTIVE_RUNS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_active_runs: u32,
    /// Most pods under fault at once, over all runs; 0: no limit of its own
    #[arg(long, env = "RUMPUS_MAX_PODS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=20_000))]
    pub max_pods: u32,
    /// The same, of one namespace
    #[arg(long, env = "RUMPUS_MAX_PODS_PER_NAMESPACE", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=20_000))]
    pub max_pods_per_namespace: u32,
    /// The same, of one top owner
    #[arg(long, env = "RUMPUS_MAX_PODS_PER_OWNER", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=20_000))]
    pub max_pods_per_owner: u32,
    /// Most runs at once that hit pods of one namespace; 0: no limit of its own
    #[arg(long, env = "RUMPUS_MAX_RUNS_PER_NAMESPACE", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1000))]
    pub max_runs_per_namespace: u32,
    /// Label of namespaces that may be hit
    #[arg(long, env = "RUMPUS_OPT_IN", default_value = "rumpus.dev/chaos=enabled", value_name = "KEY=VALUE", value_parser = label)]
    pub opt_in: (String, String),
    /// Whether pods may be deleted
    #[arg(long, env = "RUMPUS_POD_DELETE", default_value_t = true, action = clap::ArgAction::Set)]
    pub pod_delete: bool,
    /// Whether pods may be evicted
    #[arg(long, env = "RUMPUS_POD_EVICT", default_value_t = true, action = clap::ArgAction::Set)]
    pub pod_evict: bool,
    /// Whether nodes and what runs on them may be targets in a cluster
    #[arg(long, env = "RUMPUS_NODE_TARGETS", default_value_t = false, action = clap::ArgAction::Set)]
    pub node_targets: bool,
    /// Address of the API server, for rules against being locked out
    #[arg(long, env = "RUMPUS_API_SERVER", default_value = "")]
    pub api_server: String,
    /// Folder with the calendars that schedules may name: NAME.ics for each
    #[arg(long, env = "RUMPUS_CALENDARS", value_name = "DIR")]
    pub calendars: Option<PathBuf>,
    /// Most runs of one namespace's schedules that begin within a stretch of time, such as 20/1d
    #[arg(long, env = "RUMPUS_RATE_NAMESPACE", value_name = "RUNS/TIME")]
    pub rate_namespace: Option<Rate>,
    /// The same, of all schedules together
    #[arg(long, env = "RUMPUS_RATE_CLUSTER", value_name = "RUNS/TIME")]
    pub rate_cluster: Option<Rate>,
    /// Hosts that checks of role Gate may ask over HTTP: names, or *.SUFFIX
    #[arg(long, env = "RUMPUS_CHECK_HOSTS", default_value = "", value_name = "HOST,...")]
    pub check_hosts: String,
    /// Instead of the pod's service account
    #[arg(long, env = "RUMPUS_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// What is logged: error, warn, info, debug, trace
    #[arg(long, env = "RUMPUS_LOG_LEVEL", default_value = "info")]
    pub log_level: tracing::Level,
}

/// Runs until SIGTERM.
///
/// # Errors
/// It could not begin.
pub fn run(global: &Global, args: &Controller) -> Result<u8, Failure> {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(args.log_level)
        .with_writer(std::io::stderr)
        .init();
    let list = args.protected_namespaces.split(',').filter(|n| !n.is_empty());
    let config = Config {
        pod_namespace: args.pod_namespace.clone(),
        pod_name: args.pod_name.clone(),
        pod_uid: args.pod_uid.clone(),
        lease: global.lease,
        protected_namespaces: list.map(str::to_owned).collect(),
        max_duration: args.max_duration,
        http: args.http,
        max_active_runs: args.max_active_runs,
        radius: Radius {
            pods: Radius::limit(args.max_pods),
            pods_per_namespace: Radius::limit(args.max_pods_per_namespace),
            pods_per_owner: Radius::limit(args.max_pods_per_owner),
            runs_per_namespace: Radius::limit(args.max_runs_per_namespace),
        },
        opt_in: args.opt_in.clone(),
        pod_delete: args.pod_delete,
        pod_evict: args.pod_evict,
        calendars: calendars(args.calendars.as_deref())?,
        rates: Rates { namespace: args.rate_namespace, cluster: args.rate_cluster },
        asker: asker(args),
        kubeconfig: args.kubeconfig.clone(),
    };
    match rumpus_controller::cluster::run(&config) {
        Ok(()) => Ok(0),
        Err(error) => {
            let mut text = format!("begin: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(next) = cause {
                text.push_str(&format!(": {next}"));
                cause = next.source();
            }
            Err(Failure::refused(text, "look at the flags, the account and the API server"))
        }
    }
}

/// The API server's address is what the flag says, and what each pod is told.
fn asker(args: &Controller) -> Asker {
    let hosts = args.check_hosts.split(',').map(|h| h.trim().to_ascii_lowercase()).filter(|h| !h.is_empty()).collect();
    let told = std::env::var("KUBERNETES_SERVICE_HOST").ok();
    let servers: Vec<String> = told.into_iter().chain([args.api_server.clone()]).collect();
    Asker::new(hosts, &servers)
}

fn calendars(folder: Option<&Path>) -> Result<Calendars, Failure> {
    let Some(folder) = folder else { return Ok(Calendars::new()) };
    calendars::read(folder).map_err(|e| {
        let hint = "mount a folder with NAME.ics for each calendar, or leave --calendars out";
        Failure::usage(format!("read the calendars in {}: {e}", folder.display()), hint)
    })
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("write KEY=VALUE".to_owned()),
    }
}
