//! Tries the installed chart on a real cluster: what its API server refuses, and what becomes of
//! real runs against real pods.
//!
//! `cargo xtask test --only cluster` runs it on the testbed. It needs `RUMPUS_KUBECONFIG`, the
//! administrator's access; `RUMPUS_CLI`, `RUMPUS_KUBECTL` and `RUMPUS_HELM`, the programs; and the
//! kernel that runs the pods. The module `admission` needs a cluster without a controller, which
//! would tidy up what the rules are tried on; `runs` needs one.
#![expect(clippy::expect_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod admission;
mod objects;
mod runs;
mod site;
