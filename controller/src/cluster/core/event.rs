//! What the core is told and what it asks for: events in, commands out.
//!
//! One command is one effect, and what came of it comes back as an [`Outcome`]. "No answer" is an outcome of its own:
//! the effect may or may not have happened, and nothing may be built on either.

use jiff::Timestamp;
use rumpus_model::cluster::cooldown::Hits;
use rumpus_model::cluster::world::{HaltRow, Known, Reservation};
use rumpus_model::cluster::{ClusterPlan, PeerEntry, RunInput};
use rumpus_model::gate::HttpProbe;
use rumpus_model::schedule::agenda::{Agenda, Ask};
use rumpus_model::wire::{
    Condition, InjectionSpec, InjectionStatus, LedgerSpec, Phase, PolicySpec, PolicyStatus, RunSpec, RunStatus,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Names one command, so that its result finds its way back.
pub type OpId = u64;
/// An object's uid, as the API server gave it.
pub type Uid = String;

/// Both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Monotonic, of this process: every decision about waiting.
    pub boot: Duration,
    /// Written into objects for others; nothing is decided by its difference to another machine's.
    pub wall: Timestamp,
}

/// The name of an object inside a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub namespace: String,
    pub name: String,
}

/// A ChaosRun as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSeen {
    pub key: Key,
    pub uid: Uid,
    pub resource_version: String,
    pub generation: i64,
    /// It has a deletionTimestamp.
    pub deleting: bool,
    /// uids of the ChaosPolicies among its owners.
    pub owners: Vec<Uid>,
    pub spec: RunSpec,
    pub status: RunStatus,
}

/// A ChaosInjection as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct InjectionSeen {
    pub key: Key,
    pub uid: Uid,
    pub resource_version: String,
    pub deleting: bool,
    /// Whether it is known to have been cancelled before it was ever armed.
    pub never_armed: bool,
    pub spec: InjectionSpec,
    pub status: InjectionStatus,
}

/// A ChaosPolicy as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySeen {
    pub key: Key,
    pub uid: Uid,
    pub generation: i64,
    pub deleting: bool,
    pub spec: PolicySpec,
    /// As it was written last.
    pub ready: Option<Condition>,
}

/// The ChaosLedger as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerSeen {
    pub resource_version: String,
    pub spec: LedgerSpec,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The election: `Some(epoch)` while this process leads.
    Term(Option<i64>),
    /// Which of the admission policies and bindings that this program was built with do not stand: none is good. An
    /// error is "not known", and counts as missing.
    Guard(Result<Vec<String>, String>),
    Run(Box<RunSeen>),
    RunGone(Uid),
    Injection(Box<InjectionSeen>),
    InjectionGone(Uid),
    Policy(Box<PolicySeen>),
    PolicyGone(Uid),
    /// All Halts that stand; an error is "not known".
    Halts(Result<Vec<HaltRow>, String>),
    /// Injections that a node says have ended.
    Ended {
        node: String,
        injections: BTreeSet<Uid>,
    },
    PodGone(Uid),
    /// Addresses in the cluster may have changed.
    AddressesChanged,
    /// SIGTERM: begin nothing any more.
    Drain,
    Done {
        op: OpId,
        outcome: Outcome,
    },
    /// Time has passed.
    Wake,
}

/// One effect.
#[derive(Clone, Debug)]
pub struct Command {
    pub op: OpId,
    pub act: Act,
}

