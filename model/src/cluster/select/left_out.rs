//! What matched and is not hit: one reason each, counted, with the first few by name.

use crate::cluster::plan::LeftOut;
use crate::cluster::pod::Pod;
use crate::cluster::world::Text;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most examples of one reason; the rest is counted.
pub const EXAMPLES: usize = 10;

/// Why a pod was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    ContainerNotRunning,
    /// Its owner was hit within the policy's cooldown.
    CoolingDown,
    /// By the policy's `exclude`.
    Excluded,
    /// Succeeded or Failed.
    Finished,
    /// By its namespace's annotation, for now.
    Frozen,
    HostNetwork,
    /// By its annotation, and nothing narrower says otherwise.
    NamespaceDisabled,
    NamespaceExcluded,
    NamespaceUnknown,
    NoSuchContainer,
    NotOptedIn,
    /// It matched, and the pick took others.
    NotPicked,
    NotReady,
    NotScheduled,
    /// Neither enabled nor disabled.
    OptInUnclear,
    /// By its own label.
    OptedOut,
    OtherPhase,
    OwnerDisabled,
    /// As many of its owner are picked as may be.
    OwnerFull,
    /// Its owner says something about its share that is no percentage.
    OwnerLimitInvalid,
    /// Its owner lets no more be taken.
    OwnerLimited,
    PodDisabled,
    Protected,
    Ready,
    /// It runs in a kernel of its own.
    Sandboxed,
    Terminating,
    TooYoung,
    /// The label that it is weighted by says nothing that can be understood.
    WeightInvalid,
    WeightZero,
}

impl Reason {
    pub const ALL: [Self; 29] = [
        Self::ContainerNotRunning,
        Self::CoolingDown,
        Self::Excluded,
        Self::Finished,
        Self::Frozen,
        Self::HostNetwork,
        Self::NamespaceDisabled,
        Self::NamespaceExcluded,
        Self::NamespaceUnknown,
        Self::NoSuchContainer,
        Self::NotOptedIn,
        Self::NotPicked,
        Self::NotReady,
        Self::NotScheduled,
        Self::OptInUnclear,
        Self::OptedOut,
        Self::OtherPhase,
        Self::OwnerDisabled,
        Self::OwnerFull,
        Self::OwnerLimitInvalid,
        Self::OwnerLimited,
        Self::PodDisabled,
        Self::Protected,
        Self::Ready,
        Self::Sandboxed,
        Self::Terminating,
        Self::TooYoung,
        Self::WeightInvalid,
        Self::WeightZero,
    ];

    pub fn why(self) -> &'static str {
        match self {
            Self::ContainerNotRunning => "its container does not run",
            Self::CoolingDown => "its owner was hit within the policy's cooldown, or is being hit",
            Self::Excluded => "excluded by the policy",
            Self::Finished => "has succeeded or failed",
            Self::Frozen => "its namespace is frozen",
            Self::HostNetwork => "shares its node's network, which a network fault never hits",
            Self::NamespaceDisabled => {
                "its namespace says rumpus.dev/chaos: disabled, and nothing narrower says enabled"
            }
            Self::NamespaceExcluded => "its namespace carries rumpus.dev/exclude=true",
            Self::NamespaceUnknown => "its namespace could not be found",
            Self::NoSuchContainer => "has no such container",
            Self::NotOptedIn => "its namespace has not opted in",
            Self::NotPicked => "matched, not picked",
            Self::NotReady => "not ready",
            Self::NotScheduled => "is on no node",
            Self::OptInUnclear => {
                "its rumpus.dev/chaos, or its owner's or namespace's, is neither enabled nor disabled"
            }
            Self::OptedOut => "carries rumpus.dev/exclude=true",
            Self::OtherPhase => "is in another phase",
            Self::OwnerDisabled => "its owner says rumpus.dev/chaos: disabled",
            Self::OwnerFull => "matched, and enough of its owner are picked",
            Self::OwnerLimitInvalid => "picked, but its owner's rumpus.dev/max-percent is no percentage",
            Self::OwnerLimited => "picked, but its owner's rumpus.dev/max-percent lets no more be taken",
            Self::PodDisabled => "carries rumpus.dev/chaos=disabled",
            Self::Protected => "its namespace is protected",
            Self::Ready => "ready, and those are meant that are not",
            Self::Sandboxed => "runs in a sandbox (gVisor, Kata), which an agent does not reach",
            Self::Terminating => "is being deleted",
            Self::TooYoung => "too young",
            Self::WeightInvalid => "the label that it is weighted by is no whole number from 0 to 1000",
            Self::WeightZero => "its weight is 0",
        }
    }
}

/// Counts per reason, and the first few of each by name, whatever the order in which they came.
#[derive(Debug, Default)]
pub struct Tally {
    rows: BTreeMap<Reason, Row>,
    /// Pods by UID whose reason is asked for.
    watched: BTreeMap<Text, Option<Reason>>,
}

#[derive(Debug, Default)]
struct Row {
    count: usize,
    first: BTreeSet<(Arc<str>, Arc<str>)>,
}

impl Tally {
    /// Remembers the reason of each of these from here on.
    pub(crate) fn watch<'p>(&mut self, uids: impl Iterator<Item = &'p Text>) {
        self.watched = uids.map(|uid| (uid.clone(), None)).collect();
    }

    /// Returns the reason of a pod that is watched; of one that was only counted there is none.
    pub(crate) fn watched(&self, uid: &Text) -> Option<Reason> {
        self.watched.get(uid).copied().flatten()
    }

    pub(crate) fn add(&mut self, reason: Reason, pod: &Pod) {
        if !self.watched.is_empty()
            && let Some(watched) = self.watched.get_mut(&pod.uid)
        {
            *watched = Some(reason);
        }
        let row = self.rows.entry(reason).or_default();
        row.count += 1;
        let later = row.first.last().is_some_and(|(ns, name)| (&**ns, &**name) <= (&*pod.namespace, &*pod.name));
        if row.first.len() >= EXAMPLES {
            if later {
                return;
            }
            row.first.pop_last();
        }
        row.first.insert((pod.namespace.clone(), pod.name.clone()));
    }

    /// Counts pods that are not named.
    pub(crate) fn count(&mut self, reason: Reason, pods: usize) {
        self.rows.entry(reason).or_default().count += pods;
    }

    /// Returns how many were left out for each reason, in words.
    pub(crate) fn counts(&self) -> Vec<(String, usize)> {
        self.rows.iter().map(|(reason, row)| (reason.why().to_owned(), row.count)).collect()
    }

    pub(crate) fn list(self) -> Vec<LeftOut> {
        let row = |(reason, row): (Reason, Row)| LeftOut {
            reason: format!("{reason:?}"),
            why: reason.why().into(),
            count: row.count,
            examples: row.first.iter().map(|(ns, name)| format!("{ns}/{name}")).collect(),
        };
        self.rows.into_iter().map(row).collect()
    }
}
