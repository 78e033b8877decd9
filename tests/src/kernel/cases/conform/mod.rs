//! The kernel of the simulator, compared with the real one: the same orders, drawn from a seed, go to the model and to
//! the production hands in the lab's two networks. Both have to answer the same, and the same has to be there afterwards.
//!
//! In between, gates run out, somebody takes our tables away or adds his own, the agent begins anew, and a network goes.

mod both;
mod script;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

use self::both::Both;
use self::script::{Kind, MET, Script};
use super::how::HOST;
use crate::kernel::case::Case;
use crate::kernel::lab::Lab;
use crate::kernel::matrix::{Engine, Fault};

pub(super) const CASES: &[Case] = &[
    case("conforms_to_the_simulators_kernel", Fault::Partition, |lab| follow(lab, Kind::Partition)),
    case("conforms_to_the_simulators_kernel", Fault::Loss, |lab| follow(lab, Kind::Loss)),
];

const fn case(name: &'static str, fault: Fault, run: fn(&Lab) -> Result<()>) -> Case {
    Case { name, fault, engine: Engine::Nft, kernels: HOST, run }
}

/// How many steps a script has, without those at its end.
const LENGTH: usize = 100;

fn follow(lab: &Lab, kind: Kind) -> Result<()> {
    let foreign = lab.snapshot()?;
    let mut met = BTreeMap::<(&str, &str), usize>::new();
    let mut both = Both::new(lab, kind)?;
    let seeds = if lab.settings().soak { 50 } else { 5 };
    for seed in 0..seeds {
        let mut script = Script::new(seed);
        let mut told = Vec::new();
        for number in 0..LENGTH {
            let step = script.draw();
            told.push(format!("{step:?}"));
            let lately = told.iter().rev().take(10).rev().cloned().collect::<Vec<_>>().join("\n   ");
            let why = || format!("seed {seed}, step {number}:\n   {lately}");
            let (what, answer) = both.take(lab, &step).with_context(why)?;
            *met.entry((what, answer)).or_default() += 1;
            both.compare(lab).with_context(why)?;
        }
        both.end(lab).context("at the end")?;
    }
    for (what, answer) in MET {
        ensure!(met.contains_key(&(*what, *answer)), "no {what} was ever answered by {answer}: {met:?}");
    }
    lab.expect_unchanged(&foreign)?;
    both.network_goes(lab)
}
