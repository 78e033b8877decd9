//! The ChaosNode's status: what this agent can do and does, and what has ended.
//!
//! Pure. Everything that others wait for (a Halt's end, an injection's end) is in it besides the injection's own status,
//! which goes with its object.

use super::desk::Guard;
use rumpus_model::engine::{Capability, Engine};
use rumpus_model::wire::{EndedInjection, NodeStatus};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many ended injections are kept.
const ENDED: usize = 64;
/// How many leftovers are named.
const RESIDUE: usize = 16;

/// Faults by the name that plans use, each with the engines that can do it, the preferred one first.
const FAULTS: [(&str, &[Engine]); 5] = [
    ("kill", &[Engine::Signal]),
    ("killContainer", &[Engine::Cgroup]),
    ("latency", &[Engine::Netem, Engine::Nfqueue]),
    ("loss", &[Engine::Nft]),
    ("partition", &[Engine::Nft]),
];

/// What this node says of itself.
#[derive(Debug)]
pub struct Node {
    boot_id: String,
    version: String,
    engines: BTreeMap<String, String>,
    missing: BTreeMap<String, String>,
    halts: BTreeSet<String>,
    ended: VecDeque<EndedInjection>,
    residue: Vec<String>,
}

impl Node {
    /// `engines` as probed; `blind`: why no pod can be told from another, if so.
    pub fn new(boot_id: String, version: &str, engines: &BTreeMap<Engine, Capability>, blind: Option<&str>) -> Self {
        let (mut can, mut missing) = (BTreeMap::new(), BTreeMap::new());
        for (fault, able) in FAULTS {
            let ready = able.iter().find(|e| engines.get(*e) == Some(&Capability::Ready));
            match (blind, ready) {
                (None, Some(engine)) => drop(can.insert(fault.to_owned(), engine.to_string())),
                (Some(why), _) => drop(missing.insert(fault.to_owned(), super::report::short(why))),
                (None, None) => {
                    let whys = able.iter().map(|e| match engines.get(e) {
                        Some(Capability::Missing(why)) => format!("{e}: {why}"),
                        Some(Capability::Ready) | None => format!("{e}: not probed"),
                    });
                    let why = whys.collect::<Vec<_>>().join("; ");
                    missing.insert(fault.to_owned(), super::report::short(&why));
                }
            }
        }
        let version = version.to_owned();
        let (halts, ended, residue) = (BTreeSet::new(), VecDeque::new(), Vec::new());
        Self { boot_id, version, engines: can, missing, halts, ended, residue }
    }

    /// Everything in a Halt's scope has ended here.
    pub fn halt_attested(&mut self, halt: &str) -> bool {
        self.halts.insert(halt.to_owned())
    }

    /// Drops Halts that stand no more.
    pub fn halts_standing(&mut self, standing: &BTreeSet<String>) -> bool {
        let before = self.halts.len();
        self.halts.retain(|h| standing.contains(h));
        self.halts.len() != before
    }

    /// An injection has ended.
    pub fn ended(&mut self, uid: &str, effect_ended: Option<String>, clean: Option<String>) {
        let before =
            self.ended.iter().position(|e| e.uid == uid).and_then(|at| self.ended.remove(at)).unwrap_or_default();
        // What was attested once is not taken back.
        let (effect_ended, clean) = (effect_ended.or(before.effect_ended), clean.or(before.clean));
        self.ended.push_back(EndedInjection { uid: uid.to_owned(), effect_ended, clean });
        while self.ended.len() > ENDED {
            self.ended.pop_front();
        }
    }

    /// What a predecessor attested stays: its own are older than all of this one's.
    pub fn remember(&mut self, before: Vec<EndedInjection>) {
        let own = std::mem::take(&mut self.ended);
        self.ended = before.into();
        for EndedInjection { uid, effect_ended, clean } in own {
            self.ended(&uid, effect_ended, clean);
        }
    }

    /// What a sweep could not take away.
    pub fn swept(&mut self, failed: &[String]) -> bool {
        let residue: Vec<String> = failed.iter().take(RESIDUE).map(|f| super::report::short(f)).collect();
        let changed = residue != self.residue;
        self.residue = residue;
        changed
    }

    pub fn status(&self, active: Vec<String>, guard: &Guard, now: String) -> NodeStatus {
        NodeStatus {
            heartbeat: Some(now),
            boot_id: Some(self.boot_id.clone()),
            version: Some(self.version.clone()),
            engines: self.engines.clone(),
            missing: self.missing.clone(),
            active,
            halts: self.halts.iter().cloned().collect(),
            ended: self.ended.iter().cloned().collect(),
            residue: self.residue.clone(),
            admission: Some(match guard {
                Guard::Proven => "proven".into(),
                Guard::Untried => "not tried yet".into(),
                Guard::Missing(why) => super::report::short(why),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(blind: Option<&str>) -> Node {
        let missing = Capability::Missing("no netem".into());
        let mut engines = BTreeMap::from([(Engine::Netem, missing.clone()), (Engine::Nfqueue, Capability::Ready)]);
        engines.extend([
            (Engine::Nft, Capability::Ready),
            (Engine::Signal, Capability::Ready),
            (Engine::Cgroup, missing),
        ]);
        Node::new("b".into(), "1", &engines, blind)
    }

    #[test]
    fn each_fault_has_an_engine_or_a_reason() {
        let status = node(None).status(vec![], &Guard::Proven, "now".into());
        assert_eq!(status.engines["latency"], "nfqueue");
        assert_eq!(status.missing.keys().collect::<Vec<_>>(), ["killContainer"]);
        let blind = node(Some("no hostPID")).status(vec![], &Guard::Proven, "now".into());
        assert!(blind.engines.is_empty());
        assert_eq!(blind.missing.len(), FAULTS.len());
    }

    #[test]
    fn the_last_64_ends_are_kept_each_once() {
        let mut node = node(None);
        for n in 0..70 {
            node.ended(&n.to_string(), None, None);
        }
        node.ended("69", Some("t".into()), None);
        let ended = node.status(vec![], &Guard::Untried, "now".into()).ended;
        assert_eq!((ended.len(), ended[0].uid.as_str()), (ENDED, "6"));
        assert_eq!(ended.last().unwrap().effect_ended.as_deref(), Some("t"));
        node.ended("69", None, None);
        let ended = node.status(vec![], &Guard::Untried, "now".into()).ended;
        assert_eq!(ended.last().unwrap().effect_ended.as_deref(), Some("t"), "an attestation is taken back");
    }

    #[test]
    fn what_a_predecessor_attested_is_kept_before_ones_own() {
        let one = |uid: &str, at: &str| EndedInjection { uid: uid.into(), effect_ended: Some(at.into()), clean: None };
        let mut node = node(None);
        node.ended("b", Some("own".into()), None);
        node.remember(vec![one("a", "before"), one("b", "before")]);
        let ended = node.status(vec![], &Guard::Proven, "now".into()).ended;
        assert_eq!(ended, [one("a", "before"), one("b", "own")]);
    }

    #[test]
    fn a_halt_that_is_lifted_is_no_longer_attested() {
        let mut node = node(None);
        assert!(node.halt_attested("h"));
        assert!(!node.halt_attested("h"));
        assert!(node.halts_standing(&BTreeSet::new()));
        assert!(node.status(vec![], &Guard::Proven, "now".into()).halts.is_empty());
    }
}
