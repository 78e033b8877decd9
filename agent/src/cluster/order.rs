//! What an Injection asks for, read once: after this no string is parsed again.
//!
//! Pure. Anything that is not understood whole is refused whole.

use rumpus_model::duration;
use rumpus_model::fault::Fault;
use rumpus_model::halt::Reach;
use rumpus_model::policy::{self, Problem, Site};
use rumpus_model::refusal::Refusal;
use rumpus_model::wire::{self, Except, InjectionSpec, InjectionTarget, NumberOrText, PeerSet, Peers};
use std::collections::BTreeSet;
use std::time::Duration;

/// An Injection, understood.
#[derive(Clone, Debug)]
pub struct Order {
    pub uid: String,
    /// `namespace/name` of the run.
    pub run: String,
    pub epoch: i64,
    pub duration: Option<Duration>,
    /// Microseconds since 1970 by the controller's clock.
    pub not_after: i64,
    /// The fault without its other side.
    pub fault: Fault,
    /// The fault once for each alternative other side; exactly one for faults that are not about the network.
    pub branches: Vec<Fault>,
    /// Whether a pod's probes from its node are left alone.
    pub probes_exempt: bool,
    pub targets: Vec<InjectionTarget>,
    pub reach: Reach,
}

/// Reads a spec.
///
/// # Errors
/// Everything that is not understood, each with its field.
pub fn read(uid: &str, namespace: &str, spec: &InjectionSpec) -> Result<Order, Refusal> {
    let mut problems = Vec::new();
    let mut note = |field: &str, what: String| problems.push(format!("{field}: {what}"));
    let span = spec.duration.as_deref().map(duration::parse).transpose();
    let span = span.map_err(|what| note("duration", what)).ok().flatten();
    let not_after = instant(&spec.not_after).map_err(|what| note("notAfter", what)).unwrap_or_default();
    let probes_exempt = probes(&spec.fault) != Some(wire::Probes::Include);
    let alone = parse(&spec.fault, &mut note);
    let mut branches = Vec::new();
    let peers = spec.peers.as_deref().unwrap_or_default();
    for (index, set) in peers.iter().enumerate() {
        let mut fault = spec.fault.clone();
        facing(&mut fault, set);
        branches.extend(parse(&fault, &mut |field, what| note(&format!("peers[{index}].{field}"), what)));
    }
    if let Some(fault) = &alone {
        match (fault.network().is_some(), peers.is_empty()) {
            (true, true) | (false, true) => branches = vec![fault.clone()],
            (true, false) => {}
            (false, false) => note("peers", format!("{} has no other side", fault.name())),
        }
        if fault.lasts() != span.is_some() {
            note("duration", format!("{} {} one", fault.name(), if fault.lasts() { "needs" } else { "has not" }));
        }
    }
    if spec.targets.is_empty() {
        note("targets", "an empty list names nobody".into());
    }
    match alone {
        Some(fault) if problems.is_empty() => Ok(Order {
            uid: uid.to_owned(),
            run: format!("{namespace}/{}", spec.run.name),
            epoch: spec.epoch,
            duration: span,
            not_after,
            fault,
            branches,
            probes_exempt,
            targets: spec.targets.clone(),
            reach: reach(namespace, spec),
        }),
        Some(_) | None => Err(Refusal::Invalid { problems }),
    }
}

/// Returns what a Halt may name to end it.
pub fn reach(namespace: &str, spec: &InjectionSpec) -> Reach {
    let targets = spec.targets.iter().map(|t| t.namespace.clone());
    let namespaces: BTreeSet<String> = targets.chain([namespace.to_owned()]).collect();
    Reach { node: Some(spec.node_name.clone()), run: Some(format!("{namespace}/{}", spec.run.name)), namespaces }
}

/// Reads an instant of RFC 3339 as microseconds since 1970.
///
/// # Errors
/// It is none.
pub fn instant(text: &str) -> Result<i64, String> {
    let read: Result<jiff::Timestamp, _> = text.parse();
    read.map(jiff::Timestamp::as_microsecond).map_err(|e| format!("`{text}` is no instant: {e}"))
}

fn parse(fault: &wire::Fault, note: &mut dyn FnMut(&str, String)) -> Option<Fault> {
    match policy::fault(fault, Site::Cluster) {
        Ok(fault) => Some(fault),
        Err(problems) => {
            for Problem { path, what, .. } in problems {
                note(&format!("fault.{path}"), what);
            }
            None
        }
    }
}

