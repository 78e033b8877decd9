//! The draw of a day: whether something is hit on it, and when. Pure: the same words always draw the same.
//!
//! A gap between two hits is counted in work days: the next work day is one. Each work day is drawn for itself, so that a
//! day's answer needs no history; days within the minimum gap are drawn and not used, and the chance is so much higher on
//! the others that the mean is the one that was asked for. (Chaos Monkey draws each day with 1/mean and lets the minimum
//! gap come on top, so that its real mean is mean + minimum - 1: `compatible` does so too.)

use crate::rank::Ranks;

/// Rounds of halving an interval: more than a double can tell apart.
const HALVINGS: u32 = 64;

/// At random, so often on average, in work days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Random {
    min: u32,
    max: Option<u32>,
    /// Chance of a work day beyond the minimum gap, of 2^64; `None`: certain.
    chance: Option<u64>,
}

/// Why a random schedule makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RandomError {
    #[error("the mean of {mean} work days is shorter than the minimum of {min}")]
    MeanBelowMinimum { mean: u32, min: u32 },
    #[error("the maximum of {max} work days is shorter than the mean of {mean}")]
    MaximumBelowMean { max: u32, mean: u32 },
    #[error("a mean of 0 work days is more than one a day")]
    NoMean,
}

/// What a day's draw says of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Nothing today.
    None,
    /// So far within the day's windows, of 2^64.
    Hit { within: u64 },
}

impl Random {
    /// `min` and `max`: work days between two hits, at least and at most; 0 has no minimum.
    ///
    /// # Errors
    /// No schedule has these figures.
    pub fn new(mean: u32, min: u32, max: Option<u32>, compatible: bool) -> Result<Self, RandomError> {
        if mean == 0 {
            return Err(RandomError::NoMean);
        }
        if !compatible && min > mean {
            return Err(RandomError::MeanBelowMinimum { mean, min });
        }
        if let Some(max) = max.filter(|max| *max < mean) {
            return Err(RandomError::MaximumBelowMean { max, mean });
        }
        let lost = if compatible { 0 } else { min.max(1) - 1 };
        // Of the days beyond the gap, the hit is on this one on average.
        let wanted = f64::from(mean - lost);
        let chance = match max.filter(|_| !compatible) {
            None => 1.0 / wanted,
            Some(max) => bounded(wanted, max - lost),
        };
        Ok(Self { min, max, chance: threshold(chance) })
    }

    /// Work days between two hits, at least.
    pub fn min(&self) -> u32 {
        self.min
    }

    /// Draws for a group on a day. `seed` is the policy's; `since`: how many work days ago its last hit was, or, before the
    /// first one, it was first looked at. Once that is the longest gap, the hit is certain.
    pub fn draw(&self, seed: &str, group: &str, day: &str, since: u32) -> Draw {
        let of = |what: &str| Ranks::chain(Ranks::chain(Ranks::new(seed).of(group), day), what);
        let due = self.max.is_some_and(|max| since >= max);
        if due || self.chance.is_none_or(|chance| of("whether") < chance) {
            Draw::Hit { within: of("when") }
        } else {
            Draw::None
        }
    }
}

/// Returns the chance of each of `most` days, the last of them certain, of which the hit is on the `mean`th on average:
/// the solution of (1 - (1 - p)^most) / p = mean, whose left side falls from `most` to 1 as p rises from 0 to 1.
fn bounded(mean: f64, most: u32) -> f64 {
    let expected = |p: f64| (1.0 - (1.0 - p).powf(f64::from(most))) / p;
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if expected(middle) > mean { low = middle } else { high = middle }
    }
    high
}

