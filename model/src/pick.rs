//! How many of the candidates are taken, and which.

use crate::rank::rank;
use serde::{Deserialize, Serialize};

/// How many of the candidates are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pick {
    All,
    /// At least 1.
    Count(u32),
    /// 0 to 100; 0 takes none.
    Percent {
        percent: u8,
        rounding: Rounding,
    },
}

/// What becomes of a fraction of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rounding {
    Down,
    Up,
}

/// Who is taken first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Whoever was made first; the seed decides among those of one age.
    Oldest,
    /// As the seed draws.
    #[default]
    Random,
    /// Whoever was made last; the seed decides among those of one age.
    Youngest,
}

impl Order {
    /// Returns what follows the number in a plan; nothing for what is usual.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Oldest => ", the oldest first",
            Self::Random => "",
            Self::Youngest => ", the youngest first",
        }
    }
}

impl Pick {
    /// Returns how many of `candidates` are taken.
    pub fn of(self, candidates: usize) -> usize {
        match self {
            Self::All => candidates,
            Self::Count(count) => candidates.min(usize::try_from(count).unwrap_or(usize::MAX)),
            Self::Percent { percent, rounding } => {
                let share = candidates * usize::from(percent);
                match rounding {
                    Rounding::Down => share / 100,
                    Rounding::Up => share.div_ceil(100),
                }
            }
        }
    }

    pub fn summary(self) -> String {
        match self {
            Self::All => "all".into(),
            Self::Count(count) => format!("{count}"),
            Self::Percent { percent, rounding: Rounding::Down } => format!("{percent} %, rounded down"),
            Self::Percent { percent, rounding: Rounding::Up } => format!("{percent} %, rounded up"),
        }
    }
}

/// Splits candidates into those taken and those left, by rank. `identity` must be unique.
pub fn split<T>(candidates: Vec<T>, identity: impl Fn(&T) -> String, pick: Pick, seed: &str) -> (Vec<T>, Vec<T>) {
    split_by(candidates, |_| (), identity, pick, seed)
}

/// Splits as [`split`], by `first` before the rank: the lowest are taken first.
pub fn split_by<T, K: Ord>(
    candidates: Vec<T>,
    first: impl Fn(&T) -> K,
    identity: impl Fn(&T) -> String,
    pick: Pick,
    seed: &str,
) -> (Vec<T>, Vec<T>) {
    let mut ranked: Vec<((K, u64, String), T)> = candidates
        .into_iter()
        .map(|c| {
            let id = identity(&c);
            ((first(&c), rank(seed, &id), id), c)
        })
        .collect();
    ranked.sort_by(|a, b| a.0.cmp(&b.0));
    let taken = pick.of(ranked.len());
    let left = ranked.split_off(taken);
    let strip = |list: Vec<((K, u64, String), T)>| list.into_iter().map(|(_, c)| c).collect();
    (strip(ranked), strip(left))
}
