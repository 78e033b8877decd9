//! From a kubeconfig to a client that acts as the caller, and to the words that say which cluster is meant.

use super::place::ClusterFlags;
use crate::failure::Failure;
use kube::config::{Kubeconfig, NamedContext};
use rumpus_agent::resolve::chain;
use rumpus_cluster::{Cluster, kubeconfig};
use std::time::Duration;

/// How long one call may take: an API server that is slower than this is no help to who is on call.
const LIMIT: Duration = Duration::from_secs(10);
const HINT: &str = "name a kubeconfig with --kubeconfig or KUBECONFIG; `kubectl config get-contexts` lists what it has";

/// A cluster, as the caller reaches it.
#[derive(Clone, Debug)]
pub struct Reached {
    pub cluster: Cluster,
    /// Name of the kubeconfig's context.
    pub context: String,
    /// Given by -n, or else the context's own.
    pub namespace: String,
    /// Whether -n was given: what would look at every namespace looks at this one only.
    pub narrow: bool,
    /// How long a fault may live without its agent.
    pub lease: Duration,
}

impl Reached {
    /// Returns where to look for what is live: everywhere, or where -n says.
    pub fn wide(&self) -> &str {
        if self.narrow { &self.namespace } else { "" }
    }
}

/// Reads the kubeconfig and makes a client; nothing is sent yet.
///
/// # Errors
/// There is no kubeconfig or no such context, or it cannot be used.
pub async fn reach(flags: &ClusterFlags, lease: Duration) -> Result<Reached, Failure> {
    let read = flags.kubeconfig.as_ref().map_or_else(Kubeconfig::read, Kubeconfig::read_from);
    let read = read.map_err(|e| Failure::usage(format!("read the kubeconfig: {}", chain(&e)), HINT))?;
    let context = context(flags.context.clone().or(read.current_context), &read.contexts)?;
    let made = kubeconfig(flags.kubeconfig.as_deref(), Some(&context), LIMIT).await;
    let (cluster, own) = made.map_err(|e| Failure::usage(chain(&e), HINT))?;
    Ok(Reached {
        cluster,
        context,
        namespace: flags.namespace.clone().unwrap_or(own),
        narrow: flags.namespace.is_some(),
        lease,
    })
}

fn context(wanted: Option<String>, known: &[NamedContext]) -> Result<String, Failure> {
    let wanted = wanted.unwrap_or_default();
    if known.iter().any(|c| c.name == wanted) {
        return Ok(wanted);
    }
    let names: Vec<&str> = known.iter().map(|c| c.name.as_str()).collect();
    let what = match (wanted.is_empty(), names.is_empty()) {
        (_, true) => return Err(Failure::usage("there is no kubeconfig, or it has no context", HINT)),
        (true, false) => "the kubeconfig has no current context".to_owned(),
        (false, false) => format!("the kubeconfig has no context `{wanted}`"),
    };
    Err(Failure::usage(what, format!("name one with --context; it has: {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_that_is_not_there_is_refused_with_those_that_are() {
        let known = ["dev", "prod"].map(|name| NamedContext { name: name.into(), ..NamedContext::default() });
        assert_eq!(context(Some("prod".into()), &known).unwrap(), "prod");
        for (wanted, known, says) in [
            (Some("test"), &known[..], "no context `test`"),
            (None, &known[..], "no current"),
            (None, &[], "there is no"),
        ] {
            let Err(Failure::Usage { what, hint }) = context(wanted.map(str::to_owned), known) else {
                panic!("{wanted:?} was taken")
            };
            assert!(what.contains(says), "{what}");
            assert!(known.is_empty() || hint.contains("dev, prod"), "{hint}");
        }
    }
}
