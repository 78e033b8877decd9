//! One run's share on one node: written by the controller, attested by the agent.
//!
//! The agent never acts on what it cannot read whole: the spec refuses unknown fields. The status is for reading, also
//! by versions that know less.

use super::schema::list::{Conditions, List, Several};
use super::schema::number::Count;
use super::schema::{rules, text, time};
use super::{Condition, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One run's share on one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::injection()))]
pub struct InjectionSpec {
    #[schemars(with = "text::Name")]
    pub node_name: String,
    pub run: RunRef,
    /// The only field that changes: Planned, Armed, Cancelled.
    pub phase: Phase,
    /// The writer's term of office (`leaseTransitions`).
    #[schemars(with = "Count")]
    pub epoch: i64,
    /// Counts up each time that the same share is written again with other peers.
    #[schemars(with = "Count")]
    pub revision: i64,
    /// Nothing of it is in effect after this instant; a one-shot fault has begun by then.
    #[schemars(with = "text::Instant")]
    pub not_after: String,
    /// How long the fault lasts; absent for one-shot faults.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<time::Lasting>")]
    pub duration: Option<String>,
    /// What is done, without `peers` and `ports`: those are resolved, below.
    pub fault: Fault,
    #[schemars(with = "Several<InjectionTarget, 500>")]
    pub targets: Vec<InjectionTarget>,
    /// The other side, each entry on its own; absent: everyone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Several<PeerSet, 8>>")]
    pub peers: Option<Vec<PeerSet>>,
}

/// The run that an injection belongs to, in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunRef {
    #[schemars(with = "text::Name")]
    pub name: String,
    #[schemars(with = "text::Uid")]
    pub uid: String,
}

/// What the controller wants of an injection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    Planned,
    Armed,
    Cancelled,
}

/// One container, pinned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InjectionTarget {
    /// The pod's UID.
    #[schemars(with = "text::Uid")]
    pub uid: String,
    #[schemars(with = "text::Label")]
    pub namespace: String,
    #[schemars(with = "text::Name")]
    pub pod: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Label>")]
    pub container: Option<String>,
    /// As the pod's status shows it; another one is another target.
    #[serde(rename = "containerID", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::ContainerId>")]
    pub container_id: Option<String>,
    /// Own ports that the node probes and that a network fault leaves alone, as `8080/TCP`; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Several<text::PlainPort, 64>>")]
    pub probes: Option<Vec<String>>,
}

/// Who is on the other side: addresses and ports together, names resolved in the target's view.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PeerSet {
    /// Addresses and networks in CIDR notation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Several<text::Address, 4096>>")]
    pub addresses: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Several<text::Host, 64>>")]
    pub names: Option<Vec<String>>,
    /// `80/TCP`, `8000-8100/UDP`; absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<text::PlainPort, 128>>")]
    pub ports: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub except: Option<PeerExcept>,
}

/// Who is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PeerExcept {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Several<text::Address, 4096>>")]
    pub addresses: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Several<text::Host, 64>>")]
    pub names: Option<Vec<String>>,
}

/// What the agent attests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct InjectionStatus {
    /// The least finished of the targets'.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<InjectionState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective: Option<Truth>,
    /// Since when nothing of it is in effect; the node's wall clock, for display.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Instant>")]
    pub effect_ended: Option<String>,
    /// Since when nothing of it is left; the node's wall clock, for display.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Instant>")]
    pub clean: Option<String>,
    /// The phase that the rest is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_phase: Option<Phase>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<TargetStatus, 500>")]
    pub targets: Vec<TargetStatus>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Conditions<Condition>")]
    pub conditions: Vec<Condition>,
}

/// How far an injection, or one target of it, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum InjectionState {
    Accepted,
    InEffect,
    Ending,
    RestoreFailed,
    Refused,
    Restored,
    Done,
    Lost,
}

impl InjectionState {
    /// Returns whether nothing comes after it.
    pub fn is_final(self) -> bool {
        match self {
            Self::Refused | Self::Restored | Self::Done | Self::Lost => true,
            Self::Accepted | Self::InEffect | Self::Ending | Self::RestoreFailed => false,
        }
    }
}

/// A measured yes or no, or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Truth {
    True,
    False,
    Unknown,
}

/// What the agent attests of one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TargetStatus {
    /// The pod's UID.
    #[schemars(with = "text::Uid")]
    pub uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Label>")]
    pub container: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<InjectionState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective: Option<Truth>,
    /// The refusal or failure, in one CamelCase word.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Reason>")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Told<1024>>")]
    pub message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Told<512>>")]
    pub hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceStatus>,
}

/// What was read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EvidenceStatus {
    /// Packets held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Count>")]
    pub delayed: Option<i64>,
    /// Packets dropped or rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Count>")]
    pub dropped: Option<i64>,
    /// Packets in scope that got through.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Count>")]
    pub passed: Option<i64>,
    /// Processes that were seen to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Count>")]
    pub killed: Option<i64>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Told<512>>")]
    pub text: Option<String>,
}
