//! The cluster side: a reconciler without I/O ([`core`]) and what joins it to an API server.
//!
//! ```text
//! observe (watches, snapshots) -> core::step -> act (the only writer; status in a file of its own)
//! ```

use config::Config;
use metrics::Metrics;
use rumpus_cluster::{ChaosInjection, ChaosLedger, Cluster, ConnectError, Error, Query};
use rumpus_model::wire::ledger::LEDGER;
use serve::Health;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

mod act;
mod admission;
pub mod calendars;
mod clock;
pub mod config;
pub mod core;
mod driver;
pub mod gates;
mod metrics;
pub mod observe;
mod revision;
pub mod seen;
mod serve;

pub use admission::{BuiltError, NAMES};

/// How long one call of the API server may take.
const LIMIT: Duration = Duration::from_secs(5);
/// How long a drain may take: what is on its way is waited for.
const GRACE: Duration = Duration::from_secs(3);
/// Pause before the API server is asked again at start.
const AGAIN: Duration = Duration::from_secs(1);

/// Why there is no controller.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the runtime cannot be started")]
    Runtime {
        #[source]
        source: std::io::Error,
    },
    #[error("no way to the API server")]
    Connect {
        #[source]
        source: ConnectError,
    },
    #[error("{address} cannot be listened on")]
    Listen {
        address: std::net::SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("signals cannot be awaited")]
    Signals {
        #[source]
        source: std::io::Error,
    },
    #[error("the program was built wrongly")]
    Built {
        #[source]
        source: BuiltError,
    },
}

/// Runs the controller until SIGTERM or SIGINT.
///
/// # Errors
/// It could not begin.
pub fn run(config: &Config) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| StartError::Runtime { source })?;
    runtime.block_on(begin(config))
}

async fn begin(config: &Config) -> Result<(), StartError> {
    let cluster = match &config.kubeconfig {
        None => rumpus_cluster::in_cluster(LIMIT),
        Some(file) => rumpus_cluster::kubeconfig(Some(file), None, LIMIT).await.map(|(cluster, _)| cluster),
    }
    .map_err(|source| StartError::Connect { source })?;
    let built = admission::built(&config.rules()).map_err(|source| StartError::Built { source })?;
    let listener = tokio::net::TcpListener::bind(config.http)
        .await
        .map_err(|source| StartError::Listen { address: config.http, source })?;
    let health = Arc::new(Health {
        metrics: Metrics::new(),
        turned: AtomicU64::new(u64::MAX),
        unready: std::sync::Mutex::new("starting".into()),
        clock: clock::Clock::start(),
    });
    let server = tokio::spawn(serve::serve(listener, Arc::clone(&health)));
    let mut stop = Box::pin(signalled()?);
    tracing::info!(pod = %config.pod_name, http = %config.http, "The controller begins.");
    let floor = tokio::select! {
        () = &mut stop => return Ok(()),
        floor = floor(&cluster) => floor,
    };
    let holder = act::lease::Holder {
        namespace: config.pod_namespace.clone(),
        identity: config.pod_uid.clone(),
        lease: config.lease,
        owner: act::nodes::owner::<k8s_openapi::api::apps::v1::Deployment>(
            &cluster,
            &config.pod_namespace,
            act::lease::NAME,
        )
        .await,
    };
    driver::Driver::new(cluster, config, holder, floor, built, health).run(stop, GRACE).await;
    server.abort();
    tracing::info!("The controller has ended; what is live stays with its agents for one lease.");
    Ok(())
}

/// Returns an epoch above every one that an injection or the Ledger carries: a Lease that was deleted must not count anew.
async fn floor(cluster: &Cluster) -> i64 {
    let of_ledger = |ledger: Result<ChaosLedger, Error>| match ledger {
        Ok(ledger) => Ok(ledger.spec.epoch),
        Err(Error::NotFound { .. }) => Ok(0),
        Err(error) => Err(error),
    };
    loop {
        let injections = cluster.list::<ChaosInjection>("", &Query::default()).await;
        let ledger = of_ledger(cluster.get::<ChaosLedger>("", LEDGER).await);
        match injections.and_then(|all| Ok((all, ledger?))) {
            Ok((all, ledger)) => {
                let epochs = all.iter().filter_map(|i| i.as_ref().ok()).map(|i| i.spec.epoch);
                return epochs.chain([ledger]).max().unwrap_or(0) + 1;
            }
            Err(error) => tracing::warn!(error = %error, "The API server does not answer yet."),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Resolves at the first SIGTERM or SIGINT.
fn signalled() -> Result<impl Future<Output = ()>, StartError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate()).map_err(|source| StartError::Signals { source })?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|source| StartError::Signals { source })?;
    Ok(async move {
        // Either one is enough; both only wait.
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
