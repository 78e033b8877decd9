//! The installed chart's roles, schemas and admission rules, row by row of docs/admission.md.
//!
//! Every test acts as somebody: a person, a kubelet, or the holder of a token that an agent or the
//! controller would have. It never acts on a pod or a node of somebody else: it makes its own, of
//! which no kubelet knows, and removes them.

mod conform;
mod rights;
mod row_01_values;
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
