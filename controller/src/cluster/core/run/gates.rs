//! Gates: what must be well before a run begins is asked right before its plan. Whatever is no yes ends the run.

use super::{Ctx, Question, Run};
use crate::cluster::core::event::{Act, ClosedGate, HttpGate};
use crate::cluster::core::no::No;
use rumpus_model::cluster::ClusterRefusal;
use rumpus_model::gate::Probe;
use rumpus_model::refusal::Refusal;
use rumpus_model::wire::RunState;
use std::time::Duration;

/// How long an answer counts: what was well then may not be so any more when a plan has waited.
const FRESH: Duration = Duration::from_secs(10);

impl Run {
    /// Asks the gates, unless they are known to be open. Returns whether they were asked. What has begun is not asked
    /// for: it is in effect, and a gate is about beginning.
    pub(super) fn asks_gates(&mut self, ctx: &mut Ctx<'_>) -> bool {
        let begun = self.state() >= RunState::Injecting || !self.shares.is_empty();
        if begun || self.gates_open_until.is_some_and(|until| ctx.now.boot < until) {
            return false;
        }
        let gates: Vec<HttpGate> =
            self.input.iter().flat_map(|i| &i.policy.experiment.gates).filter_map(over_http).collect();
        if gates.is_empty() {
            return false;
        }
        self.question(ctx, Question::Gates, Act::AskGates(gates));
        true
    }

    pub(super) fn gates_answered(&mut self, ctx: &mut Ctx<'_>, closed: Vec<ClosedGate>) {
        self.retry.succeeded();
        if closed.is_empty() {
            self.gates_open_until = Some(ctx.now.boot.saturating_add(FRESH));
            return;
        }
        let no = |c: ClosedGate| No::Model(Refusal::Cluster(ClusterRefusal::GateClosed { check: c.name, why: c.why }));
        self.refuse(ctx, closed.into_iter().map(no).collect());
    }
}

fn over_http(gate: &rumpus_model::gate::Gate) -> Option<HttpGate> {
    match &gate.probe {
        Probe::Http(probe) => Some(HttpGate { name: gate.name.clone(), probe: probe.clone() }),
        Probe::Workload(_) => None,
    }
}
