//! Whether a workload is in the midst of a rollout: what `kubectl rollout status` asks, kind by kind.
//!
//! It must not take a pod that fell over later for a rollout: where a controller says by itself that the rollout is
//! over, that counts, and what is missing is the business of other guards.

use std::fmt;

/// Where a workload's rollout stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rollout {
    Done,
    /// Its kind has none, or nothing tells of it.
    #[default]
    None,
    Underway(Midst),
}

/// What is missing until a rollout is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Midst {
    /// Its controller has not looked at its present spec.
    NotObserved,
    /// Pods of an earlier template are left.
    OldLeft { old: u32 },
    /// Pods of the new template are not available.
    Unavailable { available: u32, wanted: u32 },
    /// What would tell is not in the object.
    Unread,
    /// Not all pods are of the new template.
    Updating { updated: u32, wanted: u32 },
}

/// What an object says of its pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub generation: Option<i64>,
    pub observed: Option<i64>,
    /// How many there should be.
    pub wanted: Option<u32>,
    /// How many there are, of whichever template.
    pub present: u32,
    /// Of the present template.
    pub updated: u32,
    /// Of those that serve: a StatefulSet's are the ready ones.
    pub available: u32,
}

impl Counts {
    /// Returns the wanted number once the controller has looked at the present spec.
    fn observed(&self) -> Result<u32, Midst> {
        let (Some(generation), Some(wanted)) = (self.generation, self.wanted) else { return Err(Midst::Unread) };
        if self.observed.is_some_and(|observed| observed >= generation) { Ok(wanted) } else { Err(Midst::NotObserved) }
    }
}

impl Rollout {
    /// Judges a Deployment; `complete` is its controller's word that the last rollout is over (condition Progressing,
    /// reason NewReplicaSetAvailable), which stays while pods come and go.
    pub fn of_deployment(counts: &Counts, complete: bool) -> Self {
        Self::judged(counts.observed().and_then(|wanted| {
            if complete && counts.present == counts.updated {
                return Ok(());
            }
            let updated = counts.updated;
            if updated < wanted {
                return Err(Midst::Updating { updated, wanted });
            }
            if counts.present > updated {
                return Err(Midst::OldLeft { old: counts.present - updated });
            }
            available(counts.available, updated)
        }))
    }

    /// Judges a StatefulSet; `partition` is how many of the first ones keep the earlier template, `complete` that its
    /// two revisions are one. Where pods are replaced by hand (OnDelete) nothing but the spec tells.
    pub fn of_stateful_set(counts: &Counts, rolling: bool, partition: u32, complete: bool) -> Self {
        Self::judged(counts.observed().and_then(|wanted| {
            if complete || !rolling {
                return Ok(());
            }
            let (updated, due) = (counts.updated, wanted.saturating_sub(partition));
            if updated < due || partition == 0 {
                return Err(Midst::Updating { updated, wanted: due });
            }
            available(counts.available, wanted)
        }))
    }

    /// Judges a DaemonSet, which has no word for a rollout that is over: a pod that is not available counts.
    pub fn of_daemon_set(counts: &Counts, rolling: bool) -> Self {
        Self::judged(counts.observed().and_then(|wanted| {
            let updated = counts.updated;
            if !rolling {
                return Ok(());
            }
            if updated < wanted {
                return Err(Midst::Updating { updated, wanted });
            }
            available(counts.available, wanted)
        }))
    }

    fn judged(judged: Result<(), Midst>) -> Self {
        judged.map_or_else(Self::Underway, |()| Self::Done)
    }
}

fn available(available: u32, wanted: u32) -> Result<(), Midst> {
    if available < wanted { Err(Midst::Unavailable { available, wanted }) } else { Ok(()) }
}

