//! Who holds how much of which budget, in one object for the whole cluster, and when which group was hit, in one for each
//! namespace of policies. Changed by compare-and-swap only.
//!
//! Written by the leading controller, before it arms anything: what is not in the Ledger is not armed. A controller that
//! takes over writes its own epoch into it first, so that whatever its predecessor still has on its way fails.

use super::Direction;
use super::schema::list::Several;
use super::schema::number::Count;
use super::schema::{rules, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Name of the one Ledger that holds reservations.
pub const LEDGER: &str = "cluster";
/// What the name of a namespace's Ledger begins with; a dot is in no name of a namespace.
const OF_NAMESPACE: &str = "namespace.";
/// Most groups of all policies of one namespace.
pub const MAX_GROUPS: usize = 4000;
/// Most pods that all reservations may hold together: with the other fields an object stays below the 1.5 MiB that etcd
/// takes at most.
pub const MAX_PODS: usize = 20_000;

/// Most owners that one reservation names.
pub const MAX_OWNERS: usize = 200;

/// What is held, and by whose hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::ledger()))]
pub struct LedgerSpec {
    /// The writer's term of office (`leaseTransitions`); it never goes back.
    #[schemars(with = "Count")]
    pub epoch: i64,
    /// The writer: UID of its pod.
    #[schemars(with = "text::Uid")]
    pub holder: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<Reservation, 1000>")]
    pub reservations: Vec<Reservation>,
    /// Of the policies of one namespace; never beside reservations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<Group, 4000>")]
    pub groups: Vec<Group>,
    /// When runs of this namespace's policies began within the last week, the newest ones: all that are armed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<text::Instant, 1000>")]
    pub starts: Vec<String>,
    /// The same of dry runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<text::Instant, 1000>")]
    pub dry_starts: Vec<String>,
    /// Owners that runs have hit within the last 31 days; beside reservations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<Hit, 2000>")]
    pub hits: Vec<Hit>,
    /// Up to then any owner may have been hit that is not among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Instant>")]
    pub hits_unknown_until: Option<String>,
}

/// When an owner was hit last, whoever hit it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hit {
    /// `Deployment/shop/web`.
    #[schemars(with = "text::Told<400>")]
    pub owner: String,
    /// When the run had ended.
    #[schemars(with = "text::Instant")]
    pub at: String,
}

/// Returns the name of the Ledger in which the groups of a namespace's policies stand.
pub fn of_namespace(namespace: &str) -> String {
    format!("{OF_NAMESPACE}{namespace}")
}

/// What happened to one group of a policy; it outlives the policy. Dry runs have a record of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// Name of the policy.
    #[schemars(with = "text::Name")]
    pub policy: String,
    /// `Deployment/shop/web`, a namespace, a zone, a label's value; empty: the policy as a whole.
    #[schemars(with = "text::Told<400>")]
    pub group: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// When it was looked at for the first time.
    #[schemars(with = "text::Instant")]
    pub seen: String,
    /// The last slot that was taken: no slot up to it runs, or runs again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Told<64>>")]
    pub slot: Option<String>,
    /// UID of the run that has the slot, once it was seen: another one of its name begins nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Uid>")]
    pub run: Option<String>,
    /// When a run was begun of which it is not known whether it acted: counted as a hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Instant>")]
    pub begun: Option<String>,
    /// When a run acted last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Instant>")]
    pub hit: Option<String>,
    /// When runs began, those that count for the policy's rate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<text::Instant, 16>")]
    pub recent: Vec<String>,
}

/// What one run holds until all of it has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reservation {
    /// Of the run.
    #[schemars(with = "text::Label")]
    pub namespace: String,
    /// Of the run.
    #[schemars(with = "text::Name")]
    pub name: String,
    /// Of the run.
    #[schemars(with = "text::Uid")]
    pub uid: String,
    /// UID of the policy that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Uid>")]
    pub policy: Option<String>,
    /// Its fault takes pods down.
    #[serde(default)]
    pub takes_down: bool,
    /// The direction of the packets that it delays, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delays: Option<Direction>,
    /// How many seconds anything of it may be in effect after it was armed, without the lease.
    #[schemars(with = "Count")]
    pub lasts_seconds: i64,
    /// UIDs of the injections that may be armed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<text::Uid, 4096>")]
    pub injections: Vec<String>,
    /// UIDs of the pods that it may hit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<text::Uid, 20000>")]
    pub pods: Vec<String>,
    /// Owners of those pods: `Deployment/shop/web`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<text::Told<400>, 200>")]
    pub owners: Vec<String>,
    /// They have more owners than are listed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_owners: bool,
}