/// A chance as a part of 2^64; `None` for one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number from 0 to 2^64, cut at its ends")]
fn threshold(chance: f64) -> Option<u64> {
    (chance < 1.0).then(|| (chance.max(0.0) * 18_446_744_073_709_551_616.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gaps between hits of one group over so many work days, the minimum gap kept.
    fn gaps(random: Random, days: u32, group: &str) -> Vec<u32> {
        let mut last: Option<u32> = None;
        let mut found = Vec::new();
        for day in 0..days {
            let since = last.map(|at| day - at);
            let hit = random.draw("a seed", group, &day.to_string(), since.unwrap_or(day)) != Draw::None;
            if hit && since.is_none_or(|since| since >= random.min()) {
                found.extend(since);
                last = Some(day);
            }
        }
        found
    }

    fn count(gaps: &[u32]) -> f64 {
        f64::from(u32::try_from(gaps.len()).unwrap())
    }

    fn mean(gaps: &[u32]) -> f64 {
        f64::from(gaps.iter().sum::<u32>()) / count(gaps)
    }

    #[test]
    fn the_mean_that_is_asked_for_is_the_mean_that_comes() {
        for (asked, min, max) in
            [(5, 1, None), (5, 3, None), (5, 5, None), (2, 0, None), (5, 2, Some(8)), (4, 1, Some(4))]
        {
            let random = Random::new(asked, min, max, false).unwrap();
            let gaps = gaps(random, 100_000, "g");
            assert!((mean(&gaps) - f64::from(asked)).abs() < 0.1, "{asked} {min} {max:?}: {}", mean(&gaps));
            assert!(
                gaps.iter().all(|gap| *gap >= min.max(1) && max.is_none_or(|max| *gap <= max)),
                "{asked} {min} {max:?}"
            );
        }
    }

    #[test]
    fn the_old_rule_comes_with_its_own_mean() {
        let random = Random::new(5, 3, None, true).unwrap();
        assert!((mean(&gaps(random, 100_000, "g")) - 7.0).abs() < 0.1);
        // Where the old one has a mean below its minimum, it has an answer all the same.
        assert!((mean(&gaps(Random::new(2, 3, None, true).unwrap(), 100_000, "g")) - 4.0).abs() < 0.1);
    }

    #[test]
    fn a_thousand_groups_draw_as_coins_do() {
        let random = Random::new(5, 1, None, false).unwrap();
        let all: Vec<u32> = (0..1000).flat_map(|g| gaps(random, 250, &format!("group {g}"))).collect();
        // 50,000 hits are expected, with a deviation of 200; the first of each group makes no gap.
        let hits = all.len() + 1000;
        assert!(hits.abs_diff(50_000) < 800, "{hits}");
        let (mean, count) = (mean(&all), count(&all));
        let variance = all.iter().map(|gap| (f64::from(*gap) - mean).powi(2)).sum::<f64>() / count;
        // Gaps that the year's end cuts off are missing among the long ones.
        assert!((mean - 4.9).abs() < 0.1 && (variance - 19.5).abs() < 1.0, "{mean} {variance}");
    }

    #[test]
    fn a_mean_of_one_work_day_is_every_one() {
        let random = Random::new(1, 1, None, false).unwrap();
        assert_eq!(gaps(random, 100, "g"), [1; 99]);
    }

    #[test]
    fn the_same_words_draw_the_same_and_others_do_not() {
        let random = Random::new(2, 1, None, false).unwrap();
        let days = |seed: &str, group: &str| -> Vec<Draw> {
            (0..64).map(|day| random.draw(seed, group, &day.to_string(), 0)).collect()
        };
        assert_eq!(days("a", "b"), days("a", "b"));
        assert_ne!(days("a", "b"), days("b", "a"));
        assert_ne!(days("a", "b"), days("a", "c"));
    }

    #[test]
    fn figures_that_fit_no_schedule_are_refused() {
        assert_eq!(Random::new(2, 3, None, false), Err(RandomError::MeanBelowMinimum { mean: 2, min: 3 }));
        assert_eq!(Random::new(5, 1, Some(4), false), Err(RandomError::MaximumBelowMean { max: 4, mean: 5 }));
        assert_eq!(Random::new(0, 0, None, false), Err(RandomError::NoMean));
    }
}
