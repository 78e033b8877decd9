//! From a pod's own account, or from a kubeconfig's context, to a client.
//!
//! The client retries reads only: a write that is repeated blindly may be carried out twice. A kubeconfig whose user
//! names a login program has that program run by the client library; in a pod nothing is run.

use crate::api::Cluster;
use http::{Method, Request, Response};
use kube::client::retry::{InvalidBackoff, RetryPolicy};
use kube::client::{Body, ClientBuilder};
use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use std::path::Path;
use std::time::Duration;
use tower::BoxError;
use tower::buffer::BufferLayer;
use tower::retry::{Policy, RetryLayer};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// First and longest pause between two tries of a read, and how many more tries there are.
const RETRY: (Duration, Duration, u32) = (Duration::from_millis(50), Duration::from_secs(2), 3);
/// Requests that may wait for the connection; more callers than this do not exist.
const QUEUE: usize = 256;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("this is no pod, or it has no service account")]
    InCluster {
        #[source]
        source: InClusterError,
    },
    #[error("the kubeconfig cannot be read")]
    Kubeconfig {
        #[source]
        source: KubeconfigError,
    },
    #[error("no client can be made of the configuration")]
    Build {
        #[source]
        source: Box<kube::Error>,
    },
    #[error("the pauses between tries make no sense")]
    Retry {
        #[source]
        source: InvalidBackoff,
    },
}

/// Connects as the pod's service account.
///
/// # Errors
/// There is no account, or the runtime's TLS refuses its certificate. Whether the server answers is not tried.
pub fn in_cluster(limit: Duration) -> Result<Cluster, ConnectError> {
    let config = Config::incluster().map_err(|source| ConnectError::InCluster { source })?;
    client(config).map(|client| Cluster::new(client, limit))
}

/// Connects as a kubeconfig's context says (`None`: its current one); `file` `None`: `$KUBECONFIG`, else the usual
/// place. Returns the context's namespace too.
///
/// # Errors
/// The file, the context or the certificates cannot be read. Whether the server answers is not tried.
pub async fn kubeconfig(
    file: Option<&Path>,
    context: Option<&str>,
    limit: Duration,
) -> Result<(Cluster, String), ConnectError> {
    let wrong = |source| ConnectError::Kubeconfig { source };
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let config = match file {
        Some(file) => Config::from_custom_kubeconfig(Kubeconfig::read_from(file).map_err(wrong)?, &options).await,
        None => Config::from_kubeconfig(&options).await,
    };
    let config = config.map_err(wrong)?;
    let namespace = config.default_namespace.clone();
    Ok((Cluster::new(client(config)?, limit), namespace))
}

fn client(mut config: Config) -> Result<Client, ConnectError> {
    config.connect_timeout = Some(CONNECT);
    // The library's own retries write again too, and obey any pause that a server asks for.
    config.default_retry = false;
    let (first, longest, tries) = RETRY;
    let reads = RetryPolicy::new(first, longest, tries, true).map_err(|source| ConnectError::Retry { source })?;
    let builder = ClientBuilder::try_from(config).map_err(|source| ConnectError::Build { source: Box::new(source) })?;
    Ok(builder.with_layer(&BufferLayer::new(QUEUE)).with_layer(&RetryLayer::new(ReadsOnly(reads))).build())
}

/// Repeats what changes nothing.
#[derive(Clone)]
struct ReadsOnly(RetryPolicy);

impl<Res> Policy<Request<Body>, Response<Res>, BoxError> for ReadsOnly {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        request: &mut Request<Body>,
        result: &mut Result<Response<Res>, BoxError>,
    ) -> Option<Self::Future> {
        self.0.retry(request, result)
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        let policy: &mut dyn Policy<Request<Body>, Response<Res>, BoxError, Future = Self::Future> = &mut self.0;
        (request.method() == Method::GET).then(|| policy.clone_request(request)).flatten()
    }
}
