//! From what was seen to checks: what is needed, what is there, and what to do where it is not. What could not be read is
//! never all right.

use super::facts::{Facts, Known, LeaseSeen, Right};
use crate::cluster::attest::CANARY;
use jiff::Timestamp;
use rumpus_agent::probe::Check;
use rumpus_cluster::ChaosNode;
use rumpus_model::wire::kinds;
use std::time::Duration;

/// Lowest minor version of Kubernetes 1 that Rumpus is made for.
const FLOOR: u32 = 32;
/// An agent whose heartbeat is older than this is not counted on; it beats once a minute.
const SILENT: Duration = Duration::from_secs(150);
/// What an agent says once the rules of admission are known to hold.
const PROVEN: &str = "proven";

/// Makes the checks; `namespace` is where rights were asked for.
pub(super) fn checks(facts: &Facts, namespace: &str, now: Timestamp) -> Vec<Check> {
    let mut checks = vec![version(&facts.version), kinds_there(&facts.kinds), lease(facts)];
    checks.extend(facts.admission.iter().map(|(name, bound)| admission(name, bound)));
    match &facts.nodes {
        Err(why) => checks.push(unseen("agents", true, why)),
        Ok(nodes) => {
            let nodes: Vec<_> = nodes.iter().filter(|n| n.name() != CANARY).collect();
            if nodes.is_empty() {
                let hint = "look at the DaemonSet rumpus-agent and the Deployment rumpus-controller";
                checks.push(check("agents", true, Err("no node has ever reported".into()), hint));
            }
            checks.extend(nodes.into_iter().flat_map(|node| agent(node, now)));
        }
    }
    checks.extend(facts.rights.iter().map(|(right, may)| allowed(*right, may, namespace)));
    checks
}

fn check(name: impl Into<String>, needed: bool, found: Result<String, String>, hint: impl Into<String>) -> Check {
    let (ok, detail) = match found {
        Ok(detail) => (true, detail),
        Err(detail) => (false, detail),
    };
    Check { name: name.into(), needed, ok, detail, hint: if ok { String::new() } else { hint.into() } }
}

fn unknown(name: &str, needed: bool, why: &str) -> Check {
    check(name, needed, Err(format!("not known: {why}")), "ask the administrator to look, or for more rights")
}

/// What the role for looking shows.
fn unseen(name: &str, needed: bool, why: &str) -> Check {
    check(name, needed, Err(format!("not known: {why}")), "ask for the role rumpus-viewer")
}

fn version(version: &Known<String>) -> Check {
    let version = match version {
        Ok(version) => version,
        Err(why) => return check("API server", true, Err(why.clone()), "look at the kubeconfig and the network"),
    };
    let minor = version.trim_start_matches('v').split('.').nth(1).and_then(|m| m.parse::<u32>().ok());
    let fits = minor.is_some_and(|m| m >= FLOOR);
    let found = if fits { Ok(version.clone()) } else { Err(format!("{version}, 1.{FLOOR} is the lowest")) };
    check("API server", true, found, format!("upgrade to Kubernetes 1.{FLOOR} or later"))
}

fn kinds_there(there: &Known<Vec<String>>) -> Check {
    let name = "custom resources";
    let there = match there {
        Ok(there) => there,
        Err(why) => return unknown(name, true, why),
    };
    let missing: Vec<&str> = kinds::ALL.iter().map(|k| k.plural).filter(|k| !there.iter().any(|t| t == k)).collect();
    let found = if missing.is_empty() {
        Ok(format!("{} kinds of {}/{}", there.len(), kinds::GROUP, kinds::VERSION))
    } else {
        Err(format!("missing: {}", missing.join(", ")))
    };
    check(name, true, found, "install Rumpus: `helm install rumpus ...` brings them")
}

