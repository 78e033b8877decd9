//! Carries one policy out on the demo's own services, by the same steps as `run --arm`: plan, show, submit, follow.

use super::show::Show;
use super::stage::Stage;
use super::stop::{Asking, Stop};
use crate::args::Global;
use crate::commands::plan;
use crate::failure::Failure;
use crate::local::{self, LocalAgent, Note};
use crate::render;
use rumpus_agent::driver::Agent;
use rumpus_agent::kernel::timer::boottime;
use rumpus_controller::act;
use rumpus_controller::follow::Follow;
use rumpus_model::injection::{Attestation, Injection};
use rumpus_model::plan::Plan;
use rumpus_model::policy::Policy;
use rumpus_model::run::{Outcome, Phase};
use rumpus_model::world::Halted;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// How often the demo looks around.
const LOOK_EACH: Duration = Duration::from_millis(100);

/// What the scenes play with.
#[derive(Debug)]
pub struct Scene<'a> {
    pub global: &'a Global,
    pub agent: &'a Agent,
    pub notes: &'a Receiver<Note>,
    pub asking: &'a Asking,
    pub show: &'a Show,
}

/// One policy, carried out. Instants are CLOCK_BOOTTIME.
#[derive(Debug)]
pub struct Played {
    pub plan: Plan,
    pub attestations: Vec<Attestation>,
    pub outcome: Outcome,
    pub began: Duration,
    pub ended: Duration,
}

impl Scene<'_> {
    /// Waits for the agent's first sweep, so that the plan sees a clean host.
    ///
    /// # Errors
    /// Somebody wants the demo to end.
    pub fn swept(&self) -> Result<(), Stop> {
        loop {
            self.asking.check()?;
            match self.notes.recv_timeout(LOOK_EACH) {
                Ok(Note::Swept { .. }) => return Ok(()),
                Ok(Note::Asked(_) | Note::Attested(_)) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
        }
    }

    /// Lets the services work undisturbed for a while.
    ///
    /// # Errors
    /// Somebody wants the demo to end, or a service has ended.
    pub fn calm(&self, stage: &mut Stage, span: Duration) -> Result<(), Stop> {
        let until = boottime().saturating_add(span);
        loop {
            self.asking.check()?;
            self.not_halted()?;
            stage.check()?;
            self.show.live(&stage.seen);
            let left = until.saturating_sub(boottime());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK_EACH));
        }
    }

    /// Plans a policy, shows the plan, carries it out and follows it to its end.
    ///
    /// # Errors
    /// It would hit something that is not the demo's own, or the host cannot be seen.
    pub fn play(&self, stage: &mut Stage, policy: &Policy, seed: &str) -> Result<Played, Stop> {
        let run = plan::random();
        let plans = plan::plans(self.global, std::slice::from_ref(policy), seed, &run).map_err(Stop::Failed)?;
        let Some(plan) = plans.first().cloned() else { return Err(gone()) };
        self.show.page(&format!("\n{}", render::plan(&plan)));
        if let Some(foreign) = plan.targets.iter().find(|t| !stage.owns(&t.target)) {
            let what = format!("policy {} would hit {}, which is not the demo's", policy.name, foreign.target);
            return Err(Stop::Failed(Failure::refused(what, "`rumpus run` is for your own processes")));
        }
        self.asking.check()?;
        let began = boottime();
        let injections = act::submit(&LocalAgent(self.agent), &plans, &run);
        let mut followed = Follow::of(&injections);
        if !injections.is_empty() {
            self.follow(stage, &mut followed);
        }
        let outcome = outcome(&plan, &injections, &followed);
        let attestations = followed.attestations().cloned().collect();
        Ok(Played { plan, attestations, outcome, began, ended: boottime() })
    }

    fn follow(&self, stage: &Stage, followed: &mut Follow) {
        let mut stopping = false;
        while followed.phase() != Phase::Finished && !followed.is_stuck() {
            match self.notes.recv_timeout(LOOK_EACH) {
                Ok(Note::Attested(attestation)) => {
                    let line = render::change(&attestation);
                    if followed.take(*attestation) {
                        self.show.say(&line);
                    }
                }
                Ok(Note::Asked(_) | Note::Swept { .. }) => {}
                Err(RecvTimeoutError::Timeout) => self.show.live(&stage.seen),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if let (Err(Stop::Asked(asked)), false) = (self.asking.check(), stopping) {
                self.show.say(&format!("{}: ending and restoring", asked.by()));
                self.agent.stop(None, asked.by());
                stopping = true;
            }
        }
        self.show.clear();
    }

    fn not_halted(&self) -> Result<(), Stop> {
        match local::halted(self.global) {
            Ok(Halted::No) => Ok(()),
            Ok(Halted::Yes { .. } | Halted::Unreadable { .. }) | Err(_) => Err(Stop::Halted),
        }
    }
}

fn outcome(plan: &Plan, injections: &[Injection], followed: &Follow) -> Outcome {
    match injections.first() {
        Some(injection) => followed.outcome(injection),
        None => plan::outcome(std::slice::from_ref(plan)),
    }
}

fn gone() -> Stop {
    Stop::Failed(Failure::refused("the agent's thread is gone", "`rumpus doctor` shows what this machine lacks"))
}
