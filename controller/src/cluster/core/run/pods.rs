//! Faults that the controller carries out itself: pods deleted or evicted, one after another.
//!
//! Before each one the Halts are listed anew, by quorum: a watch may be behind. The pod's UID is a precondition of the
//! request, so that its successor of the same name is never hit. A pod is done when its UID is gone.
//!
//! ```text
//! Waiting -> list halts -> act -> Going -> gone: Done | after grace + 30 s: read once more -> Done | Unknown
//!    \<-- 429, no answer --/   \-> "no": Refused
//! ```

use super::halted;
use crate::cluster::core::event::{Act, Key, OpId, Outcome, PodRef, Uid};
use crate::cluster::core::retry::Retry;
use rumpus_model::cluster::world::Place;
use rumpus_model::cluster::{ClusterPlan, PodTarget, Text};
use rumpus_model::fault::Fault;
use std::time::Duration;

/// What a pod is given whose own grace period is not known: the API's default.
const GRACE: Duration = Duration::from_secs(30);
/// How much longer than its grace period a pod may take to be gone.
const SLACK: Duration = Duration::from_secs(30);

/// Where one pod stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Waiting,
    /// Asked for; it must be gone by then.
    Going {
        until: Duration,
    },
    Done,
    Refused {
        why: String,
    },
    Failed {
        why: String,
    },
    Unknown,
    /// The run ended before its turn came.
    Skipped,
}

impl Standing {
    fn is_over(&self) -> bool {
        match self {
            Self::Waiting | Self::Going { .. } => false,
            Self::Done | Self::Refused { .. } | Self::Failed { .. } | Self::Unknown | Self::Skipped => true,
        }
    }
}

/// One pod of the plan.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) pod: PodTarget,
    pub(crate) standing: Standing,
    /// When it was first asked for, plus what it may take.
    until: Option<Duration>,
    /// A request may have been carried out unseen.
    doubt: bool,
    /// Its UID is gone: the watch may say so before the answer is there.
    gone: bool,
    retry: Retry,
}

/// What came of an answer.
#[derive(Debug)]
pub(super) enum Answer {
    Taken,
    Halted { halt: String, reason: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Halts,
    Act,
    Read,
}

/// All pods of one run.
#[derive(Debug, Default)]
pub(super) struct Pods {
    pub(super) tasks: Vec<Task>,
    /// How many were planned by a predecessor, of which nothing is known.
    pub(super) lost: i64,
    evict: bool,
    grace: Option<Duration>,
    pending: Option<(Option<OpId>, usize, Step)>,
    /// The Halts were listed for this one, and none is about it.
    cleared: Option<usize>,
}

impl Pods {
    pub(super) fn planned(&mut self, plan: &ClusterPlan) {
        let (evict, grace) = match &plan.fault {
            Fault::PodDelete(delete) => (false, delete.grace_period),
            Fault::PodEvict(evict) => (true, evict.grace_period),
            Fault::Kill(_) | Fault::Latency(_) | Fault::Loss(_) | Fault::Partition(_) => return,
        };
        (self.evict, self.grace) = (evict, grace);
        let task = |pod: &PodTarget| Task {
            pod: pod.clone(),
            standing: Standing::Waiting,
            until: None,
            doubt: false,
            gone: false,
            retry: Retry::default(),
        };
        self.tasks = plan.cluster_targets.iter().map(task).collect();
    }

    pub(super) fn given_up(&mut self, planned: i64) {
        self.lost = planned;
    }

    pub(super) fn is_any(&self) -> bool {
        !self.tasks.is_empty() || self.lost > 0
    }

    pub(super) fn is_over(&self) -> bool {
        self.pending.is_none() && self.tasks.iter().all(|t| t.standing.is_over())
    }

    /// Returns every pod, and where it belongs.
    pub(super) fn places(&self) -> impl Iterator<Item = (Text, Place)> {
        let place = |pod: &PodTarget| {
            let owner = pod.owner_uid.as_ref().unwrap_or(&pod.uid);
            Place { namespace: Some(pod.namespace.as_str().into()), owner: Some(owner.as_str().into()) }
        };
        self.tasks.iter().map(move |t| (t.pod.uid.as_str().into(), place(&t.pod)))
    }

    /// Returns whether a request for any of them was ever on its way.
    pub(super) fn is_begun(&self) -> bool {
        self.lost > 0 || self.tasks.iter().any(|t| t.until.is_some())
    }

    /// Returns how long a pod may take to be gone.
    pub(super) fn allowed(&self) -> Duration {
        self.grace.unwrap_or(GRACE) + SLACK
    }

    pub(super) fn is_asked(&self, op: OpId) -> bool {
        self.pending.is_some_and(|(pending, ..)| pending == Some(op))
    }

    pub(super) fn asked(&mut self, op: OpId) {
        if let Some((pending, ..)) = &mut self.pending {
            *pending = Some(op);
        }
    }

    pub(super) fn vanished(&mut self, uid: &Uid) {
        for task in self.tasks.iter_mut().filter(|t| t.pod.uid == *uid) {
            task.gone = true;
            if let Standing::Going { .. } = task.standing {
                task.standing = Standing::Done;
            }
        }
    }

