//! The kernel of a node that is not there: the simulator's, and when faults came into effect in it and ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rumpus_agent::cluster::assemble::{Assigned, Finder, judged};
use rumpus_agent::cluster::order::Order as Wanted;
use rumpus_agent::cluster::run::Ground;
use rumpus_agent::core::{Act, Order, Outcome};
use rumpus_agent::kernel::timer::boottime;
use rumpus_agent::ports::Hands;
use rumpus_model::engine::{Capability, Engine};
use rumpus_model::injection::Injection;
use rumpus_model::refusal::Refusal;
use rumpus_sim::assemble::slots;
use rumpus_sim::kernel::Kernel;

/// One node's kernel; its copies are the same one.
#[derive(Clone, Debug)]
pub(super) struct Board(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    kernel: Kernel,
    boot_id: String,
    edges: Edges,
}

/// When the last fault came into effect, and when the last one ended (CLOCK_BOOTTIME).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Edges {
    pub begun: Option<Duration>,
    pub ended: Option<Duration>,
}

impl Board {
    /// A kernel with the network of one pod in it.
    pub(super) fn with(pod: &str, boot_id: &str) -> Self {
        let mut kernel = Kernel::default();
        kernel.pod_begins(pod);
        Self(Arc::new(Mutex::new(State { kernel, boot_id: boot_id.to_owned(), edges: Edges::default() })))
    }

    pub(super) fn forget(&self) {
        self.state().edges = Edges::default();
    }

    /// Returns the last edges since they were forgotten.
    pub(super) fn edges(&self) -> Edges {
        self.state().edges
    }

    /// Returns what an agent works with.
    pub(super) fn ground(&self, boot_id: &str) -> Ground {
        let engines = BTreeMap::from([(Engine::Nft, Capability::Ready)]);
        let (hands, finder) = (Arc::new(self.clone()), Arc::new(self.clone()));
        Ground { hands, finder, engines, blind: None, boot_id: boot_id.to_owned() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn live(&self, boot: Duration) -> usize {
        self.kernel.live(boot).count()
    }
}

impl Hands for Board {
    fn carry_out(&self, order: &Order) -> Outcome {
        let mut state = self.state();
        let boot = boottime();
        let before = state.live(boot);
        let outcome = state.kernel.act(order, boot, None);
        let after = state.live(boot);
        if after > before && matches!(order.act, Act::Apply { .. }) {
            state.edges.begun = Some(boot);
        }
        if after < before {
            state.edges.ended = Some(boot);
        }
        outcome
    }

    fn sweep(&self, keep: &BTreeSet<String>) -> Outcome {
        self.state().kernel.sweep(keep, false)
    }
}

impl Finder for Board {
    fn assemble(&self, order: &Wanted) -> (Injection, Vec<Assigned>) {
        let state = self.state();
        judged(order, |target| {
            let what = "no process of it is on this node".to_owned();
            let gone = Refusal::TargetChanged { target: target.pod.clone(), what };
            slots(&state.kernel, &state.boot_id, order, target).ok_or(gone)
        })
    }
}
