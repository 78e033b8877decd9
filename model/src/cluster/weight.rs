//! Weighted picks: how often a pod is taken beside the others, by one of its labels.
//!
//! Without replacement: whoever is taken next is drawn by weight among those that are left. Each pod's place follows from
//! its own hash and weight alone (Efraimidis and Spirakis, 2006: the lowest -log(u)/weight first), so that the coming and
//! going of others changes nobody's place. In whole numbers: every machine gets the same order.

use super::pod::Pod;
use super::select::Reason;
use crate::number::whole;
use std::cmp::Ordering;

/// The highest weight.
const HEAVIEST: u16 = 1000;
/// Bits behind the point of a logarithm.
const FRACTION: u32 = 40;

/// Returns a pod's weight by the label `key`: 1 where it has none.
///
/// # Errors
/// It is 0, or no whole number from 0 to 1000: such a pod is never picked.
pub(crate) fn of(pod: &Pod, key: &str) -> Result<u16, Reason> {
    match pod.labels.get(key).map(read) {
        None => Ok(1),
        Some(None) => Err(Reason::WeightInvalid),
        Some(Some(0)) => Err(Reason::WeightZero),
        Some(Some(weight)) => Ok(weight),
    }
}

fn read(text: &str) -> Option<u16> {
    whole(text).filter(|weight| *weight <= HEAVIEST)
}

/// A pod's place in the order in which pods are taken; the lowest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// -log2 of the hash as a fraction, above 0 and at most 65.
    distance: u64,
    weight: u16,
    /// Decides among equals: with equal weights the order is that of a pick without weights.
    rank: u64,
}

impl Place {
    /// `rank` is its hash; a weight of 0 comes last.
    pub(crate) fn new(rank: u64, weight: u16) -> Self {
        Self { distance: minus_log2((!rank).max(1)), weight, rank }
    }
}

impl Ord for Place {
    /// Compares distance / weight, without a division; 65 times 1000 has 17 bits before the point.
    fn cmp(&self, other: &Self) -> Ordering {
        let [mine, theirs] = [self.distance * u64::from(other.weight), other.distance * u64::from(self.weight)];
        mine.cmp(&theirs).then(self.rank.cmp(&other.rank))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Place {}

/// Returns -log2(x / 2^64) for x from 1 on, bit by bit: the logarithm's next bit is whether the square reaches 2.
fn minus_log2(x: u64) -> u64 {
    let zeros = x.leading_zeros();
    let mut mantissa = x << zeros;
    let mut fraction = 0;
    for _ in 0..FRACTION {
        let square = (u128::from(mantissa) * u128::from(mantissa)) >> 63;
        let two = square >> 64 != 0;
        fraction = fraction << 1 | u64::from(two);
        mantissa = u64::try_from(if two { square >> 1 } else { square }).unwrap_or(u64::MAX);
    }
    (u64::from(1 + zeros) << FRACTION) - fraction
}

#[cfg(test)]
mod tests {
    use super::{FRACTION, Place, minus_log2, read};
    use crate::rank::Ranks;

    #[test]
    fn weights_are_whole_numbers_up_to_a_thousand() {
        for (text, weight) in [("0", Some(0)), ("1", Some(1)), ("007", Some(7)), ("1000", Some(1000))] {
            assert_eq!(read(text), weight, "{text}");
        }
        for text in ["", "+1", "-1", "1001", "1.5", "high", "65536", "1 ", "٣"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_logarithm_is_right_and_never_falls_where_it_should_rise() {
        for x in [1, 2, 3, 1000, 1 << 20, u32::MAX / 3, 1 << 31, u32::MAX - 1, u32::MAX] {
            let expected = 32.0 - f64::from(x).log2();
            let found = minus_log2(u64::from(x) << 32) >> (FRACTION - 20);
            let found = f64::from(u32::try_from(found).unwrap()) / f64::from(1 << 20);
            assert!((found - expected).abs() < 2e-6, "{x}: {found} {expected}");
        }
        let one = 1_u64 << FRACTION;
        assert_eq!((minus_log2(1), minus_log2(1 << 63), minus_log2(u64::MAX) > 0), (64 * one, one, true));
        let mut last = minus_log2(1);
        for n in 1..100_000_u64 {
            let next = minus_log2(n * 184_467_440_737_095);
            assert!(next <= last, "{n}");
            last = next;
        }
    }

    /// How often each of these is taken first, and second, of so many draws.
    fn taken(weights: &[u16], draws: u32) -> [Vec<u32>; 2] {
        let mut out = [vec![0; weights.len()], vec![0; weights.len()]];
        for seed in 0..draws {
            let ranks = Ranks::new(&seed.to_string());
            let mut order: Vec<usize> = (0..weights.len()).collect();
            order.sort_by_key(|n| Place::new(ranks.of(&format!("uid-{n}")), weights[*n]));
            out[0][order[0]] += 1;
            out[1][order[1]] += 1;
        }
        out
    }

    #[test]
    fn whoever_is_next_is_drawn_by_weight_among_those_that_are_left() {
        let weights = [1_u16, 2, 5, 12];
        let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
        let draws = 20_000;
        let found = taken(&weights, draws);
        // Of the second one: over whoever was first.
        let second = |n: usize| {
            let after = |first: usize| {
                let (first_weight, weight) = (f64::from(weights[first]), f64::from(weights[n]));
                if first == n { 0.0 } else { first_weight / total * weight / (total - first_weight) }
            };
            (0..weights.len()).map(after).sum::<f64>()
        };
        for (round, found) in found.iter().enumerate() {
            let expected = |n: usize| if round == 0 { f64::from(weights[n]) / total } else { second(n) };
            let term = |(n, found): (usize, &u32)| {
                let expected = expected(n) * f64::from(draws);
                (f64::from(*found) - expected).powi(2) / expected
            };
            let chi_square: f64 = found.iter().enumerate().map(term).sum();
            // The 99.9 % point with 3 degrees of freedom.
            assert!(chi_square < 16.27, "{round}: {chi_square:.2} {found:?}");
        }
    }

    #[test]
    fn with_equal_weights_the_order_is_that_of_the_ranks_and_nothing_is_worth_less_than_one() {
        let ranks = Ranks::new("7");
        let mut all: Vec<u64> = (0..500).map(|n| ranks.of(&n.to_string())).chain([0, u64::MAX]).collect();
        all.sort_unstable();
        for weight in [1, 7, 1000] {
            assert!(all.windows(2).all(|two| Place::new(two[0], weight) < Place::new(two[1], weight)));
        }
        assert!(Place::new(0, 0) > Place::new(u64::MAX, 1));
    }
}
