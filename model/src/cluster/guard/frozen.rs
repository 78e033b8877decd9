//! A namespace that is frozen: while that stands, nothing of it is hit, whichever namespace the run is of.

use crate::cluster::freeze::Freeze;
use crate::cluster::world::{Namespace, Seconds};

/// Returns the freeze that stands, or nothing.
pub(crate) fn standing(namespace: &Namespace, now: Seconds) -> Option<&Freeze> {
    namespace.freeze.as_ref().filter(|freeze| freeze.stands(now))
}