/// A closed set of effects.
#[derive(Clone, Debug)]
pub enum Act {
    /// Take a snapshot and let the model plan.
    Plan {
        input: Box<RunInput>,
        /// What other runs hold: the snapshot's `active`.
        active: Vec<Reservation>,
        hits: Known<Arc<Hits>>,
    },
    /// Take a snapshot and let the model compare the peers that were armed with it.
    Revise {
        input: Box<RunInput>,
        armed: Vec<PeerEntry>,
    },
    /// Take a snapshot and let the model say what is due of a policy.
    Agenda(Box<Ask>),
    /// List all ChaosRuns and ChaosInjections, by quorum.
    Recover,
    /// List all ChaosHalts, by quorum.
    ListHalts,
    ReadLedger,
    /// Read the Ledger of a namespace's groups, by its name.
    ReadGroups {
        name: String,
    },
    ReadPolicy(Key),
    ReadRun(Key),
    ReadInjection(Key),
    ReadPod(Key),
    /// Ask whether this service account may delete pods in each of these namespaces; `None` is all of them.
    Review {
        account: Key,
        namespaces: Option<BTreeSet<String>>,
    },
    /// Ask what must be well before a run begins, each over the network.
    AskGates(Vec<HttpGate>),
    Create(Box<NewInjection>),
    /// Create the run of a slot.
    Begin(Box<NewRun>),
    /// Take away one of many finished runs.
    DeleteRun {
        key: Key,
        uid: Uid,
    },
    SetPhase {
        key: Key,
        resource_version: String,
        /// As it was read.
        spec: Box<InjectionSpec>,
        phase: Phase,
        /// Written beside a cancellation, so that a restart knows that nobody has to attest anything.
        never_armed: bool,
    },
    DeleteInjection {
        key: Key,
        uid: Uid,
    },
    DeletePod(PodRef),
    EvictPod(PodRef),
    /// Create it where no version is given.
    WriteLedger {
        resource_version: Option<String>,
        spec: Box<LedgerSpec>,
    },
    /// Create it where no version is given.
    WriteGroups {
        name: String,
        resource_version: Option<String>,
        spec: Box<LedgerSpec>,
    },
    /// Answered with the run as it is then; a conflict where it is of another version.
    WriteStatus {
        key: Key,
        resource_version: String,
        status: Box<RunStatus>,
    },
    /// What a policy's schedule will do.
    WritePolicyStatus {
        key: Key,
        uid: Uid,
        status: Box<PolicyStatus>,
    },
    Tell(Box<Telling>),
}

/// A gate that is asked over the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGate {
    pub name: String,
    pub probe: HttpProbe,
}

/// A gate that said no, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedGate {
    pub name: String,
    pub why: String,
}

/// An injection to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct NewInjection {
    pub key: Key,
    pub spec: InjectionSpec,
}

/// A run that a schedule begins, owned by its policy.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    pub key: Key,
    pub policy: String,
    pub policy_uid: Uid,
    pub spec: RunSpec,
}

/// A pod that must be this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRef {
    pub key: Key,
    pub uid: Uid,
    /// Seconds; the pod's own where absent.
    pub grace: Option<i64>,
}

/// An Event of Kubernetes about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    pub run: Key,
    pub uid: Uid,
    pub warning: bool,
    /// CamelCase.
    pub reason: String,
    pub message: String,
}

/// What is to be done about a fault's other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revised {
    /// Arm these instead.
    Change(Vec<PeerEntry>),
    /// Nobody is left.
    End,
    Keep,
    /// It could not be read.
    Unknown {
        why: String,
    },
}

/// What came of a command.
#[derive(Clone, Debug)]
pub enum Outcome {
    Planned(Box<ClusterPlan>),
    Agenda(Box<Agenda>),
    Revised(Revised),
    Recovered {
        runs: Vec<RunSeen>,
        injections: Vec<InjectionSeen>,
    },
    Halts(Vec<HaltRow>),
    Ledger(Box<LedgerSeen>),
    Policy(Box<PolicySeen>),
    Run(Box<RunSeen>),
    Injection(Box<InjectionSeen>),
    Pod {
        uid: Uid,
    },
    /// Namespaces in which the account may not.
    Reviewed {
        denied: Vec<String>,
    },
    /// Gates that said no, and why.
    Closed(Vec<ClosedGate>),
    /// A write was accepted.
    Done,
    /// 404.
    Missing,
    /// 409 AlreadyExists.
    Exists,
    /// 409 Conflict: a precondition does not hold.
    Conflict,
    /// 429.
    Busy {
        why: String,
    },
    /// 403, 422 and every other "no" that a second try does not change.
    Refused {
        why: String,
    },
    /// No answer, or 5xx: it may or may not have been done.
    Unknown {
        why: String,
    },
}
