//! A policy, parsed once: after this no string is parsed again and no number checked again.

use crate::duration;
use crate::fault::Fault;
use crate::faults::{Drawn, Faults};
use crate::gate::Gate;
use crate::pick::{Order, Pick};
use crate::refusal::Refusal;
use crate::schedule::{Group, Schedule};
use crate::select::Selector;
use crate::wire::{self, ChaosPolicy, ChaosRun, Metadata, PolicySpec};
use std::borrow::Cow;
use std::time::Duration;

pub mod parse;
pub mod problem;

mod check;
mod decode;
mod yaml;

#[cfg(test)]
mod tests;

pub use parse::{parse, parse_for};
pub use problem::Problem;
pub use yaml::MAX_BYTES;

/// What may run.
#[derive(Clone, Debug)]
pub struct Policy {
    pub name: String,
    /// May be absent on a host.
    pub namespace: Option<String>,
    pub suspend: bool,
    pub mode: Mode,
    /// The seed that a ChaosRun fixes; a seed from the command line wins.
    pub seed: Option<String>,
    /// The hash of the plan that a run has to come to; see [`Refusal::TargetsChanged`].
    pub plan_hash: Option<String>,
    pub experiment: Experiment,
    /// When it runs by itself.
    pub schedule: Option<Schedule>,
    /// Which of the pods that it selects a run is about; `None`: all.
    pub group: Option<Group>,
    /// Fields that are written and have no meaning on a host, or are not built: refused by name once a run is armed,
    /// never ignored.
    pub unbuilt: Vec<Unbuilt>,
    /// The account whose rights a policy uses that leaves its namespace; in a cluster only.
    pub service_account: Option<String>,
}

/// Checks a fault that stands alone, as an Injection holds it: without peers and ports.
///
/// # Errors
/// Everything that is wrong, each with the field's path from the fault on.
pub fn fault(written: &wire::Fault, site: Site) -> Result<Fault, Vec<Problem>> {
    check::fault_alone(written, site)
}

/// Where a policy is meant to run: it decides which fields have no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    Cluster,
    Host,
}

impl Policy {
    /// Checks a policy that was put together by hand, or read from the API server: the same rules as for a file,
    /// without lines.
    ///
    /// # Errors
    /// Everything that is wrong, each with the field's path.
    pub fn from_wire(written: &ChaosPolicy, site: Site) -> Result<Self, Vec<Problem>> {
        check::policy(written, site)
    }

    /// Checks the spec of a stored policy.
    ///
    /// # Errors
    /// The first thing that is wrong, with its field's path.
    pub fn from_spec(namespace: &str, name: &str, spec: &PolicySpec, site: Site) -> Result<Self, String> {
        let metadata =
            Metadata { name: Some(name.to_owned()), namespace: Some(namespace.to_owned()), ..Metadata::default() };
        let written = ChaosPolicy {
            api_version: Some(wire::API_VERSION.into()),
            kind: Some(wire::POLICY_KIND.into()),
            metadata: Some(metadata),
            spec: Some(spec.clone()),
        };
        check::policy(&written, site)
            .map_err(|problems| problems.first().map_or_else(String::new, |p| format!("{}: {}", p.path, p.what)))
    }

    /// Checks a run that holds its experiment.
    ///
    /// # Errors
    /// As [`Policy::from_wire`].
    pub fn from_run(written: &ChaosRun, site: Site) -> Result<Self, Vec<Problem>> {
        check::run(written, site)
    }
}

impl Policy {
    /// Returns a "no" where a run has to come to another plan than this one.
    pub(crate) fn expects_another(&self, found: &str) -> Option<Refusal> {
        let expected = self.plan_hash.as_deref().filter(|expected| *expected != found)?;
        Some(Refusal::TargetsChanged { expected: expected.to_owned(), found: found.to_owned() })
    }

