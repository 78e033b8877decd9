//! The API server: a store with one count of versions, preconditions, garbage collection by owner, and what a watch is
//! told. It has no opinion about what a spec means, beyond what the real one's rules refuse.
//! `tests/cluster/admission/conform/` gives the same requests to it and to a real one.

use crate::plant::Plant;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use rumpus_cluster::{ChaosHalt, ChaosInjection, ChaosLedger, ChaosNode, ChaosPolicy, ChaosRun};
use rumpus_controller::cluster::core::event::Key;
use rumpus_controller::cluster::seen::NEVER_ARMED;
use rumpus_model::wire::{InjectionStatus, LedgerSpec, NodeStatus, Phase, PolicySpec, RunState, RunStatus};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The kinds that are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    Halt,
    Injection,
    Lease,
    Ledger,
    Node,
    Pod,
    Policy,
    Run,
}

/// A pod, as far as anybody here looks at it.
#[derive(Clone, Debug, PartialEq)]
pub struct PodObject {
    pub metadata: ObjectMeta,
    pub node: usize,
}

/// A stored object.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    Halt(Arc<ChaosHalt>),
    Injection(Arc<ChaosInjection>),
    Lease(Arc<Lease>),
    Ledger(Arc<ChaosLedger>),
    Node(Arc<ChaosNode>),
    Pod(Arc<PodObject>),
    Policy(Arc<ChaosPolicy>),
    Run(Arc<ChaosRun>),
}

impl Object {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Halt(_) => Kind::Halt,
            Self::Injection(_) => Kind::Injection,
            Self::Lease(_) => Kind::Lease,
            Self::Ledger(_) => Kind::Ledger,
            Self::Node(_) => Kind::Node,
            Self::Pod(_) => Kind::Pod,
            Self::Policy(_) => Kind::Policy,
            Self::Run(_) => Kind::Run,
        }
    }

    pub fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Halt(o) => &o.metadata,
            Self::Injection(o) => &o.metadata,
            Self::Lease(o) => &o.metadata,
            Self::Ledger(o) => &o.metadata,
            Self::Node(o) => &o.metadata,
            Self::Pod(o) => &o.metadata,
            Self::Policy(o) => &o.metadata,
            Self::Run(o) => &o.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Halt(o) => &mut Arc::make_mut(o).metadata,
            Self::Injection(o) => &mut Arc::make_mut(o).metadata,
            Self::Lease(o) => &mut Arc::make_mut(o).metadata,
            Self::Ledger(o) => &mut Arc::make_mut(o).metadata,
            Self::Node(o) => &mut Arc::make_mut(o).metadata,
            Self::Pod(o) => &mut Arc::make_mut(o).metadata,
            Self::Policy(o) => &mut Arc::make_mut(o).metadata,
            Self::Run(o) => &mut Arc::make_mut(o).metadata,
        }
    }

    /// Whether the spec of another version differs: that counts as a generation.
    fn asks_for_other_than(&self, later: &Self) -> bool {
        match (self, later) {
            (Self::Halt(one), Self::Halt(other)) => one.spec != other.spec,
            (Self::Injection(one), Self::Injection(other)) => one.spec != other.spec,
            (Self::Ledger(one), Self::Ledger(other)) => one.spec != other.spec,
            (Self::Policy(one), Self::Policy(other)) => one.spec != other.spec,
            (Self::Run(one), Self::Run(other)) => one.spec != other.spec,
            (_, _) => false,
        }
    }

    pub fn uid(&self) -> &str {
        self.meta().uid.as_deref().unwrap_or_default()
    }

    pub fn key(&self) -> Key {
        key_of(self.meta())
    }
}

/// Returns an object's place.
pub fn key_of(meta: &ObjectMeta) -> Key {
    Key { namespace: meta.namespace.clone().unwrap_or_default(), name: meta.name.clone().unwrap_or_default() }
}

