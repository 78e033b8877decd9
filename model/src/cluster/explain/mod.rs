//! Why a policy hits the pods of one workload, or does not: the answers of selection and pick, told pod by pod.
//!
//! Nothing is decided here: each answer is that of the code which makes the plan.

mod question;
#[cfg(test)]
mod tests;

use super::pick;
use super::plan::{RunInput, plan};
use super::pod::Pod;
use super::refusal::ClusterRefusal;
use super::select::{self, Asked, Reason, Verdict, Within};
use super::world::{Seconds, World};
use crate::refusal::Refusal;
use crate::select::Selector;
pub use question::Question;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    pub namespace: String,
    /// `pod`, or the kind of an owner; capitals do not matter.
    pub kind: String,
    pub name: String,
}

/// What a policy does with the pods of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    pub workload: String,
    pub policy: String,
    /// Of the plan that the same inputs give.
    pub seed: String,
    /// In the order of their names.
    pub pods: Vec<Explained>,
    /// What refuses the run as a whole, as far as one of the pods may be hit or it is not known.
    pub refusals: Vec<Refusal>,
    pub notes: Vec<String>,
}

/// What a policy does with one pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// `namespace/name`.
    pub pod: String,
    pub fate: Fate,
    /// Of the reason, in CamelCase; absent where it is picked or not selected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub why: String,
    /// Up to the first no.
    pub asked: Vec<Answer>,
}

/// What becomes of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Fate {
    LeftOut,
    /// It may be hit, and the pick took others.
    NotPicked,
    /// The selector does not mean it.
    NotSelected,
    Picked,
}

/// One question, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    pub question: &'static str,
    pub yes: bool,
    pub fact: String,
}

/// Explains; `None` where there is no such workload.
pub fn explain(world: &World, input: &RunInput, now: Seconds, workload: &Workload) -> Option<Explanation> {
    let input = &*input.settled();
    let plan = plan(world, input, now);
    let mut out = Explanation {
        workload: workload.to_string(),
        policy: plan.policy,
        seed: plan.seed,
        pods: Vec::new(),
        refusals: plan.refusals,
        notes: plan.notes,
    };
    let Selector::Pods(selector) = &input.policy.experiment.targets else { return Some(out) };
    let Ok((asked, pods)) = Asked::new(world, selector, input, now) else { return Some(out) };
    let mut of: Vec<&Pod> = pods.iter().map(|pod| &**pod).filter(|pod| workload.owns(pod)).collect();
    if of.is_empty() && !workload.is_there(world) {
        return None;
    }
    of.sort_unstable_by_key(|pod| &pod.name);
    let mut found = select::find(world, selector, input, now);
    found.left_out.watch(of.iter().map(|pod| &pod.uid));
    let taken = pick::take(world, &mut found, input);
    let picked: BTreeSet<&str> = taken.iter().map(|candidate| &*candidate.pod.uid).collect();
    for pod in of {
        let within = asked.within(&pod.namespace);
        let no = match asked.judge(pod, within) {
            Verdict::Fit(_) if picked.contains(&*pod.uid) => None,
            Verdict::Fit(_) => Some(No::Left(found.left_out.watched(&pod.uid).unwrap_or(Reason::NotPicked))),
            Verdict::LeftOut(reason) => Some(No::Left(reason)),
            Verdict::Unmatched(missed) => Some(No::Missed(missed)),
        };
        out.pods.push(told(&asked, pod, within, no));
    }
    if !out.is_candidate() {
        out.refusals.retain(is_unread);
    }
    Some(out)
}

/// The first no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum No {
    Left(Reason),
    Missed(select::judge::Missed),
}

fn told(asked: &Asked<'_>, pod: &Pod, within: Within<'_>, no: Option<No>) -> Explained {
    let last = no.map_or(Question::Pick, Question::of);
    let answers = Question::ALL.into_iter().take_while(|q| *q <= last).map(|question| Answer {
        question: question.text(),
        yes: question < last || no.is_none(),
        fact: question.fact(asked, pod, within, if question == last { no } else { None }),
    });
    let (fate, reason, why) = match no {
        None => (Fate::Picked, None, "picked"),
        Some(No::Missed(_)) => (Fate::NotSelected, None, "the policy does not select it"),
        Some(No::Left(reason)) => {
            let taken = matches!(reason, Reason::NotPicked | Reason::OwnerFull | Reason::OwnerLimited);
            (if taken { Fate::NotPicked } else { Fate::LeftOut }, Some(format!("{reason:?}")), reason.why())
        }
    };
    Explained { pod: pod.to_string(), fate, reason, why: why.to_owned(), asked: answers.collect() }
}

impl Explanation {
    /// Returns whether one of its pods may be hit.
    pub fn is_candidate(&self) -> bool {
        self.pods.iter().any(|pod| matches!(pod.fate, Fate::Picked | Fate::NotPicked))
    }

    /// Returns whether something that it stands on could not be read.
    pub fn is_unread(&self) -> bool {
        self.refusals.iter().any(is_unread)
    }
}

fn is_unread(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Cluster(ClusterRefusal::ListUnknown { .. }))
}

impl Workload {
    /// Returns whether a pod is the one, or one of it.
    fn owns(&self, pod: &Pod) -> bool {
        *pod.namespace == *self.namespace
            && if self.kind.eq_ignore_ascii_case("pod") {
                *pod.name == *self.name
            } else {
                pod.owner.as_ref().is_some_and(|owner| self.is(&owner.kind, &owner.name))
            }
    }

    /// Returns whether an owner of this name is known, with or without pods.
    fn is_there(&self, world: &World) -> bool {
        let named =
            |owner: &super::world::Owner| *owner.namespace == *self.namespace && self.is(&owner.kind, &owner.name);
        world.owners.iter().flatten().any(|(_, owner)| named(owner))
    }

    fn is(&self, kind: &str, name: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.name == name
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.kind, self.name)
    }
}