    /// Returns the policy with the one fault that a run with this seed does: itself where it lists one only.
    pub fn settled(&self, seed: &str) -> Cow<'_, Self> {
        let Some((fault, drawn)) = self.experiment.faults.as_ref().and_then(|faults| faults.draw(seed)) else {
            return Cow::Borrowed(self);
        };
        let mut settled = self.clone();
        settled.experiment.be(fault, Some(drawn));
        Cow::Owned(settled)
    }

    /// Returns the policy once for each fault that a run of it may do.
    pub fn each_possible(&self) -> Vec<Cow<'_, Self>> {
        let Some(faults) = &self.experiment.faults else { return vec![Cow::Borrowed(self)] };
        let with = |fault: &Fault| {
            let mut one = self.clone();
            one.experiment.be(fault, None);
            Cow::Owned(one)
        };
        faults.possible().map(with).collect()
    }
}

/// Whether a schedule acts; by hand `--arm` decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    Armed,
    #[default]
    DryRun,
}

/// What is tried.
#[derive(Clone, Debug)]
pub struct Experiment {
    pub targets: Selector,
    pub pick: Pick,
    /// Most that are taken of one owner; in a cluster only.
    pub per_owner: Option<u32>,
    pub order: Order,
    /// The key of the label that says how often a pod is taken beside the others; only with [`Order::Random`], in a
    /// cluster.
    pub weight_by: Option<String>,
    /// How long an owner is left alone after any run has hit it, from a second to [`crate::cluster::cooldown::LONGEST`].
    pub cooldown: Option<Duration>,
    /// The only one; of several the first, until [`Policy::settled`] says which one a run does.
    pub fault: Fault,
    /// Given exactly where `fault` lasts; 1 s to 24 h.
    pub duration: Option<Duration>,
    /// Where the policy lists several.
    pub faults: Option<Faults>,
    /// Which one of several `fault` is; `None` where there is one only, and until it is drawn.
    pub drawn: Option<Drawn>,
    /// In a cluster only.
    pub limits: Limits,
    /// The reason that was given for having no steady-state check.
    pub no_checks_reason: Option<String>,
    /// What must be well before anything begins; in a cluster only.
    pub gates: Vec<Gate>,
}

impl Experiment {
    fn be(&mut self, fault: &Fault, drawn: Option<Drawn>) {
        self.duration = self.faults.as_ref().and_then(|faults| faults.lasting(fault));
        self.fault.clone_from(fault);
        self.drawn = drawn;
    }

    /// Returns how many are taken and who first, in words.
    pub fn pick_summary(&self) -> String {
        let most = self.per_owner.map(|most| format!(", at most {most} of each owner")).unwrap_or_default();
        let weight = self.weight_by.as_ref().map(|key| format!(", by weight of label {key}")).unwrap_or_default();
        let cooldown = self.cooldown.map(|time| format!(", none whose owner was hit within {}", duration::show(time)));
        let cooldown = cooldown.unwrap_or_default();
        format!("{}{most}{}{weight}{cooldown}", self.pick.summary(), self.order.summary())
    }
}

/// How much may be down at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Ready pods of each owner that are left alone; a percentage of the desired ones is rounded up.
    pub min_healthy: Option<Amount>,
    /// Pods of each owner that are missing, not ready or hit; a percentage of the desired ones is rounded down.
    pub max_unavailable: Option<Amount>,
    /// Runs of this policy at once, from 1 on.
    pub max_concurrent: u32,
    /// `None`: as [`crate::cluster::guard`] has it by default.
    pub single_replica: Option<SingleReplica>,
}

/// Whether the only pod of an owner may be taken down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SingleReplica {
    Allow,
    Refuse,
}

impl Default for Limits {
    fn default() -> Self {
        Self { min_healthy: None, max_unavailable: None, max_concurrent: 1, single_replica: None }
    }
}

/// A number of pods, or a share of those that an owner wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    Count(u32),
    /// 0 to 100.
    Percent(u8),
}

/// A field that is understood and cannot be honoured here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbuilt {
    pub field: String,
    pub why: String,
    pub hint: String,
}
