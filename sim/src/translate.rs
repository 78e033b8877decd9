//! From what a controller wants to requests, and from answers to what came of it: what `act/` does with sockets.

use crate::api::{Answer, Kind, No, Object, Reply, Request};
use crate::controller::ledger_key;
use crate::plant::Plant;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use rumpus_cluster::{ChaosInjection, ChaosLedger, ChaosRun};
use rumpus_controller::cluster::core::event::{Act, Key, LedgerSeen, NewInjection, NewRun, OpId, Outcome};
use rumpus_controller::cluster::core::lease;
use rumpus_controller::cluster::{observe, seen};
use rumpus_model::wire::ledger::LEDGER;
use rumpus_model::wire::{API_VERSION, LedgerSpec, POLICY_KIND, RUN_KIND};
use std::sync::Arc;

/// Returns the one request of an act.
pub(crate) fn request(act: Act, plant: Option<Plant>, op: OpId) -> Option<Request> {
    match act {
        Act::Plan { .. } | Act::Revise { .. } | Act::Recover | Act::Review { .. } | Act::AskGates(_) | Act::Tell(_) => {
            None
        }
        Act::Agenda(_) | Act::WritePolicyStatus { .. } => None,
        Act::ReadPolicy(key) => Some(Request::Get(Kind::Policy, key)),
        Act::ReadGroups { name } => Some(Request::Get(Kind::Ledger, Key { namespace: String::new(), name })),
        Act::WriteGroups { name, resource_version, spec } => Some(write(name, resource_version, spec)),
        Act::Begin(new) => Some(begin(*new, plant, op)),
        Act::DeleteRun { key, uid } => Some(Request::Delete { kind: Kind::Run, key, uid: Some(uid) }),
        Act::ListHalts => Some(Request::List(Kind::Halt)),
        Act::ReadLedger => Some(Request::Get(Kind::Ledger, ledger_key())),
        Act::WriteLedger { resource_version, spec } => Some(write(LEDGER.into(), resource_version, spec)),
        Act::ReadRun(key) => Some(Request::Get(Kind::Run, key)),
        Act::ReadInjection(key) => Some(Request::Get(Kind::Injection, key)),
        Act::ReadPod(key) => Some(Request::Get(Kind::Pod, key)),
        Act::Create(mut new) => {
            if plant == Some(Plant::GeneratedNames) {
                new.key.name = format!("{}-{op}", new.key.name);
            }
            Some(create(*new))
        }
        Act::SetPhase { key, resource_version, phase, never_armed, .. } => {
            Some(Request::Phase { key, version: resource_version, phase, never_armed })
        }
        Act::DeleteInjection { key, uid } => Some(Request::Delete { kind: Kind::Injection, key, uid: Some(uid) }),
        Act::DeletePod(pod) | Act::EvictPod(pod) => {
            let uid = Some(pod.uid).filter(|_| plant != Some(Plant::PodByName));
            Some(Request::Delete { kind: Kind::Pod, key: pod.key, uid })
        }
        // It is told as written, and was not.
        Act::WriteStatus { key, .. } if plant == Some(Plant::LostRunStatus) => Some(Request::Get(Kind::Run, key)),
        Act::WriteStatus { key, resource_version: version, status } => {
            Some(Request::RunStatus { key, version, status })
        }
    }
}

/// A Ledger is created where no version was read.
fn write(name: String, version: Option<String>, spec: Box<LedgerSpec>) -> Request {
    let Some(version) = version else {
        let metadata = ObjectMeta { name: Some(name), ..ObjectMeta::default() };
        return Request::Create(Box::new(Object::Ledger(Arc::new(ChaosLedger::new(metadata, *spec)))));
    };
    Request::Ledger { key: Key { namespace: String::new(), name }, version, spec }
}

fn begin(mut new: NewRun, plant: Option<Plant>, op: OpId) -> Request {
    if plant == Some(Plant::GeneratedRuns) {
        new.key.name = format!("{}-{op}", new.key.name);
    }
    let metadata = owned(new.key, POLICY_KIND, new.policy, new.policy_uid);
    Request::Create(Box::new(Object::Run(Arc::new(ChaosRun::new(metadata, new.spec)))))
}

fn owned(key: Key, kind: &str, name: String, uid: String) -> ObjectMeta {
    let owner =
        OwnerReference { api_version: API_VERSION.into(), kind: kind.into(), name, uid, ..OwnerReference::default() };
    ObjectMeta {
        name: Some(key.name),
        namespace: Some(key.namespace),
        owner_references: Some(vec![owner]),
        ..ObjectMeta::default()
    }
}

fn create(new: NewInjection) -> Request {
    let run = new.spec.run.clone();
    let metadata = owned(new.key, RUN_KIND, run.name, run.uid);
    Request::Create(Box::new(Object::Injection(Arc::new(ChaosInjection::new(metadata, new.spec)))))
}

pub(crate) fn outcome(answer: Answer) -> Outcome {
    let why = || "as drawn".to_owned();
    match answer {
        Ok(Reply::One(object)) => match *object {
            Object::Injection(injection) => Outcome::Injection(Box::new(seen::injection(&injection))),
            Object::Pod(pod) => Outcome::Pod { uid: pod.metadata.uid.clone().unwrap_or_default() },
            Object::Run(run) => Outcome::Run(Box::new(seen::run(&run))),
            Object::Ledger(ledger) => {
                let resource_version = ledger.metadata.resource_version.clone().unwrap_or_default();
                Outcome::Ledger(Box::new(LedgerSeen { resource_version, spec: ledger.spec.clone() }))
            }
            Object::Policy(policy) => Outcome::Policy(Box::new(seen::policy(&policy))),
            Object::Halt(_) | Object::Lease(_) | Object::Node(_) => Outcome::Done,
        },
        Ok(Reply::Many(all)) => {
            let row = |o: &Object| if let Object::Halt(halt) = o { Some(observe::halt(halt)) } else { None };
            Outcome::Halts(all.iter().filter_map(row).collect())
        }
        Ok(Reply::Done) => Outcome::Done,
        Err(No::Busy) => Outcome::Busy { why: why() },
        Err(No::Conflict) => Outcome::Conflict,
        Err(No::Exists) => Outcome::Exists,
        Err(No::Invalid) => Outcome::Refused { why: why() },
        Err(No::NotFound) => Outcome::Missing,
        Err(No::Server | No::Timeout) => Outcome::Unknown { why: why() },
    }
}

pub(crate) fn told_of_lease(answer: Answer, reads: bool) -> lease::Event {
    match answer {
        Ok(Reply::One(object)) => {
            let Object::Lease(lease) = *object else { return lease::Event::Unknown };
            let spec = lease.spec.clone().unwrap_or_default();
            let seen = lease::Seen {
                holder: spec.holder_identity.unwrap_or_default(),
                transitions: spec.lease_transitions.unwrap_or_default().into(),
                resource_version: lease.metadata.resource_version.clone().unwrap_or_default(),
            };
            if reads { lease::Event::Read(Some(seen)) } else { lease::Event::Written(seen) }
        }
        Ok(Reply::Done | Reply::Many(_)) => lease::Event::Unknown,
        Err(No::NotFound) if reads => lease::Event::Read(None),
        Err(No::NotFound | No::Conflict | No::Exists) => lease::Event::Lost,
        Err(No::Busy | No::Invalid | No::Server | No::Timeout) => lease::Event::Unknown,
    }
}
