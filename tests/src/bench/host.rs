//! An agent in this process, as `rumpus run` has one, and the instants that it attests.

use std::ffi::OsString;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rumpus_agent::driver::Agent;
use rumpus_agent::kernel::timer::boottime;
use rumpus_cli::args::{self, Global};
use rumpus_cli::commands::plan;
use rumpus_cli::local::{self, Note};
use rumpus_controller::act;
use rumpus_model::injection::{Attestation, State};
use rumpus_model::plan::Plan;
use rumpus_model::policy;

/// The longest wait for anything that has to come.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(50);

/// The agent.
#[derive(Debug)]
pub(super) struct Host {
    global: Global,
    agent: Agent,
    notes: Receiver<Note>,
    runs: u32,
}

/// How long the parts of one fault took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cycle {
    /// From handing it to the agent until it was read back from the kernel.
    pub in_effect: Duration,
    /// From asking for the end until it was read back that nothing is in effect.
    pub ended: Duration,
    /// From asking for the end until it was read back that nothing is left.
    pub clean: Duration,
}

impl Host {
    /// Starts an agent with a state directory of its own, after its first sweep.
    pub(super) fn start(state: &Path, flags: &[&str]) -> Result<Self> {
        let mut words: Vec<OsString> = ["rumpus", "active", "--state-dir"].map(OsString::from).to_vec();
        words.push(state.into());
        words.extend(flags.iter().map(OsString::from));
        let global = args::parse(&words).map_err(|_printed| anyhow!("the agent's flags are wrong"))?.global;
        let (sender, notes) = channel();
        let agent = local::start(&global, sender).map_err(|failure| anyhow!("start an agent: {failure:?}"))?;
        let host = Self { global, agent, notes, runs: 0 };
        while !matches!(host.next()?, Note::Swept { .. }) {}
        Ok(host)
    }

    /// Plans a policy for one run.
    pub(super) fn plan(&mut self, text: &str) -> Result<Plan> {
        self.runs += 1;
        let policies = policy::parse(text).map_err(|problems| anyhow!("a policy of the bench: {problems:?}"))?;
        let plans = plan::plans(&self.global, &policies, "bench", &format!("{:08x}", self.runs));
        let plan = plans.map_err(|failure| anyhow!("plan: {failure:?}"))?.into_iter().next();
        plan.context("a policy without a plan")
    }

    /// Carries a plan with one target out, ends it as soon as it is in effect, and waits until it is clean.
    pub(super) fn cycle(&mut self, plan: &Plan) -> Result<Cycle> {
        ensure!(plan.refusals.is_empty() && plan.targets.len() == 1, "not carried out: {:?}", plan.refusals);
        let injection = act::injection(plan, &format!("{:08x}", self.runs));
        let uid = injection.uid.clone();
        // The kernel is still freeing the table of the round before, and the next transaction would wait for it: a fault
        // rarely begins within milliseconds of another one's end in the same namespace.
        std::thread::sleep(PAUSE);
        let began = boottime();
        self.agent.submit(injection);
        let said = self.wait(&uid, |said| said.state == State::InEffect)?;
        let in_effect = said.in_effect.context("in effect without an instant")?.saturating_sub(began);
        let asked = boottime();
        self.agent.stop(Some(uid.clone()), "the bench");
        let said = self.wait(&uid, |said| said.state == State::Restored)?;
        let since = |at: Option<Duration>| at.map(|at| at.saturating_sub(asked)).context("restored without an instant");
        Ok(Cycle { in_effect, ended: since(said.effect_ended)?, clean: since(said.clean)? })
    }

    /// Ends the agent.
    pub(super) fn finish(self) {
        drop(self.agent.finish());
    }

    fn wait(&self, injection: &str, wanted: impl Fn(&Attestation) -> bool) -> Result<Attestation> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let Note::Attested(said) = self.next()? else { continue };
            if said.injection != injection {
                continue;
            }
            if wanted(&said) {
                return Ok(*said);
            }
            let hopeless = said.state.is_final() || said.state == State::RestoreFailed;
            ensure!(!hopeless, "it ended as {:?}: {:?} {:?}", said.state, said.cause, said.problems);
        }
        bail!("the agent says other things than what is waited for")
    }

    fn next(&self) -> Result<Note> {
        self.notes.recv_timeout(PATIENCE).context("the agent says nothing")
    }
}