/// One request.
#[derive(Clone, Debug)]
pub enum Request {
    Create(Box<Object>),
    Delete {
        kind: Kind,
        key: Key,
        uid: Option<String>,
    },
    Get(Kind, Key),
    InjectionStatus {
        key: Key,
        uid: String,
        status: Box<InjectionStatus>,
    },
    Ledger {
        key: Key,
        version: String,
        spec: Box<LedgerSpec>,
    },
    List(Kind),
    NodeStatus {
        name: String,
        version: String,
        status: Box<NodeStatus>,
    },
    Phase {
        key: Key,
        version: String,
        phase: Phase,
        never_armed: bool,
    },
    /// By a user: the spec of a policy.
    Policy(Key, Box<PolicySpec>),
    Renew {
        key: Key,
        version: String,
        spec: Box<LeaseSpec>,
    },
    RunStatus {
        key: Key,
        version: String,
        status: Box<RunStatus>,
    },
    /// By a user: `spec.stop`.
    Stop(Key),
}

/// A good answer.
#[derive(Clone, Debug)]
pub enum Reply {
    Done,
    Many(Vec<Object>),
    One(Box<Object>),
}

/// A bad one, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    /// 429.
    Busy,
    Conflict,
    Exists,
    Invalid,
    NotFound,
    /// 5xx: it may have been done.
    Server,
    /// Nobody answered: it may have been done.
    Timeout,
}

impl No {
    /// Its name, for counting.
    pub fn name(self) -> &'static str {
        match self {
            Self::Busy => "429",
            Self::Conflict => "409 of a precondition",
            Self::Exists => "409 of a name",
            Self::Invalid => "422",
            Self::NotFound => "404",
            Self::Server => "5xx",
            Self::Timeout => "no answer in time",
        }
    }
}

pub type Answer = Result<Reply, No>;

/// What a watch is told of one object.
#[derive(Clone, Debug)]
pub enum Told {
    Changed(Object),
    Gone(Object),
}

/// What is stored.
#[derive(Debug, Default)]
pub struct Api {
    objects: BTreeMap<(Kind, Key), Object>,
    version: u64,
    uids: u64,
    /// What has changed since it was last asked.
    news: Vec<Told>,
    plant: Option<Plant>,
}

impl Api {
    pub fn new(plant: Option<Plant>) -> Self {
        Self { plant, ..Self::default() }
    }

    pub fn get(&self, kind: Kind, key: &Key) -> Option<&Object> {
        self.objects.get(&(kind, key.clone()))
    }

    pub fn list(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        self.objects.values().filter(move |o| o.kind() == kind)
    }

    pub fn injections(&self) -> impl Iterator<Item = &Arc<ChaosInjection>> {
        self.list(Kind::Injection).filter_map(|o| if let Object::Injection(i) = o { Some(i) } else { None })
    }

    pub fn runs(&self) -> impl Iterator<Item = &Arc<ChaosRun>> {
        self.list(Kind::Run).filter_map(|o| if let Object::Run(r) = o { Some(r) } else { None })
    }

    pub fn policies(&self) -> impl Iterator<Item = &Arc<ChaosPolicy>> {
        self.list(Kind::Policy).filter_map(|o| if let Object::Policy(p) = o { Some(p) } else { None })
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Arc<ChaosNode>> {
        self.list(Kind::Node).filter_map(|o| if let Object::Node(n) = o { Some(n) } else { None })
    }

    pub fn halts(&self) -> impl Iterator<Item = &Arc<ChaosHalt>> {
        self.list(Kind::Halt).filter_map(|o| if let Object::Halt(h) = o { Some(h) } else { None })
    }

    pub fn pods(&self) -> impl Iterator<Item = &Arc<PodObject>> {
        self.list(Kind::Pod).filter_map(|o| if let Object::Pod(p) = o { Some(p) } else { None })
    }

    pub fn take_news(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.news)
    }

