//! `rumpus plan FILE`: the dry run by itself.

use crate::args::{Global, Plan as Args};
use crate::commands::print;
use crate::failure::Failure;
use crate::local::LocalHost;
use crate::render;
use rumpus_controller::{follow, observe};
use rumpus_model::plan::Plan;
use rumpus_model::policy::{self, Policy};
use rumpus_model::run::Outcome;
use std::path::Path;

/// Shows the plans of a file.
///
/// # Errors
/// The file makes no sense, or the host cannot be seen.
pub fn run(global: &Global, args: &Args) -> Result<u8, Failure> {
    let policies = load(Path::new(&args.what))?;
    let seed = seed(args.seed.as_deref(), &policies);
    let plans = plans(global, &policies, &seed, "dry-run")?;
    print(global, &plans, || plans.iter().map(render::plan).collect::<Vec<_>>().join("\n"))?;
    Ok(outcome(&plans).exit_code())
}

/// Reads a file of policies.
///
/// # Errors
/// Every problem, with field and line.
pub fn load(file: &Path) -> Result<Vec<Policy>, Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|e| {
        Failure::usage(format!("read {name}: {e}"), "name a file with a ChaosPolicy, like policies/*.yaml")
    })?;
    policy::parse(&text).map_err(|problems| Failure::Problems { file: name, problems })
}

/// Returns the seed that was asked for, the file's own, or a new one.
pub fn seed(asked: Option<&str>, policies: &[Policy]) -> String {
    let written = policies.iter().find_map(|p| p.seed.clone());
    asked.map(str::to_owned).or(written).unwrap_or_else(random)
}

/// Returns 8 random hex digits.
pub fn random() -> String {
    let mut bytes = [0; 4];
    // Without randomness the clock of this boot is still different each time.
    if rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).is_err() {
        let now = rumpus_agent::kernel::timer::boottime().subsec_nanos();
        bytes = now.to_ne_bytes();
    }
    format!("{:08x}", u32::from_ne_bytes(bytes))
}

/// Plans policies on this host.
///
/// # Errors
/// The host cannot be seen.
pub fn plans(global: &Global, policies: &[Policy], seed: &str, run: &str) -> Result<Vec<Plan>, Failure> {
    observe::plans(&LocalHost { global }, policies, seed, run)
        .map_err(|why| Failure::refused(format!("see this host: {why}"), "`rumpus doctor` shows what is missing"))
}

/// Returns how plans that are not carried out end.
pub fn outcome(plans: &[Plan]) -> Outcome {
    Outcome::worst(plans.iter().map(follow::outcome_of_plan)).unwrap_or(Outcome::Inconclusive)
}