impl fmt::Display for Midst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotObserved => f.write_str("its present spec was not taken up yet"),
            Self::OldLeft { old } => write!(f, "{old} pods of its earlier template are left"),
            Self::Unavailable { available, wanted } => write!(f, "{available} of {wanted} pods are available"),
            Self::Unread => f.write_str("its generation or number of pods cannot be read"),
            Self::Updating { updated, wanted } => write!(f, "{updated} of {wanted} pods are updated"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Midst, Rollout};

    /// Three of three, all of the present template, all available.
    fn whole() -> Counts {
        let (generation, observed) = (Some(4), Some(4));
        Counts { generation, observed, wanted: Some(3), present: 3, updated: 3, available: 3 }
    }

    fn kinds(counts: &Counts) -> [Rollout; 3] {
        [
            Rollout::of_deployment(counts, false),
            Rollout::of_stateful_set(counts, true, 0, false),
            Rollout::of_daemon_set(counts, true),
        ]
    }

    #[test]
    fn a_spec_that_was_not_taken_up_or_cannot_be_read_is_a_rollout_of_every_kind() {
        let cases = [
            (Counts { observed: Some(3), ..whole() }, Midst::NotObserved),
            (Counts { observed: None, ..whole() }, Midst::NotObserved),
            (Counts { generation: None, ..whole() }, Midst::Unread),
            (Counts { wanted: None, ..whole() }, Midst::Unread),
        ];
        for (counts, midst) in cases {
            assert_eq!(kinds(&counts), [Rollout::Underway(midst); 3], "{counts:?}");
            assert_eq!(Rollout::of_deployment(&counts, true), Rollout::Underway(midst), "{counts:?}");
            assert_eq!(Rollout::of_stateful_set(&counts, false, 0, true), Rollout::Underway(midst), "{counts:?}");
            assert_eq!(Rollout::of_daemon_set(&counts, false), Rollout::Underway(midst), "{counts:?}");
        }
    }

    #[test]
    fn a_deployment_is_done_as_kubectl_has_it_or_once_its_controller_said_so() {
        let of = |counts: Counts| [false, true].map(|complete| Rollout::of_deployment(&counts, complete));
        assert_eq!(of(whole()), [Rollout::Done; 2]);
        let updating = Rollout::Underway(Midst::Updating { updated: 2, wanted: 3 });
        assert_eq!(of(Counts { updated: 2, ..whole() }), [updating; 2], "an old one is there");
        let old = Rollout::Underway(Midst::OldLeft { old: 1 });
        assert_eq!(of(Counts { present: 4, ..whole() }), [old; 2]);
        let down = Rollout::Underway(Midst::Unavailable { available: 2, wanted: 3 });
        assert_eq!(of(Counts { available: 2, ..whole() }), [down, Rollout::Done], "a pod that fell over later");
        let replaced = Counts { present: 2, updated: 2, available: 2, ..whole() };
        assert_eq!(of(replaced), [updating, Rollout::Done], "a pod that was deleted is made anew");
    }

    #[test]
    fn a_stateful_set_is_done_when_its_revisions_are_one_or_its_partition_is_reached() {
        let of = |counts: Counts, partition| Rollout::of_stateful_set(&counts, true, partition, false);
        let updating = |updated, wanted| Rollout::Underway(Midst::Updating { updated, wanted });
        assert_eq!(of(Counts { updated: 1, ..whole() }, 0), updating(1, 3));
        assert_eq!(of(whole(), 0), updating(3, 3), "the last one is not ready before the revisions are one");
        assert_eq!(of(Counts { updated: 1, ..whole() }, 1), updating(1, 2));
        assert_eq!(of(Counts { updated: 1, ..whole() }, 2), Rollout::Done);
        let down = Rollout::Underway(Midst::Unavailable { available: 2, wanted: 3 });
        assert_eq!(of(Counts { updated: 1, available: 2, ..whole() }, 2), down);
        let fell = Counts { updated: 1, available: 0, ..whole() };
        assert_eq!(Rollout::of_stateful_set(&fell, true, 0, true), Rollout::Done, "pods that fell over later");
        assert_eq!(Rollout::of_stateful_set(&fell, false, 0, false), Rollout::Done, "replaced by hand");
    }

    #[test]
    fn a_daemon_set_is_done_when_each_of_its_nodes_has_an_available_new_one() {
        let of = |counts: Counts| Rollout::of_daemon_set(&counts, true);
        assert_eq!(of(whole()), Rollout::Done);
        let updating = Rollout::Underway(Midst::Updating { updated: 2, wanted: 3 });
        assert_eq!(of(Counts { updated: 2, ..whole() }), updating);
        let down = Rollout::Underway(Midst::Unavailable { available: 2, wanted: 3 });
        assert_eq!(of(Counts { available: 2, ..whole() }), down);
        assert_eq!(Rollout::of_daemon_set(&Counts { available: 2, updated: 0, ..whole() }, false), Rollout::Done);
    }
}
