//! Several faults, of which each run does one: drawn by the run's seed, by weight.
//!
//! The draw is a hash of its own: which pods are picked does not depend on it, and a policy of one fault draws nothing.

use crate::fault::Fault;
use crate::rank::Ranks;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Most faults of one experiment.
pub const MOST: usize = 8;
/// The highest weight.
pub const HEAVIEST: u16 = 1000;
/// Fixed for ever: changing it would change every draw. No pod and no process has this identity.
const STREAM: &str = "rumpus.dev/faults";

/// Two faults or more, each with its weight; at least one weight is above 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// As the policy lists them; weights are 0 to [`HEAVIEST`], and 0 is never drawn.
    pub list: Vec<(Fault, u16)>,
    /// Of those that last.
    pub duration: Option<Duration>,
}

/// Which fault of several a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drawn {
    /// Its place in the policy's list, from 0.
    pub index: usize,
    /// How many are listed.
    pub of: usize,
    pub weight: u16,
    /// Of all of them.
    pub total: u32,
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, of, weight, total } = self;
        write!(f, "faults[{index}] of {of}, by weight {weight} of {total}")
    }
}

impl Faults {
    /// Returns the one that a run with this seed does, and how it was drawn: the same for the same list and seed.
    pub fn draw(&self, seed: &str) -> Option<(&Fault, Drawn)> {
        let total: u32 = self.list.iter().map(|(_, weight)| u32::from(*weight)).sum();
        let hash = Ranks::new(seed).of(STREAM);
        // The hash as a fraction of all hashes, of the total; below it, because the fraction is below one.
        let mut point = (u128::from(hash) * u128::from(total)) >> u64::BITS;
        for (index, (fault, weight)) in self.list.iter().enumerate() {
            match point.checked_sub(u128::from(*weight)) {
                Some(left) => point = left,
                None => return Some((fault, Drawn { index, of: self.list.len(), weight: *weight, total })),
            }
        }
        None
    }

    /// Returns those that may be drawn.
    pub fn possible(&self) -> impl Iterator<Item = &Fault> {
        self.list.iter().filter(|(_, weight)| *weight > 0).map(|(fault, _)| fault)
    }

    /// Returns how long one of them lasts.
    pub fn lasting(&self, fault: &Fault) -> Option<Duration> {
        self.duration.filter(|_| fault.lasts())
    }
}

#[cfg(test)]
mod tests {
    use super::Faults;
    use crate::fault::{Fault, PodDelete, PodEvict};
    use std::time::Duration;

    fn faults(weights: &[u16]) -> Faults {
        let fault = |(n, weight): (usize, &u16)| {
            let grace_period = Some(Duration::from_secs(n as u64));
            (Fault::PodDelete(PodDelete { grace_period }), *weight)
        };
        Faults { list: weights.iter().enumerate().map(fault).collect(), duration: None }
    }

    /// Chi-square of so many draws, and its degrees of freedom.
    fn chi_square(weights: &[u16], draws: u32) -> (f64, usize) {
        let faults = faults(weights);
        let mut drawn = vec![0_u32; weights.len()];
        for seed in 0..draws {
            drawn[faults.draw(&seed.to_string()).unwrap().1.index] += 1;
        }
        let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
        let term = |(weight, drawn): (&u16, &u32)| {
            let expected = f64::from(draws) * f64::from(*weight) / total;
            if *weight == 0 {
                assert_eq!(*drawn, 0, "a weight of 0 is never drawn");
                return 0.0;
            }
            (f64::from(*drawn) - expected).powi(2) / expected
        };
        let sum = weights.iter().zip(&drawn).map(term).sum();
        (sum, weights.iter().filter(|w| **w > 0).count() - 1)
    }

    #[test]
    fn each_fault_is_drawn_as_often_as_its_weight_says() {
        // The 99.9 % points of chi-square with 1 to 7 degrees of freedom.
        let most = [10.83, 13.82, 16.27, 18.47, 20.52, 22.46, 24.32];
        for weights in [&[1, 1][..], &[3, 1, 6], &[0, 5, 0, 1], &[1000, 1], &[1, 2, 3, 4, 5, 6, 7, 8]] {
            let (found, freedom) = chi_square(weights, 20_000);
            assert!(found < most[freedom - 1], "{weights:?}: {found:.2} of {:.2}", most[freedom - 1]);
        }
    }

    #[test]
    fn a_draw_is_the_same_each_time_and_only_possible_ones_last() {
        let faults = faults(&[1, 0, 1]);
        for seed in ["", "42", "shop/monkey/web/2026-12-01"] {
            assert_eq!(faults.draw(seed), faults.draw(seed));
            assert!(faults.draw(seed).is_some());
        }
        assert_eq!(faults.possible().count(), 2);
        let evict = Fault::PodEvict(PodEvict { grace_period: None });
        let lasting = Faults { duration: Some(Duration::from_secs(5)), ..faults };
        assert_eq!(lasting.lasting(&evict), None);
        // Fixed for ever.
        let drawn: Vec<usize> = (0..12).map(|s| lasting.draw(&s.to_string()).unwrap().1.index).collect();
        assert_eq!(drawn, [0, 2, 0, 2, 2, 2, 2, 2, 0, 0, 0, 0]);
    }
}