fn lease(facts: &Facts) -> Check {
    let name = "controller";
    let place = match &facts.release {
        Ok(Some(place)) => place.as_str(),
        Ok(None) => {
            let hint = "install Rumpus, or look at the Deployment rumpus-controller: it has made nothing yet";
            return check(name, true, Err("not found in any namespace".into()), hint);
        }
        Err(why) => return unseen(name, false, why),
    };
    let hint = format!("look at it: `kubectl -n {place} describe deployment rumpus-controller`");
    match &facts.lease {
        // A viewer may not read Leases: it is not known, and nothing is wrong with that.
        Err(why) => unknown(name, false, why),
        Ok(LeaseSeen::Moves { every }) => {
            check(name, true, Ok(format!("in {place}, its lease moved within {} ms", every.as_millis())), hint)
        }
        Ok(LeaseSeen::Stands) => check(name, true, Err(format!("its lease in {place} stands still")), hint),
        Ok(LeaseSeen::None) => check(name, true, Err(format!("there is no lease in {place}")), hint),
    }
}

fn admission(name: &str, bound: &Known<Option<Vec<String>>>) -> Check {
    let title = format!("admission {}", name.trim_start_matches("rumpus-"));
    let hint = "install the chart again: without it nothing is injected, and what was allowed may be too much";
    match bound {
        Err(why) => unknown(&title, false, why),
        Ok(None) => check(title, true, Err("the policy or its binding is missing".into()), hint),
        Ok(Some(actions)) if actions.iter().any(|a| a == "Deny") => check(title, true, Ok("denies".into()), hint),
        Ok(Some(actions)) => check(title, true, Err(format!("does not deny, only: {}", actions.join(", "))), hint),
    }
}

fn agent(node: &ChaosNode, now: Timestamp) -> Vec<Check> {
    let title = format!("node {}", node.name());
    let hint = "look at its agent: `kubectl get pods -A -o wide -l app.kubernetes.io/name=rumpus`";
    let status = node.status.clone().unwrap_or_default();
    let Some(beat) = status.heartbeat.as_deref() else {
        return vec![check(title, false, Err("no agent ever reported from there".into()), hint)];
    };
    let age = beat.parse::<Timestamp>().ok().map(|at| now.duration_since(at).unsigned_abs());
    let version = status.version.as_deref().unwrap_or("unknown");
    let engines: Vec<String> = status.engines.iter().map(|(fault, engine)| format!("{fault}: {engine}")).collect();
    let said = status.admission.as_deref().unwrap_or("it does not say whether admission holds");
    let found = match age {
        None => Err(format!("its heartbeat cannot be read: {beat}")),
        Some(age) if age > SILENT => Err(format!("silent for {} s", age.as_secs())),
        Some(_) if said != PROVEN => Err(format!("injects nothing, admission is not proven: {said}")),
        Some(_) if !status.residue.is_empty() => Err(format!("not restored: {}", status.residue.join("; "))),
        Some(_) => Ok(format!("agent {version}; {}", engines.join(", "))),
    };
    let mut checks = vec![check(title, true, found, hint)];
    for (fault, why) in &status.missing {
        let hint = "load the kernel's module on that node, or use another fault there";
        checks.push(check(format!("node {}: {fault}", node.name()), false, Err(why.clone()), hint));
    }
    checks
}

