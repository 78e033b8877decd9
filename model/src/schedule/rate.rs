//! Rates: at most so many runs within any stretch of a length, counted from records of what really began. Pure.

use crate::duration;
use crate::number::whole;
use jiff::{SignedDuration, Timestamp};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Most runs that a rate may allow.
pub const MOST: u32 = 1000;
/// Longest stretch that a rate looks back.
pub const LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// Shortest one.
pub const SHORTEST: Duration = Duration::from_secs(60);

/// At most `runs` within any stretch of `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// From 1 on.
    pub runs: u32,
    pub per: Duration,
}

/// What the administrator allows besides what each policy does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Of all policies of one namespace together.
    pub namespace: Option<Rate>,
    /// Of all policies together.
    pub cluster: Option<Rate>,
}

impl Rate {
    /// Returns from when on one more is allowed, if none is now. What is recorded of the time after now counts: a clock was
    /// put back.
    pub fn exhausted(&self, hits: impl Iterator<Item = Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let per = SignedDuration::try_from(self.per).unwrap_or(SignedDuration::MAX);
        let mut within: Vec<Timestamp> = hits.filter(|at| now.duration_since(*at) < per).collect();
        let runs = usize::try_from(self.runs).unwrap_or(usize::MAX);
        if within.len() < runs {
            return None;
        }
        within.sort_unstable();
        let first = within.len().saturating_sub(runs);
        Some(within.get(first).and_then(|at| at.checked_add(per).ok()).unwrap_or(Timestamp::MAX))
    }

    /// Leaves out what is too old to count at `now`, and of the rest all but the newest that matter.
    pub fn keep(&self, hits: &mut Vec<Timestamp>, now: Timestamp) {
        trim(hits, now, self.per, usize::try_from(self.runs).unwrap_or(usize::MAX));
    }
}

/// Leaves out what is older than `per`, and all but the newest `most`.
pub fn trim(hits: &mut Vec<Timestamp>, now: Timestamp, per: Duration, most: usize) {
    let per = SignedDuration::try_from(per).unwrap_or(SignedDuration::MAX);
    hits.retain(|at| now.duration_since(*at) < per);
    hits.sort_unstable();
    let more = hits.len().saturating_sub(most);
    hits.drain(..more);
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.runs, duration::show(self.per))
    }
}

/// Reads `20/1d`.
impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("`{text}` is no rate: write runs and a stretch, such as 20/1d");
        let (runs, per) = text.split_once('/').ok_or_else(form)?;
        let runs: u32 = whole(runs).ok_or_else(form)?;
        let per = duration::parse(per).map_err(|why| format!("{}: {why}", form()))?;
        if !(1..=MOST).contains(&runs) || !(SHORTEST..=LONGEST).contains(&per) {
            let (least, most) = (duration::show(SHORTEST), duration::show(LONGEST));
            return Err(format!("`{text}` is not within 1 and {MOST} runs and within {least} and {most}"));
        }
        Ok(Self { runs, per })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    const DAY: i64 = 86_400;

    fn two_a_day() -> Rate {
        "2/1d".parse().unwrap()
    }

    #[test]
    fn the_window_rolls_and_its_edge_is_exact() {
        let hits = [at(0), at(3600)];
        let when = |now: i64| two_a_day().exhausted(hits.into_iter(), at(now));
        assert_eq!(when(3601), Some(at(DAY)));
        assert_eq!(when(DAY - 1), Some(at(DAY)));
        assert_eq!(when(DAY), None);
        assert_eq!(two_a_day().exhausted([at(0)].into_iter(), at(1)), None);
    }

    #[test]
    fn the_next_is_allowed_when_enough_of_them_are_too_old() {
        let hits = [at(30), at(10), at(20)];
        assert_eq!(two_a_day().exhausted(hits.into_iter(), at(40)), Some(at(20 + DAY)));
    }

    #[test]
    fn what_is_recorded_of_a_later_time_counts() {
        assert!(two_a_day().exhausted([at(5000), at(6000)].into_iter(), at(0)).is_some());
    }

    #[test]
    fn what_does_not_matter_any_more_is_left_out() {
        let mut hits = vec![at(5), at(DAY + 1), at(3), at(DAY), at(1)];
        two_a_day().keep(&mut hits, at(DAY + 4));
        assert_eq!(hits, [at(DAY), at(DAY + 1)]);
    }

    #[test]
    fn a_rate_is_read_as_it_is_shown_and_within_bounds() {
        assert_eq!("20/1d".parse::<Rate>().unwrap().to_string(), "20/1d");
        for bad in ["", "20", "/1d", "0/1d", "1001/1d", "1/59s", "1/8d", "+1/1d", "1/1", "1/d", "-1/1d"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }
}