    pub(super) fn skip_the_rest(&mut self) {
        let busy = self.pending.map(|(_, index, _)| index);
        for (index, task) in self.tasks.iter_mut().enumerate() {
            // One whose request may have been carried out is waited for.
            if task.standing == Standing::Waiting && busy != Some(index) {
                task.standing = match task.until {
                    Some(until) if task.doubt => Standing::Going { until },
                    Some(_) | None => Standing::Skipped,
                };
            }
        }
    }

    /// Returns the next effect; `go` is whether another pod may be hit.
    pub(super) fn next(&mut self, now: Duration, go: bool) -> Option<Act> {
        if self.pending.is_some() {
            return None;
        }
        let late = |t: &Task| matches!(t.standing, Standing::Going { until } if now >= until);
        if let Some(index) = self.tasks.iter().position(late) {
            self.pending = Some((None, index, Step::Read));
            return Some(Act::ReadPod(key(&self.tasks[index].pod)));
        }
        let cleared = self.cleared.take();
        let ready = |t: &Task| t.standing == Standing::Waiting && t.retry.is_due(now);
        let index = self.tasks.iter().position(ready).filter(|_| go)?;
        if cleared != Some(index) {
            self.pending = Some((None, index, Step::Halts));
            return Some(Act::ListHalts);
        }
        let allowed = self.allowed();
        let task = &mut self.tasks[index];
        task.until.get_or_insert(now + allowed);
        let grace = self.grace.map(|g| i64::try_from(g.as_secs()).unwrap_or(i64::MAX));
        let pod = PodRef { key: key(&task.pod), uid: task.pod.uid.clone(), grace };
        self.pending = Some((None, index, Step::Act));
        Some(if self.evict { Act::EvictPod(pod) } else { Act::DeletePod(pod) })
    }

    pub(super) fn done(&mut self, now: Duration, outcome: Outcome, run: &Key) -> Answer {
        let Some((_, index, step)) = self.pending.take() else { return Answer::Taken };
        let Some(task) = self.tasks.get_mut(index) else { return Answer::Taken };
        match (step, outcome) {
            (Step::Halts, Outcome::Halts(halts)) => {
                let namespaces = [task.pod.namespace.as_str()];
                match halted::of_part(&halts, run, &task.pod.node, namespaces.into_iter()) {
                    None => self.cleared = Some(index),
                    Some(halt) => {
                        return Answer::Halted { halt: halt.name.to_string(), reason: halt.reason.clone() };
                    }
                }
            }
            (Step::Act, outcome) => task.acted(now, outcome),
            (Step::Read, Outcome::Missing) => task.standing = Standing::Done,
            (Step::Read, Outcome::Pod { uid }) => {
                task.standing = if uid == task.pod.uid { Standing::Unknown } else { Standing::Done };
            }
            (Step::Read, _) => task.standing = Standing::Unknown,
            (Step::Halts, _) => task.retry.failed(now),
        }
        Answer::Taken
    }

    pub(super) fn wake_at(&self, now: Duration) -> Option<Duration> {
        let timer = |t: &Task| match t.standing {
            Standing::Going { until } => Some(until),
            Standing::Waiting => t.retry.wake_at(now),
            Standing::Done
            | Standing::Refused { .. }
            | Standing::Failed { .. }
            | Standing::Unknown
            | Standing::Skipped => None,
        };
        self.tasks.iter().filter_map(timer).min()
    }
}

impl Task {
    fn acted(&mut self, now: Duration, outcome: Outcome) {
        let until = self.until.unwrap_or(now);
        self.doubt |= matches!(outcome, Outcome::Unknown { .. });
        match outcome {
            Outcome::Done if self.gone => self.standing = Standing::Done,
            Outcome::Done => self.standing = Standing::Going { until },
            // Another UID, or none: this one is gone.
            Outcome::Missing | Outcome::Conflict => self.standing = Standing::Done,
            Outcome::Refused { why } => self.standing = Standing::Refused { why },
            Outcome::Busy { why } if now >= until => self.standing = Standing::Failed { why },
            Outcome::Unknown { .. } if now >= until => self.standing = Standing::Going { until },
            // The same request again is harmless: its UID is the precondition.
            Outcome::Busy { .. }
            | Outcome::Unknown { .. }
            | Outcome::Exists
            | Outcome::Planned(_)
            | Outcome::Agenda(_)
            | Outcome::Revised(_)
            | Outcome::Recovered { .. }
            | Outcome::Halts(_)
            | Outcome::Ledger(_)
            | Outcome::Policy(_)
            | Outcome::Run(_)
            | Outcome::Injection(_)
            | Outcome::Pod { .. }
            | Outcome::Closed(_)
            | Outcome::Reviewed { .. } => self.retry.failed(now),
        }
    }
}

fn key(pod: &PodTarget) -> Key {
    Key { namespace: pod.namespace.clone(), name: pod.pod.clone() }
}