    /// Carries one request out.
    pub fn carry_out(&mut self, request: Request) -> Answer {
        match request {
            Request::Get(kind, key) => self.find(kind, &key).map(|o| Reply::One(Box::new(o))),
            Request::List(kind) => Ok(Reply::Many(self.list(kind).cloned().collect())),
            Request::Create(object) => self.create(*object),
            Request::Delete { kind, key, uid } => self.delete(kind, &key, uid.as_deref()),
            Request::Phase { key, version, phase, never_armed } => self.phase(&key, &version, phase, never_armed),
            Request::InjectionStatus { key, uid, status } => self.injection_status(&key, &uid, *status),
            Request::RunStatus { key, version, status } => {
                let Object::Run(mut run) = self.find(Kind::Run, &key)? else { return Err(No::NotFound) };
                if run.metadata.resource_version.as_deref() != Some(&version) {
                    return Err(No::Conflict);
                }
                if run.status.as_ref() == Some(&*status) {
                    return Ok(Reply::One(Box::new(Object::Run(run))));
                }
                // The schema's rule: a finished run stays finished.
                let finished = |status: &RunStatus| status.state == Some(RunState::Finished);
                if run.status.as_ref().is_some_and(finished) && !finished(&status) {
                    return Err(No::Invalid);
                }
                Arc::make_mut(&mut run).status = Some(*status);
                Ok(self.store(Object::Run(run)))
            }
            Request::NodeStatus { name, version, status } => {
                let key = Key { namespace: String::new(), name };
                let Object::Node(mut node) = self.find(Kind::Node, &key)? else { return Err(No::NotFound) };
                if node.metadata.resource_version.as_deref() != Some(&version) {
                    return Err(No::Conflict);
                }
                Arc::make_mut(&mut node).status = Some(*status);
                Ok(self.store(Object::Node(node)))
            }
            Request::Renew { key, version, spec } => {
                let Object::Lease(mut lease) = self.find(Kind::Lease, &key)? else { return Err(No::NotFound) };
                let stale = lease.metadata.resource_version.as_deref() != Some(&version);
                if stale && self.plant != Some(Plant::TwoLeaders) {
                    return Err(No::Conflict);
                }
                Arc::make_mut(&mut lease).spec = Some(*spec);
                Ok(self.store(Object::Lease(lease)))
            }
            Request::Ledger { key, version, spec } => {
                let Object::Ledger(mut ledger) = self.find(Kind::Ledger, &key)? else { return Err(No::NotFound) };
                if ledger.metadata.resource_version.as_deref() != Some(&version) {
                    return Err(No::Conflict);
                }
                // The schema's rule: an epoch never goes back.
                if spec.epoch < ledger.spec.epoch {
                    return Err(No::Invalid);
                }
                Arc::make_mut(&mut ledger).spec = *spec;
                Ok(self.store(Object::Ledger(ledger)))
            }
            Request::Policy(key, spec) => {
                let Object::Policy(mut policy) = self.find(Kind::Policy, &key)? else { return Err(No::NotFound) };
                Arc::make_mut(&mut policy).spec = *spec;
                Ok(self.store(Object::Policy(policy)))
            }
            Request::Stop(key) => {
                let Object::Run(mut run) = self.find(Kind::Run, &key)? else { return Err(No::NotFound) };
                Arc::make_mut(&mut run).spec.stop = Some(true);
                Ok(self.store(Object::Run(run)))
            }
        }
    }

    fn find(&self, kind: Kind, key: &Key) -> Result<Object, No> {
        self.get(kind, key).cloned().ok_or(No::NotFound)
    }

    fn find_uid(&self, kind: Kind, key: &Key, uid: &str) -> Result<Object, No> {
        let object = self.find(kind, key)?;
        if object.uid() == uid { Ok(object) } else { Err(No::Conflict) }
    }