fn probes(fault: &wire::Fault) -> Option<wire::Probes> {
    let latency = fault.latency.as_ref().and_then(|l| l.probes);
    let loss = fault.loss.as_ref().and_then(|l| l.probes);
    latency.or(loss).or(fault.partition.as_ref().and_then(|p| p.probes))
}

/// Puts one other side into a fault that has none.
fn facing(fault: &mut wire::Fault, set: &PeerSet) {
    let except = set.except.as_ref().map(|e| Except {
        addresses: e.addresses.clone(),
        names: e.names.clone(),
        ..Except::default()
    });
    let peers = Peers { addresses: set.addresses.clone(), names: set.names.clone(), except, ..Peers::default() };
    let ports: Option<Vec<NumberOrText>> =
        set.ports.as_ref().map(|ports| ports.iter().cloned().map(NumberOrText::Text).collect());
    if let Some(latency) = &mut fault.latency {
        (latency.peers, latency.ports) = (Some(peers), ports);
    } else if let Some(loss) = &mut fault.loss {
        (loss.peers, loss.ports) = (Some(peers), ports);
    } else if let Some(partition) = &mut fault.partition {
        (partition.peers, partition.ports) = (Some(peers), ports);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn spec(change: impl FnOnce(&mut Value)) -> InjectionSpec {
        let mut spec = json!({
            "nodeName": "n1", "run": {"name": "slow", "uid": "r"}, "phase": "Armed", "epoch": 1, "revision": 1,
            "notAfter": "2026-11-24T20:00:00.500000Z", "duration": "60s",
            "fault": {"latency": {"delay": "100ms", "direction": "Both"}},
            "targets": [{"uid": "u1", "namespace": "shop", "pod": "web-1"}],
            "peers": [{"addresses": ["10.96.0.7"], "ports": ["80/TCP"]},
                      {"addresses": ["10.1.0.0/16"], "ports": ["8080/TCP"], "except": {"addresses": ["10.1.2.3"]}}],
        });
        change(&mut spec);
        serde_json::from_value(spec).unwrap()
    }

    fn refused(change: impl FnOnce(&mut Value)) -> String {
        read("i", "team", &spec(change)).unwrap_err().to_string()
    }

    #[test]
    fn each_other_side_is_a_branch_of_its_own() {
        let order = read("i", "team", &spec(|_| {})).unwrap();
        assert_eq!((order.branches.len(), order.run.as_str()), (2, "team/slow"));
        assert_eq!(order.fault.network().unwrap().peers, None);
        let second = order.branches[1].network().unwrap();
        assert_eq!(second.ports[0].from, 8080);
        assert_eq!(second.except.addresses[0].to_string(), "10.1.2.3/32");
        assert_eq!(order.reach.namespaces, BTreeSet::from(["shop".to_owned(), "team".to_owned()]));
        assert_eq!(order.not_after, instant("2026-11-24T20:00:00Z").unwrap() + 500_000);
        assert!(order.probes_exempt);
    }

    #[test]
    fn no_other_side_means_everyone_and_one_branch() {
        let order = read("i", "team", &spec(|s| s["peers"] = json!([]))).unwrap();
        assert_eq!(order.branches, std::slice::from_ref(&order.fault));
        let kill = |s: &mut Value| {
            s["fault"] = json!({"kill": {"container": true}});
            s.as_object_mut().unwrap().retain(|k, _| k != "peers" && k != "duration");
        };
        assert_eq!(read("i", "team", &spec(kill)).unwrap().branches.len(), 1);
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_field() {
        type Change = fn(&mut Value);
        let cases: [(Change, &str); 7] = [
            (|s| s["peers"][1]["addresses"] = json!(["10.1.2.3/16"]), "peers[1].fault"),
            (|s| s["peers"][0] = json!({}), "peers[0].fault"),
            (|s| s["notAfter"] = json!("soon"), "notAfter"),
            (|s| s["duration"] = json!("1 minute"), "duration"),
            (|s| s["duration"] = Value::Null, "duration"),
            (|s| s["targets"] = json!([]), "targets"),
            (|s| s["fault"] = json!({"kill": {"container": true}}), "peers"),
        ];
        for (change, field) in cases {
            let said = refused(change);
            assert!(said.contains(field), "{field}: {said}");
        }
    }
}
