//! The cases, one file per fault. A new file needs its line here and in [`all`].

mod conform;
mod crash;
mod daemon;
mod harness;
mod host;
mod how;
mod kill_cgroup;
mod kill_signal;
mod latency;
mod latency_netem;
mod latency_nfqueue;
mod loss;
mod partition;
mod restored;
mod scope;
mod together;

use super::case::Case;

/// Returns every case, by fault.
#[must_use]
pub fn all() -> Vec<Case> {
    [
        conform::CASES,
        crash::CASES,
        daemon::CASES,
        harness::CASES,
        host::CASES,
        kill_signal::CASES,
        kill_cgroup::CASES,
        latency_netem::CASES,
        latency_nfqueue::CASES,
        loss::CASES,
        partition::CASES,
    ]
    .concat()
}
