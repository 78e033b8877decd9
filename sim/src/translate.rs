//! From what a controller wants to requests, and from answers to what came of it: what `act/` does with sockets.

use crate::api::{Answer, Kind, No, Object, Reply, Request};
use crate::controller::ledger_key;
use crate::plant::Plant;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use rumpus_cluster::{ChaosInjection, ChaosLedger};
use rumpus_controller::cluster::core::event::{Act, LedgerSeen, NewInjection, OpId, Outcome};
use rumpus_controller::cluster::core::lease;
use rumpus_controller::cluster::{observe, seen};
use rumpus_model::wire::ledger::LEDGER;
use rumpus_model::wire::{API_VERSION, RUN_KIND};
use std::sync::Arc;

/// Returns the one request of an act.
pub(crate) fn request(act: Act, plant: Option<Plant>, op: OpId) -> Option<Request> {
    match act {
        Act::Plan { .. } | Act::Revise { .. } | Act::Recover | Act::Review { .. } | Act::Tell(_) => None,
        Act::ReadPolicy(_) => None,
        Act::ListHalts => Some(Request::List(Kind::Halt)),
        Act::ReadLedger => Some(Request::Get(Kind::Ledger, ledger_key())),
        Act::WriteLedger { resource_version: Some(version), spec } => {
            Some(Request::Ledger { key: ledger_key(), version, spec })
        }
        Act::WriteLedger { resource_version: None, spec } => {
            let metadata = ObjectMeta { name: Some(LEDGER.into()), ..ObjectMeta::default() };
            Some(Request::Create(Box::new(Object::Ledger(Arc::new(ChaosLedger::new(metadata, *spec))))))
        }
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
        Act::WriteStatus { key, uid, status } => Some(Request::RunStatus { key, uid, status }),
    }
}

fn create(new: NewInjection) -> Request {
    let owner = OwnerReference {
        api_version: API_VERSION.into(),
        kind: RUN_KIND.into(),
        name: new.spec.run.name.clone(),
        uid: new.spec.run.uid.clone(),
        ..OwnerReference::default()
    };
    let metadata = ObjectMeta {
        name: Some(new.key.name),
        namespace: Some(new.key.namespace),
        owner_references: Some(vec![owner]),
        ..ObjectMeta::default()
    };
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
