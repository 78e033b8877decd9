//! The kinds of the API: how they are called, and where they live.

/// One kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub name: &'static str,
    pub plural: &'static str,
    pub singular: &'static str,
    pub short: &'static str,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
}

/// The API group.
pub const GROUP: &str = "rumpus.dev";
/// Its one version.
pub const VERSION: &str = "v1alpha1";

/// What runs by itself.
pub const POLICY: Kind =
    Kind { name: "ChaosPolicy", plural: "chaospolicies", singular: "chaospolicy", short: "cpol", namespaced: true };
/// One experiment carried out.
pub const RUN: Kind =
    Kind { name: "ChaosRun", plural: "chaosruns", singular: "chaosrun", short: "crun", namespaced: true };
/// One run's share on one node.
pub const INJECTION: Kind = Kind {
    name: "ChaosInjection",
    plural: "chaosinjections",
    singular: "chaosinjection",
    short: "cinj",
    namespaced: true,
};
/// The lever.
pub const HALT: Kind =
    Kind { name: "ChaosHalt", plural: "chaoshalts", singular: "chaoshalt", short: "chalt", namespaced: false };
/// What one agent can do and does.
pub const NODE: Kind =
    Kind { name: "ChaosNode", plural: "chaosnodes", singular: "chaosnode", short: "cnode", namespaced: false };

/// Who holds how much of which budget.
pub const LEDGER: Kind =
    Kind { name: "ChaosLedger", plural: "chaosledgers", singular: "chaosledger", short: "cled", namespaced: false };

/// Every kind, in the order in which a reader meets them.
pub const ALL: [Kind; 6] = [POLICY, RUN, INJECTION, HALT, NODE, LEDGER];
