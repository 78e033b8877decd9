//! What a pod is asked, in the order of `select::judge` and of the pick, and what was found.

use super::No;
use crate::cluster::freeze::Freeze;
use crate::cluster::guard::{frozen, protected};
use crate::cluster::pod::{Pod, Role};
use crate::cluster::says::CHAOS;
use crate::cluster::select::judge::Missed;
use crate::cluster::select::{Asked, Reason, Within};
use crate::duration;
use std::time::Duration;

/// One question; a yes leads to the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    Namespaces,
    Selector,
    Protected,
    NamespaceKnown,
    OptedIn,
    Frozen,
    NamespaceExcluded,
    Finished,
    Terminating,
    Excluded,
    OptedOut,
    Level,
    Network,
    Sandbox,
    Phase,
    Ready,
    Age,
    Scheduled,
    Container,
    Cooled,
    Pick,
}

impl Question {
    pub const ALL: [Self; 21] = [
        Self::Namespaces,
        Self::Selector,
        Self::Protected,
        Self::NamespaceKnown,
        Self::OptedIn,
        Self::Frozen,
        Self::NamespaceExcluded,
        Self::Finished,
        Self::Terminating,
        Self::Excluded,
        Self::OptedOut,
        Self::Level,
        Self::Network,
        Self::Sandbox,
        Self::Phase,
        Self::Ready,
        Self::Age,
        Self::Scheduled,
        Self::Container,
        Self::Cooled,
        Self::Pick,
    ];

    /// Returns the question that was answered by no.
    pub(super) fn of(no: No) -> Self {
        match no {
            No::Missed(Missed::Namespaces) => Self::Namespaces,
            No::Missed(
                Missed::Group | Missed::Selector | Missed::Names | Missed::Nodes | Missed::Owners | Missed::Zones,
            ) => Self::Selector,
            No::Left(reason) => match reason {
                Reason::ContainerNotRunning | Reason::NoSuchContainer => Self::Container,
                Reason::CoolingDown => Self::Cooled,
                Reason::Excluded => Self::Excluded,
                Reason::Finished => Self::Finished,
                Reason::Frozen => Self::Frozen,
                Reason::HostNetwork => Self::Network,
                Reason::NamespaceDisabled | Reason::OptInUnclear | Reason::OwnerDisabled | Reason::PodDisabled => {
                    Self::Level
                }
                Reason::NamespaceExcluded => Self::NamespaceExcluded,
                Reason::NamespaceUnknown => Self::NamespaceKnown,
                Reason::NotOptedIn => Self::OptedIn,
                Reason::NotPicked
                | Reason::OwnerFull
                | Reason::OwnerLimitInvalid
                | Reason::OwnerLimited
                | Reason::WeightInvalid
                | Reason::WeightZero => Self::Pick,
                Reason::NotReady | Reason::Ready => Self::Ready,
                Reason::NotScheduled => Self::Scheduled,
                Reason::OptedOut => Self::OptedOut,
                Reason::OtherPhase => Self::Phase,
                Reason::Protected => Self::Protected,
                Reason::Sandboxed => Self::Sandbox,
                Reason::Terminating => Self::Terminating,
                Reason::TooYoung => Self::Age,
            },
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::Namespaces => "is in a namespace that the policy looks at",
            Self::Selector => "matches the selector",
            Self::Protected => "its namespace is not protected",
            Self::NamespaceKnown => "its namespace is known",
            Self::OptedIn => "its namespace has opted in",
            Self::Frozen => "its namespace is not frozen",
            Self::NamespaceExcluded => "its namespace is not excluded",
            Self::Finished => "has not finished",
            Self::Terminating => "is not being deleted",
            Self::Excluded => "the policy does not exclude it",
            Self::OptedOut => "does not exclude itself",
            Self::Level => "neither it nor its owner nor its namespace says no",
            Self::Network => "has a network of its own, for a network fault",
            Self::Sandbox => "an agent reaches it",
            Self::Phase => "is in the phase that is meant",
            Self::Ready => "is ready or not, as is meant",
            Self::Age => "is old enough",
            Self::Scheduled => "is on a node",
            Self::Container => "has the container that is meant",
            Self::Cooled => "its owner was not hit within the cooldown",
            Self::Pick => "the pick takes it",
        }
    }

