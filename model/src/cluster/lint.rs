//! Whether what a policy aims at is ready for chaos: what a workload should have before one of its pods is taken from it.
//!
//! It looks at everything that the selector means, also at what may not be hit yet: it is asked before a namespace opts
//! in. It refuses nothing.

use super::guard::budgets;
use super::plan::RunInput;
use super::pod::Pod;
use super::refusal::ClusterRefusal;
use super::select::{Asked, Reason, Verdict};
use super::world::{Known, Pdb, Seconds, Unknown, World};
use crate::select::Selector;
use crate::wire::Truth;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// Most workloads that a sentence names.
const NAMED: usize = 5;

/// What was looked at, and what it lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lint {
    pub policy: String,
    /// By name.
    pub workloads: Vec<Linted>,
    /// What could not be read, so that nothing is said of it.
    pub unread: Vec<ClusterRefusal>,
}

/// One workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Linted {
    /// `namespace/Kind/name`, or a pod that nobody owns.
    pub workload: String,
    /// How many of its pods the policy means.
    pub pods: usize,
    /// Empty: ready.
    pub lacks: BTreeSet<Lack>,
}

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Lack {
    SingleReplica,
    ReadinessProbe,
    DisruptionBudget,
    Spread,
}

impl Lack {
    pub const ALL: [Self; 4] = [Self::SingleReplica, Self::ReadinessProbe, Self::DisruptionBudget, Self::Spread];

    pub fn why(self) -> &'static str {
        match self {
            Self::SingleReplica => "it wants one pod at most, or nobody makes it anew: with one pod all of it is gone",
            Self::ReadinessProbe => "a pod has no readiness probe: traffic goes on to one that cannot serve",
            Self::DisruptionBudget => "no PodDisruptionBudget selects a pod: nothing bounds how many go at once",
            Self::Spread => "a pod has neither anti-affinity nor topology spread constraints: all may be on one node",
        }
    }

    pub fn hint(self) -> &'static str {
        match self {
            Self::SingleReplica => "scale it to two or more",
            Self::ReadinessProbe => "give a container that serves a readinessProbe",
            Self::DisruptionBudget => "`kubectl create poddisruptionbudget`",
            Self::Spread => "add topologySpreadConstraints by kubernetes.io/hostname",
        }
    }
}

impl Lint {
    /// Returns whether there is something, and nothing is missing or unread.
    pub fn is_ready(&self) -> bool {
        !self.workloads.is_empty() && self.unread.is_empty() && self.workloads.iter().all(|w| w.lacks.is_empty())
    }
}

/// What lint says in one sentence, as a condition has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Unknown: something could not be read, or nothing is selected.
    pub ready: Truth,
    /// One CamelCase word.
    pub reason: &'static str,
    pub message: String,
}

impl Lint {
    /// Returns it in one sentence.
    pub fn readiness(&self) -> Readiness {
        let lacking: Vec<&Linted> = self.workloads.iter().filter(|w| !w.lacks.is_empty()).collect();
        if let Some(unread) = self.unread.first() {
            return Readiness { ready: Truth::Unknown, reason: "Unread", message: unread.to_string() };
        }
        if self.workloads.is_empty() {
            let message = "the policy's selector means no pod".to_owned();
            return Readiness { ready: Truth::Unknown, reason: "NothingSelected", message };
        }
        let all = self.workloads.len();
        if lacking.is_empty() {
            let message = format!("{all} of {all} workloads lack nothing");
            return Readiness { ready: Truth::True, reason: "Ready", message };
        }
        let one = |w: &&Linted| {
            let lacks: Vec<String> = w.lacks.iter().map(|lack| format!("{lack:?}")).collect();
            format!("{} lacks {}", w.workload, lacks.join(", "))
        };
        let mut named: Vec<String> = lacking.iter().take(NAMED).map(one).collect();
        if lacking.len() > NAMED {
            named.push("and so on".to_owned());
        }
        let message = format!("{} of {all} workloads are not ready for chaos: {}", lacking.len(), named.join("; "));
        Readiness { ready: Truth::False, reason: "NotReady", message }
    }
}

/// Looks at everything that a policy means.
pub fn lint(world: &World, input: &RunInput, now: Seconds) -> Lint {
    let mut out = Lint { policy: input.policy.name.clone(), ..Lint::default() };
    let Selector::Pods(selector) = &input.policy.experiment.targets else { return out };
    let (asked, pods) = match Asked::new(world, selector, input, now) {
        Ok(found) => found,
        Err(refusals) => return Lint { unread: refusals, ..out },
    };
    out.unread.extend(unread("owners", &world.owners));
    out.unread.extend(unread("PodDisruptionBudgets", &world.budgets));
    let mut workloads: BTreeMap<String, Linted> = BTreeMap::new();
    let mut budgets: BTreeMap<&str, Vec<&Pdb>> = BTreeMap::new();
    for budget in world.budgets.iter().flatten() {
        budgets.entry(&budget.namespace).or_default().push(budget);
    }
    for pod in pods {
        match asked.judge(pod, asked.within(&pod.namespace)) {
            Verdict::Unmatched(_) | Verdict::LeftOut(Reason::Finished | Reason::Terminating) => continue,
            Verdict::Fit(_) | Verdict::LeftOut(_) => {}
        }
        let name = pod.owner.as_ref().map_or_else(|| pod.to_string(), |owner| format!("{}/{owner}", pod.namespace));
        let linted = workloads.entry(name).or_insert_with_key(|name| Linted {
            workload: name.clone(),
            pods: 0,
            lacks: BTreeSet::new(),
        });
        linted.pods += 1;
        match lacks(world, &budgets, pod) {
            Ok(lacks) => linted.lacks.extend(lacks),
            Err(refusal) if out.unread.contains(&refusal) => {}
            Err(refusal) => out.unread.push(refusal),
        }
    }
    out.workloads = workloads.into_values().collect();
    out
}

fn unread<T>(list: &str, known: &Known<T>) -> Option<ClusterRefusal> {
    known.as_ref().err().map(|Unknown { why }| ClusterRefusal::ListUnknown { list: list.into(), why: why.clone() })
}

fn lacks(world: &World, budgets: &BTreeMap<&str, Vec<&Pdb>>, pod: &Pod) -> Result<Vec<Lack>, ClusterRefusal> {
    // One on each node, and a drain passes it over.
    let daemon = pod.owner.as_ref().is_some_and(|owner| *owner.kind == *"DaemonSet");
    let single = match (&pod.owner, &world.owners) {
        (None, _) => true,
        (Some(_), Err(_)) => false,
        (Some(owner), Ok(owners)) => match owners.get(&owner.uid).and_then(|found| found.desired) {
            Some(desired) => desired <= 1,
            None => {
                let (owner, why) = (format!("{}/{owner}", pod.namespace), "nothing says so".into());
                return Err(ClusterRefusal::DesiredUnknown { owner, why });
            }
        },
    };
    let own = budgets.get(&*pod.namespace).map_or(&[][..], Vec::as_slice);
    let covered = own.iter().any(|budget| budgets::covers(budget, pod));
    let mut lacks = Vec::new();
    let found = [
        (Lack::SingleReplica, single && !daemon),
        (Lack::ReadinessProbe, !pod.readiness_probe),
        (Lack::DisruptionBudget, !daemon && world.budgets.is_ok() && !covered),
        (Lack::Spread, !daemon && !single && !pod.spread),
    ];
    lacks.extend(found.into_iter().filter(|(_, is)| *is).map(|(lack, _)| lack));
    Ok(lacks)
}