    fn create(&mut self, mut object: Object) -> Answer {
        let place = (object.kind(), object.key());
        if self.objects.contains_key(&place) {
            return Err(No::Exists);
        }
        self.uids += 1;
        let meta = object.meta_mut();
        meta.uid = Some(format!("u{}-{}", self.uids, place.1.name));
        meta.generation = Some(1);
        Ok(self.store(object))
    }

    /// Stores what is new; a write that changes nothing makes no version, and nobody is told of it.
    fn store(&mut self, mut object: Object) -> Reply {
        let place = (object.kind(), object.key());
        if let Some(before) = self.objects.get(&place) {
            if *before == object {
                return Reply::One(Box::new(object));
            }
            if before.asks_for_other_than(&object) {
                let generation = object.meta().generation.map(|g| g + 1);
                object.meta_mut().generation = generation;
            }
        }
        self.version += 1;
        object.meta_mut().resource_version = Some(self.version.to_string());
        self.objects.insert(place, object.clone());
        self.news.push(Told::Changed(object.clone()));
        Reply::One(Box::new(object))
    }

    fn delete(&mut self, kind: Kind, key: &Key, uid: Option<&str>) -> Answer {
        let object = match uid {
            Some(uid) => self.find_uid(kind, key, uid)?,
            None => self.find(kind, key)?,
        };
        if kind == Kind::Pod {
            // A pod is marked before it goes, and watches are told of both.
            let mut ending = object.clone();
            ending.meta_mut().deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
            drop(self.store(ending));
        }
        self.version += 1;
        self.objects.remove(&(kind, key.clone()));
        self.news.push(Told::Gone(object));
        Ok(Reply::Done)
    }

    fn phase(&mut self, key: &Key, version: &str, phase: Phase, never_armed: bool) -> Answer {
        let Object::Injection(mut injection) = self.find(Kind::Injection, key)? else { return Err(No::NotFound) };
        if injection.metadata.resource_version.as_deref() != Some(version) {
            return Err(No::Conflict);
        }
        // The schema's rule: a phase never goes back.
        if phase < injection.spec.phase {
            return Err(No::Invalid);
        }
        let changed = Arc::make_mut(&mut injection);
        changed.spec.phase = phase;
        if never_armed {
            let notes = changed.metadata.annotations.get_or_insert_default();
            notes.insert(NEVER_ARMED.into(), "true".into());
        }
        Ok(self.store(Object::Injection(injection)))
    }

    fn injection_status(&mut self, key: &Key, uid: &str, status: InjectionStatus) -> Answer {
        let found = self.find_uid(Kind::Injection, key, uid)?;
        let Object::Injection(mut injection) = found else { return Err(No::NotFound) };
        if injection.status.as_ref() == Some(&status) {
            return Ok(Reply::Done);
        }
        // The rule for agents: a final state stays as it is.
        let before = injection.status.as_ref().and_then(|s| s.state).filter(|s| s.is_final());
        if before.is_some() && status.state != before {
            return Err(No::Invalid);
        }
        Arc::make_mut(&mut injection).status = Some(status);
        Ok(self.store(Object::Injection(injection)))
    }

    /// Deletes what has no owner any more; what never had one stays.
    pub fn collect(&mut self) -> usize {
        let of = [(Kind::Run, Kind::Policy), (Kind::Injection, Kind::Run)];
        of.into_iter().map(|(kind, owner)| self.collect_kind(kind, owner)).sum()
    }

    fn collect_kind(&mut self, kind: Kind, owner: Kind) -> usize {
        let there: BTreeSet<String> = self.list(owner).map(|o| o.uid().to_owned()).collect();
        let is_orphan = |object: &&Object| {
            let owners = object.meta().owner_references.as_deref().unwrap_or_default();
            !owners.is_empty() && !owners.iter().any(|o| there.contains(&o.uid))
        };
        let orphans: Vec<Key> = self.list(kind).filter(is_orphan).map(Object::key).collect();
        orphans.iter().filter(|key| self.delete(kind, key, None).is_ok()).count()
    }
}
