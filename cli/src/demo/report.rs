//! What a demo leaves: for scripts, and as text.

use super::measure::Window;
use super::play::Played;
use super::proof::Proof;
use crate::render;
use rumpus_model::injection::Attestation;
use rumpus_model::plan::Plan;
use rumpus_model::run::Outcome;
use serde::Serialize;
use std::path::PathBuf;

/// One fault: the plan, what the agent attests, what the client saw.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    pub plan: Plan,
    pub attestations: Vec<Attestation>,
    pub proof: Proof,
}

/// Everything.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub state_dir: PathBuf,
    pub policies: String,
    pub seed: String,
    pub baseline: Window,
    pub faults: Vec<Shown>,
    /// Whether links, addresses, routes, qdiscs and nf_tables of all namespaces were compared and found equal; none
    /// if the demo ended before there was anything to compare.
    pub dumps_equal: Option<bool>,
    pub differences: Vec<String>,
    /// What a last sweep found of the agent's; it has to be nothing. None if no agent was started.
    pub swept: Option<Vec<String>>,
    pub removed: Vec<String>,
    pub problems: Vec<String>,
    pub outcome: Outcome,
    pub exit_code: u8,
}

impl Report {
    pub fn new(state_dir: PathBuf, policies: String, seed: String) -> Self {
        Self {
            state_dir,
            policies,
            seed,
            baseline: Window::default(),
            faults: Vec::new(),
            dumps_equal: None,
            differences: Vec::new(),
            swept: None,
            removed: Vec::new(),
            problems: Vec::new(),
            outcome: Outcome::Proven,
            exit_code: 0,
        }
    }

    /// Returns whether all is as it was.
    pub fn is_restored(&self) -> bool {
        self.problems.is_empty() && self.dumps_equal != Some(false) && self.swept.as_ref().is_none_or(Vec::is_empty)
    }
}

/// Renders what is about to happen, and how to end it.
pub fn opening(report: &Report) -> String {
    let dir = report.state_dir.display();
    format!(
        "rumpus demo: breaks three small services of its own, and puts everything back\n\
         services   client 10.87.0.1 -> api 10.87.0.2 (three processes) -> store 10.87.0.3, each in a network\n\
         \x20          namespace of its own; the client sends 50 requests a second\n\
         policies   {}\n\
         state dir  {dir} (removed at the end)\n\
         to end it  Ctrl-C here, or from any terminal: rumpus halt --state-dir {dir}\n",
        report.policies
    )
}

/// Renders what the agent and the client say about one fault, right after it.
pub fn fault(played: &Played, proof: Option<&Proof>) -> String {
    let mut page = render::end(&crate::commands::run::Report {
        run: String::new(),
        seed: played.plan.seed.clone(),
        armed: true,
        plans: vec![played.plan.clone()],
        attestations: played.attestations.clone(),
        outcome: played.outcome,
        exit_code: played.outcome.exit_code(),
    });
    let Some(proof) = proof else { return page };
    page += "\nWHAT THE CLIENT SAW\n";
    page += &format!("  before     {}\n  in effect  {}\n  after      {}\n", proof.before, proof.during, proof.after);
    for (old, new) in &proof.replaced {
        page += &format!("  process {old} is gone; the supervisor started {new} in its place\n");
    }
    for missing in &proof.missing {
        page += &format!("  NOT PROVEN: {missing}\n");
    }
    page
}

/// Renders the end.
pub fn end(report: &Report) -> String {
    let mut page = String::from("\nPUT BACK\n");
    match report.dumps_equal {
        Some(true) => {
            page += "  links, addresses, routes, qdiscs and nf_tables of the three namespaces: equal to before\n"
        }
        Some(false) => page += "  NOT EQUAL to before (- before, + after):\n",
        None => page += "  the namespaces were not compared with how they were before\n",
    }
    report.differences.iter().for_each(|line| page += &format!("    {line}\n"));
    match report.swept.as_deref() {
        Some([]) => page += "  a last sweep over all namespaces of this machine found nothing of this instance\n",
        Some(found) => found.iter().for_each(|what| page += &format!("  LEFT BEHIND, swept now: {what}\n")),
        None => {}
    }
    report.removed.iter().for_each(|what| page += &format!("  removed: {what}\n"));
    report.problems.iter().for_each(|problem| page += &format!("  PROBLEM: {problem}\n"));
    let verdict = match report.outcome {
        Outcome::Proven => "proven: every fault had its effect, and everything is back as it was",
        Outcome::Halted => "ended early by a halt or SIGTERM: everything that was made is removed",
        Outcome::Interrupted => "interrupted: everything that was made is removed",
        Outcome::Inconclusive => "inconclusive: a fault did not show its effect; everything is back as it was",
        Outcome::DryRun | Outcome::Refused => "refused: see above; everything that was made is removed",
        Outcome::RestoreProblem => "NOT RESTORED: see above",
    };
    page + &format!("\n{verdict}\n")
}

/// How to do the same to one's own.
pub const NEXT: &str = "
YOUR TURN (without --arm it is a dry run)
  rumpus doctor
  rumpus plan policies/latency-to-address.yaml
  rumpus run latency --netns NAME --delay 100ms --direction Egress --peer 10.0.0.7 --for 30s --arm
  rumpus run partition --netns NAME --peer 10.0.0.7 --direction Both --for 20s --arm
  rumpus run kill --name worker --count 1 --signal TERM --grace 5s --arm
  rumpus halt --reason 'checkout is down'
";
