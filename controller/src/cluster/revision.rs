//! Asks the model whether the peers that were armed are still right.

use super::core::event::Revised;
use rumpus_model::cluster::World;
use rumpus_model::cluster::plan::{PeerEntry, RunInput};
use rumpus_model::cluster::revision::{Revision, revise};

pub(crate) fn revised(world: &World, input: &RunInput, armed: &[PeerEntry]) -> Revised {
    let Some(network) = input.policy.experiment.fault.network() else { return Revised::Keep };
    match revise(world, network, &input.namespace, armed) {
        Revision::Change(peers) => Revised::Change(peers),
        Revision::End => Revised::End,
        Revision::Keep => Revised::Keep,
        Revision::Unknown(refusals) => {
            Revised::Unknown { why: refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ") }
        }
    }
}
