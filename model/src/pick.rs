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
    let mut ranked: Vec<(u64, String, T)> = candidates
        .into_iter()
        .map(|c| {
            let id = identity(&c);
            (rank(seed, &id), id, c)
        })
        .collect();
    ranked.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let taken = pick.of(ranked.len());
    let left = ranked.split_off(taken);
    let strip = |list: Vec<(u64, String, T)>| list.into_iter().map(|(_, _, c)| c).collect();
    (strip(ranked), strip(left))
}
