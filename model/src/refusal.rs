//! Saying no, as a value with its facts.
//!
//! The same value is shown by the CLI and stored with the run. Each refusal has a hint: what to do about it.

use crate::cluster::refusal::ClusterRefusal;
use crate::duration;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A "no" to a whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The API server did not show that it enforces the rules that bind agents.
    AdmissionGuardMissing {
        why: String,
    },
    /// More faults at a time than this node's agent allows.
    ConcurrencyLimit {
        most: usize,
    },
    /// Longer than this node's agent allows.
    DurationLimit {
        wanted: Duration,
        most: Duration,
    },
    /// The target shares the node's own network.
    HostNetwork {
        target: String,
    },
    /// The node does not know which namespace the pod is in.
    NamespaceUnknown {
        target: String,
        why: String,
    },
    /// The pod is in a namespace that this node's agent never touches.
    ProtectedNamespace {
        target: String,
        namespace: String,
    },
    /// Written by a controller that is no longer the leader.
    StaleEpoch {
        epoch: i64,
        current: i64,
    },
    /// What was asked for has no valid meaning; each with its field.
    Invalid {
        problems: Vec<String>,
    },
    /// The target's kernel already delays packets of the same peers.
    DelayOverlaps {
        target: String,
        table: String,
    },
    /// No engine of this node can do it; each with what the kernel said.
    EngineMissing {
        fault: String,
        tried: Vec<(String, String)>,
    },
    Halted {
        reason: String,
    },
    HaltUnreadable {
        why: String,
    },
    /// The way into the host could not be listed.
    LockoutUnknown {
        why: String,
    },
    /// All that the fault names is exempt.
    OnlyExempt {
        target: String,
    },
    NameUnknown {
        target: String,
        name: String,
        why: String,
    },
    NothingInFamily {
        target: String,
    },
    /// The device is not there.
    NoSuchDevice {
        target: String,
        device: String,
        has: Vec<String>,
    },
    /// The field has no meaning on a host, or is not built.
    NotHere {
        field: String,
        why: String,
        hint: String,
    },
    /// Something could not be restored earlier: nothing new is injected.
    Unrestored {
        what: String,
    },
    JournalUnwritable {
        why: String,
    },
    /// The target is not what was planned.
    TargetChanged {
        target: String,
        what: String,
    },
    /// The plan is not the one that was asked for: other targets, another fault, or nodes that do it otherwise.
    TargetsChanged {
        expected: String,
        found: String,
    },
    /// Nobody would notice the end of it.
    Expired,
    Busy {
        what: String,
    },
    /// To a run in a cluster.
    Cluster(ClusterRefusal),
    Failed {
        step: String,
        why: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AdmissionGuardMissing { why } => {
                write!(f, "the API server did not prove that it guards what agents may write: {why}")
            }
            Self::ConcurrencyLimit { most } => write!(f, "this node allows {most} faults at a time"),
            Self::DurationLimit { wanted, most } => {
                write!(f, "{} is longer than this node allows ({})", duration::show(*wanted), duration::show(*most))
            }
            Self::HostNetwork { target } => write!(f, "{target} shares the node's own network"),
            Self::NamespaceUnknown { target, why } => write!(f, "the namespace of {target} is not known here: {why}"),
            Self::ProtectedNamespace { target, namespace } => {
                write!(f, "{target} is in namespace {namespace}, which this node's agent never touches")
            }
            Self::StaleEpoch { epoch, current } => {
                write!(f, "it was written in epoch {epoch}, and the leader's is {current}")
            }
            Self::Invalid { problems } => write!(f, "it cannot be carried out as written: {}", problems.join("; ")),
            Self::DelayOverlaps { target, table } => {
                write!(f, "{target} already delays packets of the same peers (table {table})")
            }
            Self::EngineMissing { fault, tried } => {
                write!(f, "no engine of this node can do {fault}")?;
                tried.iter().try_for_each(|(engine, why)| write!(f, "; {engine}: {why}"))
            }
            Self::Halted { reason } => write!(f, "halted: {reason}"),
            Self::HaltUnreadable { why } => write!(f, "the halt file cannot be read, which counts as halted: {why}"),
            Self::LockoutUnknown { why } => write!(f, "the way into this host could not be listed: {why}"),
            Self::OnlyExempt { target } => write!(f, "on {target} the fault names only flows that are always exempt"),
            Self::NameUnknown { target, name, why } => write!(f, "{target} cannot resolve `{name}`: {why}"),
            Self::NothingInFamily { target } => write!(f, "nothing is left to hit on {target} after the exclusions"),
            Self::NoSuchDevice { target, device, has } => {
                write!(f, "{target} has no device `{device}` (it has: {})", has.join(", "))
            }
            Self::NotHere { field, why, hint: _ } => write!(f, "{field}: {why}"),
            Self::Unrestored { what } => write!(f, "an earlier fault could not be restored: {what}"),
            Self::JournalUnwritable { why } => write!(f, "the journal cannot be written: {why}"),
            Self::TargetChanged { target, what } => write!(f, "{target} is not what was planned: {what}"),
            Self::TargetsChanged { expected, found } => {
                write!(f, "the plan has changed: its hash is {found}, and {expected} was asked for")
            }
            Self::Expired => f.write_str("no time is left before the deadline"),
            Self::Busy { what } => write!(f, "busy: {what}"),
            Self::Cluster(refusal) => write!(f, "{refusal}"),
            Self::Failed { step, why } => write!(f, "{step}: {why}"),
        }
    }
}

