//! The counts that were written down, and how new ones compare with them.
//!
//! ```text
//! # comments
//! key: rustc 1.95.0 (…), x86_64-unknown-linux-musl
//! 123456 name of a scenario
//! ```

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail, ensure};

/// How much more than the baseline is too much, and how much less is told, in thousandths. Two runs of one binary differ
/// by far less (docs/benchmarks.md).
const MOST: u64 = 20;

/// First lines of the file.
const HEAD: &str = "\
# Instructions of the hot pure paths. Written by `cargo xtask instructions --bless`, never by hand: docs/benchmarks.md.
";

/// What was counted, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Baseline {
    pub(super) key: String,
    /// In the order of the list.
    pub(super) counts: Vec<(String, u64)>,
}

/// One scenario of the baseline, of this run, or of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) name: String,
    pub(super) before: Option<u64>,
    pub(super) now: Option<u64>,
}

/// How it compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    Fewer,
    More,
    NotInBaseline,
    NotThere,
}

impl Baseline {
    /// Sets each count beside the one of the same name.
    pub(super) fn compare(&self, counted: &[(String, u64)]) -> Vec<Counted> {
        let of = |counts: &[(String, u64)], name: &str| counts.iter().find(|(n, _)| n == name).map(|(_, count)| *count);
        let gone = self.counts.iter().filter(|(name, _)| of(counted, name).is_none());
        let row = |(name, _): &(String, u64)| Counted {
            name: name.clone(),
            before: of(&self.counts, name),
            now: of(counted, name),
        };
        counted.iter().chain(gone).map(row).collect()
    }
}

impl Counted {
    pub(super) fn verdict(&self) -> Verdict {
        match (self.before, self.now) {
            (None, _) => Verdict::NotInBaseline,
            (Some(_), None) => Verdict::NotThere,
            (Some(before), Some(now)) => {
                // In 128 bits nothing overflows.
                let (before, now, most) = (u128::from(before), u128::from(now), u128::from(MOST));
                if now * 1000 > before * (1000 + most) {
                    Verdict::More
                } else if now * 1000 < before * (1000 - most) {
                    Verdict::Fewer
                } else {
                    Verdict::Same
                }
            }
        }
    }

    /// Returns the change in percent, with its sign.
    pub(super) fn change(&self) -> String {
        let (Some(before), Some(now)) = (self.before.filter(|before| *before > 0), self.now) else { return "-".into() };
        // In hundredths of a percent.
        let part = u128::from(now.abs_diff(before)) * 10_000 / u128::from(before);
        let sign = if now < before { '-' } else { '+' };
        format!("{sign}{}.{:02} %", part / 100, part % 100)
    }
}

impl Verdict {
    /// Returns what a person should know and do about it.
    pub(super) fn said(self) -> Option<&'static str> {
        match self {
            Self::Same => None,
            Self::Fewer => Some("needs fewer: `cargo xtask instructions --bless` keeps it so"),
            Self::More => Some(
                "FAILED: needs more than 2 % more. Mend it; or, where it is worth it, bless and say in the commit why",
            ),
            Self::NotInBaseline => Some("FAILED: is not in the baseline; bless it"),
            Self::NotThere => Some("FAILED: is in the baseline, and there is no such scenario any more; bless that"),
        }
    }
}

impl FromStr for Baseline {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let first = lines.next().and_then(|line| line.strip_prefix("key: "));
        let key = first.context("the first line is no `key: COMPILER, TARGET`")?.to_owned();
        let mut counts: Vec<(String, u64)> = Vec::new();
        for line in lines {
            let Some((count, name)) = line.split_once(' ') else { bail!("neither a count nor a comment: {line}") };
            let count = count.parse().with_context(|| format!("no count: {line}"))?;
            ensure!(!counts.iter().any(|(known, _)| known == name), "there twice: {name}");
            counts.push((name.to_owned(), count));
        }
        Ok(Self { key, counts })
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}key: {}", self.key)?;
        self.counts.iter().try_for_each(|(name, count)| writeln!(f, "{count} {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(list: &[(&str, u64)]) -> Vec<(String, u64)> {
        list.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    fn verdicts(before: &[(&str, u64)], now: &[(&str, u64)]) -> Vec<Verdict> {
        let baseline = Baseline { key: "k".into(), counts: counts(before) };
        baseline.compare(&counts(now)).iter().map(Counted::verdict).collect()
    }

    #[test]
    fn more_than_two_percent_more_fails_and_no_less_does() {
        assert_eq!(verdicts(&[("a", 1000)], &[("a", 1021)]), [Verdict::More]);
        assert_eq!(verdicts(&[("a", 1000)], &[("a", 1020)]), [Verdict::Same]);
        assert_eq!(verdicts(&[("a", 1000)], &[("a", 980)]), [Verdict::Same]);
        assert_eq!(verdicts(&[("a", 1000)], &[("a", 979)]), [Verdict::Fewer]);
        assert_eq!(verdicts(&[("a", u64::MAX)], &[("a", u64::MAX)]), [Verdict::Same]);
        assert_eq!(verdicts(&[("a", 0)], &[("a", 1)]), [Verdict::More]);
    }

    #[test]
    fn a_scenario_that_is_on_one_side_only_fails() {
        let both = verdicts(&[("a", 1), ("gone", 1)], &[("new", 1), ("a", 1)]);
        assert_eq!(both, [Verdict::NotInBaseline, Verdict::Same, Verdict::NotThere]);
    }

    #[test]
    fn every_verdict_but_same_is_told_and_those_that_fail_say_so() {
        for verdict in [Verdict::More, Verdict::NotInBaseline, Verdict::NotThere] {
            assert!(verdict.said().is_some_and(|said| said.starts_with("FAILED")), "{verdict:?}");
        }
        assert!(Verdict::Fewer.said().is_some_and(|said| !said.contains("FAILED")));
        assert_eq!(Verdict::Same.said(), None);
    }

    #[test]
    fn a_change_is_told_in_percent() {
        let change = |before, now| Counted { name: "a".into(), before, now }.change();
        assert_eq!(change(Some(1000), Some(1021)), "+2.10 %");
        assert_eq!(change(Some(20_000), Some(19_999)), "-0.00 %");
        assert_eq!(change(None, Some(1)), "-");
    }

    #[test]
    fn a_baseline_is_read_as_it_was_written() {
        let written = Baseline { key: "rustc 1, x".into(), counts: counts(&[("a step, of 2", 7), ("b", 8)]) };
        assert_eq!(written.to_string().parse::<Baseline>().unwrap(), written);
    }

    #[test]
    fn what_is_no_baseline_is_not_read() {
        for text in ["", "7 a", "key: k\nseven a", "key: k\n7", "key: k\n7 a\n8 a"] {
            assert!(text.parse::<Baseline>().is_err(), "{text:?}");
        }
    }
}