    /// Returns what was found; `no` is given where the answer is no.
    pub(super) fn fact(self, asked: &Asked<'_>, pod: &Pod, within: Within<'_>, no: Option<No>) -> String {
        let namespace = asked.namespaces.get(&pod.namespace);
        let selector = asked.selector;
        let or_none = |text: Option<&str>| text.unwrap_or("none").to_owned();
        match self {
            Self::Namespaces => format!("namespace {}", pod.namespace),
            Self::Selector => match no {
                Some(No::Missed(Missed::Names)) => format!("name {}", pod.name),
                Some(No::Missed(Missed::Nodes | Missed::Zones)) => {
                    format!("node {}, zone {}", or_none(pod.node.as_deref()), or_none(asked.zone(pod)))
                }
                Some(No::Missed(Missed::Group)) => "it is of another group of the schedule".to_owned(),
                Some(No::Missed(Missed::Owners)) => {
                    format!("owner {}", pod.owner.as_ref().map_or("none".into(), ToString::to_string))
                }
                Some(_) | None => format!("labels {}", pod.labels),
            },
            Self::Protected => {
                protected::namespace(&asked.world.rules, &pod.namespace).unwrap_or("nothing protects it").into()
            }
            Self::NamespaceKnown => format!("namespace {}", pod.namespace),
            Self::OptedIn => match &asked.world.rules.opt_in {
                None => "every namespace is".into(),
                Some((key, value)) => {
                    let found = namespace.and_then(|n| n.labels.get(key));
                    format!("label {key}={value} is meant; it is {}", or_none(found))
                }
            },
            Self::Frozen => {
                let told = |freeze: &Freeze| format!("frozen {}: {}", freeze.until, freeze.reason);
                namespace.and_then(|n| frozen::standing(n, asked.now)).map_or("no freeze stands".into(), told)
            }
            Self::NamespaceExcluded => exclude(namespace.and_then(|n| n.labels.get(EXCLUDE))),
            Self::Finished => format!("phase {:?}", pod.phase),
            Self::Terminating => (if pod.terminating { "being deleted" } else { "not being deleted" }).into(),
            Self::Excluded => selector.exclude.as_ref().map_or("no `exclude`".into(), |e| format!("exclude {e}")),
            Self::OptedOut => exclude(pod.labels.get(EXCLUDE)),
            Self::Level => asked.level(pod, within).unwrap_or_else(|| format!("nobody says {CHAOS}")),
            Self::Network => (if pod.host_network { "its node's network" } else { "its own network" }).into(),
            Self::Sandbox => format!("runtime class {}", or_none(pod.runtime_class.as_deref())),
            Self::Phase => format!("phase {:?}, {:?} is meant", pod.phase, selector.phase),
            Self::Ready => {
                let meant = selector
                    .ready
                    .map_or("either is meant", |r| if r { "ready is meant" } else { "not ready is meant" });
                format!("{}, {meant}", if pod.ready { "ready" } else { "not ready" })
            }
            Self::Age => {
                let age = Duration::from_secs(u64::try_from(asked.now.saturating_sub(pod.created)).unwrap_or(0));
                let least =
                    selector.min_age.map_or("any age is meant".into(), |d| format!("at least {}", duration::show(d)));
                format!("{} old, {least}", duration::show(age))
            }
            Self::Scheduled => format!("node {}", or_none(pod.node.as_deref())),
            Self::Container => containers(pod, selector.container.as_deref()),
            Self::Cooled => asked.last_hit(pod),
            Self::Pick => asked.pick(pod),
        }
    }
}

/// Label by which a pod or namespace is left alone.
const EXCLUDE: &str = crate::cluster::guard::excluded::EXCLUDE.0;

fn exclude(found: Option<&str>) -> String {
    format!("label {EXCLUDE} is {}", found.unwrap_or("absent"))
}

fn containers(pod: &Pod, meant: Option<&str>) -> String {
    let one =
        |c: &crate::cluster::pod::Container| format!("{}{}", c.name, if c.running { "" } else { " (does not run)" });
    let has: Vec<String> = pod.containers.iter().filter(|c| c.role != Role::Init).map(one).collect();
    let meant = meant.map_or_else(|| "none is named".to_owned(), |name| format!("{name} is meant"));
    format!("{meant}; it has {}", if has.is_empty() { "none".to_owned() } else { has.join(", ") })
}
