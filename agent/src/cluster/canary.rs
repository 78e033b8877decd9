//! The canary: does the API server really bind agents to their own node?
//!
//! A binding that was removed fails open in silence. So the agent tries what it must not be able to do, as a dry run, on
//! two objects of no node, and believes only a denial that names the policy.

use super::desk::Guard;
use rumpus_cluster::{AGENT, ChaosInjection, ChaosNode, Cluster, Error, Only};
use serde_json::json;
use std::time::Duration;

/// Both objects' name.
const NAME: &str = "rumpus-canary";
/// The policies that must answer.
const INJECTIONS: &str = "rumpus-injection-status-by-own-agent";
const NODES: &str = "rumpus-node-status-by-own-agent";

/// How often a proof is repeated, how often it may fail in a row, and how long to wait between those tries.
pub const EVERY: Duration = Duration::from_secs(300);
pub const TRIES: u32 = 3;
pub const BETWEEN_TRIES: Duration = Duration::from_secs(1);
/// The longest pause while there is no proof.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Tries both.
pub async fn attempt(cluster: &Cluster, namespace: &str) -> Result<(), String> {
    let status = json!({"state": "Lost"});
    let answer = cluster.apply_status::<ChaosInjection>(AGENT.dry(), namespace, NAME, Only::Name, &status).await;
    denied(INJECTIONS, answer.map(drop))?;
    let status = json!({"admission": "proven"});
    let answer = cluster.apply_status::<ChaosNode>(AGENT.dry(), "", NAME, Only::Name, &status).await;
    denied(NODES, answer.map(drop))
}

/// Judges an answer.
fn denied(policy: &str, answer: Result<(), Error>) -> Result<(), String> {
    match answer {
        Ok(()) => Err(format!("{policy} does not hold: a forbidden status was accepted")),
        Err(Error::Forbidden { message, .. } | Error::Invalid { message, .. })
            if message.contains(&format!("ValidatingAdmissionPolicy '{policy}'")) =>
        {
            Ok(())
        }
        Err(error) => Err(format!("{policy} did not answer: {}", crate::resolve::chain(&error))),
    }
}

/// When to try again, and what to believe meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Canary {
    proven: bool,
    failures: u32,
}

impl Canary {
    /// Notes an attempt. Returns what to believe, if that is to change, and when to try again.
    pub fn noted(&mut self, attempt: Result<(), String>) -> (Option<Guard>, Duration) {
        match attempt {
            Ok(()) => {
                (self.proven, self.failures) = (true, 0);
                (Some(Guard::Proven), EVERY)
            }
            Err(_) if self.proven && self.failures + 1 < TRIES => {
                self.failures += 1;
                (None, BETWEEN_TRIES)
            }
            Err(why) => {
                let before = if self.proven { 0 } else { self.failures };
                (self.proven, self.failures) = (false, before.saturating_add(1));
                let pause = Duration::from_secs(1 << before.min(5)).min(LONGEST_PAUSE);
                (Some(Guard::Missing(why)), pause)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpus_cluster::Call;

    fn call() -> Call {
        Call { verb: "patch", resource: "chaosnodes/status".into(), object: NAME.into() }
    }

    #[test]
    fn only_a_denial_that_names_the_policy_counts() {
        let named =
            format!("… is forbidden: ValidatingAdmissionPolicy '{NODES}' with binding '{NODES}' denied request");
        assert_eq!(denied(NODES, Err(Error::Forbidden { call: call(), message: named.clone() })), Ok(()));
        assert_eq!(denied(NODES, Err(Error::Invalid { call: call(), message: named.clone() })), Ok(()));
        assert!(denied(INJECTIONS, Err(Error::Forbidden { call: call(), message: named.clone() })).is_err());
        assert!(denied(NODES, Ok(())).is_err());
        let rbac = "User \"x\" cannot patch resource \"chaosnodes/status\"".to_owned();
        assert!(denied(NODES, Err(Error::Forbidden { call: call(), message: rbac })).is_err());
        assert!(denied(NODES, Err(Error::NotFound { call: call(), message: named })).is_err());
    }

    #[test]
    fn a_proof_survives_two_failures_and_its_absence_is_retried_ever_more_slowly() {
        let mut canary = Canary::default();
        let fail = || Err("x".to_owned());
        let pauses: Vec<u64> = (0..7).map(|_| canary.noted(fail()).1.as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(canary.noted(Ok(())), (Some(Guard::Proven), EVERY));
        assert_eq!(canary.noted(fail()), (None, BETWEEN_TRIES));
        assert_eq!(canary.noted(fail()), (None, BETWEEN_TRIES));
        assert_eq!(canary.noted(fail()), (Some(Guard::Missing("x".into())), Duration::from_secs(1)));
    }
}