fn allowed(right: Right, may: &Known<bool>, namespace: &str) -> Check {
    let place = if right.here { format!("in namespace {namespace}") } else { "cluster-wide".to_owned() };
    let title = format!("you may {}", right.what);
    let hint = format!("ask for the role {}", right.role);
    match may {
        Err(why) => unknown(&title, false, why),
        Ok(true) => check(title, false, Ok(place), hint),
        Ok(false) => check(title, false, Err(format!("no, {place}")), hint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ask::object;
    use serde_json::{Value, json};

    const NOW: &str = "2026-01-01T00:10:00Z";

    fn node(status: Value) -> ChaosNode {
        object(json!({"metadata": {"name": "n1"}, "spec": {}, "status": status}))
    }

    fn well() -> Facts {
        let deny = || Ok(Some(vec!["Deny".to_owned()]));
        let status = json!({"heartbeat": "2026-01-01T00:09:30Z", "version": "0.1.0", "admission": "proven",
            "engines": {"latency": "netem"}});
        Facts {
            version: Ok("v1.33.2".into()),
            kinds: Ok(kinds::ALL.iter().map(|k| k.plural.to_owned()).collect()),
            release: Ok(Some("rumpus".into())),
            lease: Ok(LeaseSeen::Moves { every: Duration::from_secs(1) }),
            nodes: Ok(vec![node(status), object(json!({"metadata": {"name": CANARY}, "spec": {}}))]),
            admission: rumpus_controller::cluster::NAMES.iter().map(|name| (*name, deny())).collect(),
            rights: Vec::new(),
        }
    }

    fn bad(facts: &Facts) -> Vec<Check> {
        let checks = checks(facts, "shop", NOW.parse().unwrap());
        checks.into_iter().filter(|c| !c.ok).collect()
    }

    fn with(change: impl FnOnce(&mut Facts)) -> Vec<Check> {
        let mut facts = well();
        change(&mut facts);
        bad(&facts)
    }

    #[test]
    fn a_cluster_in_which_all_is_well_lacks_nothing() {
        assert!(bad(&well()).is_empty(), "{:?}", bad(&well()));
    }

    #[test]
    fn each_thing_that_is_wrong_is_missing_and_has_a_hint() {
        let nodes = |status: Value| move |f: &mut Facts| f.nodes = Ok(vec![node(status)]);
        let beat = "2026-01-01T00:09:30Z";
        for (name, found) in [
            ("too old", with(|f| f.version = Ok("v1.31.9".into()))),
            ("no version", with(|f| f.version = Err("no route".into()))),
            ("no kinds", with(|f| f.kinds = Ok(Vec::new()))),
            ("a kind too few", with(|f| f.kinds = f.kinds.clone().map(|k| k[1..].to_vec()))),
            ("nothing installed", with(|f| f.release = Ok(None))),
            ("the lease stands", with(|f| f.lease = Ok(LeaseSeen::Stands))),
            ("no lease", with(|f| f.lease = Ok(LeaseSeen::None))),
            ("no policy", with(|f| f.admission[0].1 = Ok(None))),
            ("only audited", with(|f| f.admission[6].1 = Ok(Some(vec!["Audit".into()])))),
            ("no nodes", with(|f| f.nodes = Ok(Vec::new()))),
            ("nodes unread", with(|f| f.nodes = Err("forbidden".into()))),
            ("silent", with(nodes(json!({"heartbeat": "2026-01-01T00:05:00Z", "admission": "proven"})))),
            ("not proven", with(nodes(json!({"heartbeat": beat, "admission": "no answer"})))),
            ("says nothing of admission", with(nodes(json!({"heartbeat": beat})))),
            ("residue", with(nodes(json!({"heartbeat": beat, "admission": "proven", "residue": ["table x"]})))),
        ] {
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            assert!(found[0].needed && !found[0].hint.is_empty() && !found[0].detail.is_empty(), "{name}: {found:?}");
        }
    }

    #[test]
    fn what_costs_some_faults_only_is_not_needed() {
        let beat = "2026-01-01T00:09:30Z";
        let status = json!({"heartbeat": beat, "admission": "proven", "missing": {"latency": "no netem"}});
        let found = with(|f| f.nodes = Ok(vec![node(status)]));
        assert!(found.len() == 1 && !found[0].needed && found[0].name == "node n1: latency", "{found:?}");
        let unread = with(|f| f.lease = Err("forbidden".into()));
        assert!(unread.len() == 1 && !unread[0].needed && unread[0].detail.contains("not known"), "{unread:?}");
    }
}