impl Refusal {
    /// Returns its name, as conditions and statuses show it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::AdmissionGuardMissing { .. } => "AdmissionGuardMissing",
            Self::ConcurrencyLimit { .. } => "ConcurrencyLimit",
            Self::DurationLimit { .. } => "DurationLimit",
            Self::HostNetwork { .. } => "HostNetwork",
            Self::NamespaceUnknown { .. } => "NamespaceUnknown",
            Self::ProtectedNamespace { .. } => "ProtectedNamespace",
            Self::StaleEpoch { .. } => "StaleEpoch",
            Self::Invalid { .. } => "Invalid",
            Self::DelayOverlaps { .. } => "DelayOverlaps",
            Self::EngineMissing { .. } => "EngineMissing",
            Self::Halted { .. } => "Halted",
            Self::HaltUnreadable { .. } => "HaltUnreadable",
            Self::LockoutUnknown { .. } => "LockoutUnknown",
            Self::OnlyExempt { .. } => "OnlyExempt",
            Self::NameUnknown { .. } => "NameUnknown",
            Self::NothingInFamily { .. } => "NothingInFamily",
            Self::NoSuchDevice { .. } => "NoSuchDevice",
            Self::NotHere { .. } => "NotHere",
            Self::Unrestored { .. } => "Unrestored",
            Self::JournalUnwritable { .. } => "JournalUnwritable",
            Self::TargetChanged { .. } => "TargetChanged",
            Self::TargetsChanged { .. } => "TargetsChanged",
            Self::Expired => "Expired",
            Self::Busy { .. } => "Busy",
            Self::Cluster(refusal) => refusal.reason(),
            Self::Failed { .. } => "Failed",
        }
    }

    /// Returns what the reader can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::AdmissionGuardMissing { .. } => {
                "see that the chart's admission policies and their bindings are there, with the action Deny".into()
            }
            Self::ConcurrencyLimit { .. } => "wait until another has ended, or raise the agent's limit".into(),
            Self::DurationLimit { .. } => "ask for a shorter duration, or raise the agent's limit".into(),
            Self::HostNetwork { .. } => "target pods that have a network of their own".into(),
            Self::NamespaceUnknown { .. } => "the agent needs the kubelet's /var/log/pods, read-only".into(),
            Self::ProtectedNamespace { .. } => "target another namespace".into(),
            Self::StaleEpoch { .. } => "the controller that leads now plans again".into(),
            Self::Invalid { .. } => "use a controller and an agent of one version".into(),
            Self::DelayOverlaps { .. } => "end the other delay first, or name disjoint peers".into(),
            Self::EngineMissing { .. } => {
                "`rumpus doctor` shows what this kernel has; load the module, or use another fault".into()
            }
            Self::Halted { .. } => "`rumpus resume` lifts the halt".into(),
            Self::HaltUnreadable { .. } => {
                "look at `halt.json` in the state directory; `rumpus resume` removes it".into()
            }
            Self::LockoutUnknown { .. } => "name a network namespace instead of the host".into(),
            Self::OnlyExempt { .. } => "name other peers or ports".into(),
            Self::NameUnknown { .. } => "write the address itself, or mend the target's resolver".into(),
            Self::NothingInFamily { .. } => "widen `peers` or narrow `except`".into(),
            Self::NoSuchDevice { .. } => "leave `device` out to mean every device but loopback".into(),
            Self::NotHere { hint, .. } => hint.clone(),
            Self::Unrestored { .. } => "`rumpus residue --clean` takes it away".into(),
            Self::JournalUnwritable { .. } => {
                "free space or remount the state directory, then `rumpus residue --clean`".into()
            }
            Self::TargetChanged { .. } => "plan again: `rumpus plan FILE`".into(),
            Self::TargetsChanged { .. } => "look at the plan as it is now, and ask for that one".into(),
            Self::Expired => "ask for a longer duration".into(),
            Self::Busy { .. } => "wait until it has ended; `rumpus active` shows it".into(),
            Self::Cluster(refusal) => refusal.hint(),
            Self::Failed { .. } => "`rumpus doctor` shows what this node can do".into(),
        }
    }
}
