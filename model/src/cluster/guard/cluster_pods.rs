//! maxPods: at most so many pods of the whole cluster are under fault at once.

use super::Case;
use super::held::Held;
use crate::cluster::load::Load;
use crate::cluster::refusal::ClusterRefusal;

pub(crate) fn check(case: &Case<'_>, held: &[Held<'_>]) -> Option<ClusterRefusal> {
    let most = case.world.rules.radius.pods?;
    let load = Load::new(case.picked.iter().map(|pod| &***pod), held.iter().map(Held::named));
    load.exceeds(most).then_some(ClusterRefusal::TooManyPods { load, most })
}
