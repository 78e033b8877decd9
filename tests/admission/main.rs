//! Tries the installed chart's roles, schemas and admission rules on a real API server.
//!
//! Every test acts as somebody: a person, a kubelet, or the holder of a token that an agent or the
//! controller would have. It never acts on a pod or a node of somebody else: it makes its own, of
//! which no kubelet knows, and removes them. `docs/admission.md` says what each row is about.
//!
//! `cargo xtask test --only admission` runs it; by hand it needs `RUMPUS_KUBECONFIG`, the
//! administrator's access to a cluster in which the chart is installed.
#![expect(clippy::expect_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod api;
mod objects;
mod rights;
mod row_07_targets;
mod row_10_pods;
mod row_11_fields;
mod row_21_agents;
mod row_25_status;
mod row_27_tokens;
mod row_30_controller;
mod row_33_halts;
mod row_36_guard;
mod rules;
mod site;
