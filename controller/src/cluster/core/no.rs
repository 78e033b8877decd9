//! Why a run is not carried out, or not to its end: the controller's own reasons, and those of the model.

use rumpus_model::refusal::Refusal;
use rumpus_model::wire::Why;
use thiserror::Error;

/// A "no" to a whole run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum No {
    #[error("{0}")]
    Model(Refusal),
    #[error("{path}: {what}")]
    Invalid { path: String, what: String, hint: String },
    #[error("the run names policy {policy} and is not owned by it")]
    OwnerMissing { policy: String },
    #[error("the policy {policy} with that uid does not exist")]
    PolicyMissing { policy: String },
    #[error("the run's experiment is not that of policy {policy}")]
    PolicyMismatch { policy: String },
    #[error("the policy {policy} cannot be read any more: {why}")]
    PolicyInvalid { policy: String, why: String },
    #[error("the policy {policy} has no schedule any more, or is suspended")]
    PolicySuspended { policy: String },
    #[error("the policy {policy} is a dry run now")]
    PolicyDisarmed { policy: String },
    #[error("{now} is in no window of its policy's schedule")]
    OutsideWindow { now: String },
    #[error("its slot could begin until {until}")]
    SlotMissed { until: String },
    #[error("slot {slot} is not this run's: it was given to another one, is over, or was never taken")]
    SlotTaken { slot: String },
    #[error("the policy {policy} leaves its namespace and names no service account")]
    AccountMissing { policy: String },
    #[error("{account} may not delete pods in {}", .namespaces.join(", "))]
    AccountDenied { account: String, namespaces: Vec<String> },
    #[error("the admission policies do not stand: {}", .missing.join(", "))]
    AdmissionGuardMissing { missing: Vec<String> },
    #[error("{name} exists already and is not what was planned")]
    NameTaken { name: String },
    #[error("the plan is not the one that was begun with: something changed while no controller was there")]
    PlanChanged,
    #[error("{name} could not be created: {why}")]
    NotCreated { name: String, why: String },
    #[error("nobody of the other side is left")]
    NobodyLeft,
    #[error("it could not be read who is on the other side, for longer than a lease")]
    PeersUnknown,
    #[error("the Ledger has no room for {pods} more pods")]
    LedgerFull { pods: usize },
    #[error("{fault} is switched off for this cluster")]
    FaultOff { fault: String },
    #[error("it lasts longer than {most}")]
    TooLong { most: String },
    #[error("it could not begin in time: {what}")]
    TooLate { what: String },
}

impl No {
    /// Returns it as objects show it.
    pub fn why(&self) -> Why {
        let hint = self.hint();
        Why { reason: self.reason(), message: self.to_string(), hint: (!hint.is_empty()).then_some(hint) }
    }

    /// Returns one CamelCase word.
    pub fn reason(&self) -> String {
        match self {
            Self::Model(refusal) => refusal.reason().to_owned(),
            Self::Invalid { .. } => "Invalid".into(),
            Self::OwnerMissing { .. } => "OwnerMissing".into(),
            Self::PolicyMissing { .. } => "PolicyMissing".into(),
            Self::PolicyMismatch { .. } => "PolicyMismatch".into(),
            Self::PolicyInvalid { .. } => "PolicyInvalid".into(),
            Self::PolicySuspended { .. } => "PolicySuspended".into(),
            Self::PolicyDisarmed { .. } => "PolicyDisarmed".into(),
            Self::OutsideWindow { .. } => "OutsideWindow".into(),
            Self::SlotMissed { .. } => "SlotMissed".into(),
            Self::SlotTaken { .. } => "SlotTaken".into(),
            Self::AccountMissing { .. } => "ServiceAccountMissing".into(),
            Self::AccountDenied { .. } => "ServiceAccountDenied".into(),
            Self::AdmissionGuardMissing { .. } => "AdmissionGuardMissing".into(),
            Self::NameTaken { .. } => "NameTaken".into(),
            Self::PlanChanged => "PlanChanged".into(),
            Self::NotCreated { .. } => "NotCreated".into(),
            Self::NobodyLeft => "NobodyLeft".into(),
            Self::PeersUnknown => "PeersUnknown".into(),
            Self::LedgerFull { .. } => "LedgerFull".into(),
            Self::FaultOff { .. } => "FaultOff".into(),
            Self::TooLong { .. } => "TooLong".into(),
            Self::TooLate { .. } => "TooLate".into(),
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Model(refusal) => refusal.hint(),
            Self::Invalid { hint, .. } => hint.clone(),
            Self::OwnerMissing { .. } => "`rumpus run policy/NAME` writes the owner; or leave policyRef out".into(),
            Self::PolicyMissing { .. } => "apply the policy first".into(),
            Self::PolicyMismatch { .. } => "start a one-off instead: leave policyRef out".into(),
            Self::PolicyInvalid { .. } => "`rumpus plan FILE` shows all that is wrong in it".into(),
            Self::PolicySuspended { .. } | Self::PolicyDisarmed { .. } => {
                "the next slot goes by what it says now".into()
            }
            Self::OutsideWindow { .. } | Self::SlotMissed { .. } | Self::SlotTaken { .. } => {
                "nothing to do: the next slot runs at its own time".into()
            }
            Self::AccountMissing { .. } => "set spec.serviceAccountName in the policy".into(),
            Self::AccountDenied { .. } => "give that account the right, or name fewer namespaces".into(),
            Self::AdmissionGuardMissing { .. } => "`helm upgrade` puts them back".into(),
            Self::NameTaken { .. } => "give the run another name".into(),
            Self::PlanChanged => "start a new run".into(),
            Self::LedgerFull { .. } => "wait for other runs to end, or pick fewer pods".into(),
            Self::FaultOff { .. } => "`helm upgrade` with faults.podDelete or faults.podEvict switches it on".into(),
            Self::TooLong { .. } => "ask for a shorter duration".into(),
            Self::NotCreated { .. } | Self::NobodyLeft | Self::PeersUnknown => String::new(),
            Self::TooLate { .. } => "look at the controller's log and at the API server, then start a new run".into(),
        }
    }
}
