//! `rumpus run`: plan, act, show what happens, put everything back, say what was proven.

use crate::args::{Global, Output, Run as Args};
use crate::cluster;
use crate::commands::plan::{self, load};
use crate::commands::{halt, print};
use crate::failure::Failure;
use crate::local::{self, LocalAgent, Note};
use crate::progress::Progress;
use crate::up::call;
use crate::up::talk::Order;
use crate::{render, signals};
use rumpus_controller::follow::Follow;
use rumpus_controller::{act, follow};
use rumpus_model::duration;
use rumpus_model::injection::{Attestation, Injection};
use rumpus_model::plan::Plan;
use rumpus_model::policy::Policy;
use rumpus_model::run::{Outcome, Phase};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// What a run leaves for scripts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub run: String,
    pub seed: String,
    pub armed: bool,
    pub plans: Vec<Plan>,
    pub attestations: Vec<Attestation>,
    pub outcome: Outcome,
    pub exit_code: u8,
}

/// Carries an experiment out.
///
/// # Errors
/// Bad input, or a refusal before anything was done.
pub fn run(global: &Global, args: &Args) -> Result<u8, Failure> {
    if args.reason.is_some() || args.wait || args.no_wait {
        return Err(cluster::only("--reason, --wait and --no-wait", "a run of this host lasts as long as its command"));
    }
    let mut policies = policies(args)?;
    expect(&mut policies, args.plan_hash.as_deref())?;
    let daemon = if args.arm { args.socket.connect(global)? } else { None };
    let (seed, run) = (plan::seed(args.seed.as_deref(), &policies), plan::random());
    let report = match (daemon, args.arm) {
        (Some(daemon), _) => call::run(global, daemon, order(global, args)?, |plans| show(global, plans))?,
        (None, true) => armed(global, &policies, seed, run)?,
        (None, false) => dry(global, &policies, seed, run)?,
    };
    print(global, &report, || render::end(&report))?;
    Ok(report.exit_code)
}

/// Puts into words what a daemon is asked for; what makes no sense was told already.
fn order(global: &Global, args: &Args) -> Result<Order, Failure> {
    if !global.without_engine.is_empty() {
        let hint = "leave it out, or start the daemon with it";
        return Err(Failure::usage("--without-engine is the daemon's to have", hint));
    }
    let path = Path::new(&args.what);
    let (text, duration) = if path.exists() {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::usage(format!("read {}: {e}", args.what), "see that it is still there"))?;
        (text, args.duration.clone())
    } else {
        let written = args.fault.written(&args.what, args.duration.clone())?;
        let text = serde_json::to_string(&written)
            .map_err(|e| Failure::usage(format!("write the flags down: {e}"), "use a file instead"))?;
        (text, None)
    };
    Ok(Order {
        file: args.what.clone(),
        text,
        seed: args.seed.clone(),
        plan_hash: args.plan_hash.clone(),
        duration,
        by: halt::by(),
    })
}

fn dry(global: &Global, policies: &[Policy], seed: String, run: String) -> Result<Report, Failure> {
    let plans = plan::plans(global, policies, &seed, &run)?;
    show(global, &plans);
    let outcome = plan::outcome(&plans);
    Ok(report(run, seed, false, plans, Vec::new(), outcome))
}

fn armed(global: &Global, policies: &[Policy], seed: String, run: String) -> Result<Report, Failure> {
    local::root()?;
    let (notes, queue) = channel();
    let asked = notes.clone();
    signals::take_over(move |a| drop(asked.send(Note::Asked(a))))
        .map_err(|e| Failure::refused(format!("take over signals: {e}"), "run it from a shell of its own"))?;
    // The agent first: it sweeps what a predecessor left, so that the plan sees a clean host.
    let agent = local::start(global, notes)?;
    let mut progress = Progress::new(global.output == Output::Table);
    let early = swept(&queue, &mut progress);
    let plans = match plan::plans(global, policies, &seed, &run) {
        Ok(plans) => plans,
        Err(failure) => {
            drop(agent.finish());
            return Err(failure);
        }
    };
    show(global, &plans);
    if let Some(asked) = early {
        drop(agent.finish());
        let outcome = if asked == signals::Asked::Interrupt { Outcome::Interrupted } else { Outcome::Halted };
        return Ok(report(run, seed, true, plans, Vec::new(), outcome));
    }
    let injections = act::submit(&LocalAgent(&agent), &plans, &run);
    let mut followed = Follow::of(&injections);
    progress.begin(&injections);
    follow_to_the_end(&queue, &agent, &mut followed, &mut progress);
    for attestation in agent.finish() {
        followed.take(attestation);
    }
    progress.end();
    let outcome = outcome(&plans, &injections, &followed);
    let attestations = followed.attestations().cloned().collect();
    Ok(report(run, seed, true, plans, attestations, outcome))
}

/// Waits for the first sweep; a signal that comes before it is honoured.
fn swept(queue: &Receiver<Note>, progress: &mut Progress) -> Option<signals::Asked> {
    for note in queue {
        match note {
            Note::Swept { found, failed } => {
                progress.swept(&found, &failed);
                return None;
            }
            Note::Asked(asked) => return Some(asked),
            Note::Attested(attestation) => progress.attested(&attestation),
        }
    }
    None
}

fn follow_to_the_end(
    queue: &Receiver<Note>,
    agent: &rumpus_agent::driver::Agent,
    followed: &mut Follow,
    progress: &mut Progress,
) {
    let mut asked_before = false;
    while followed.phase() != Phase::Finished && !followed.is_stuck() {
        match queue.recv_timeout(Duration::from_millis(500)) {
            Ok(Note::Attested(attestation)) => {
                progress.attested(&attestation);
                followed.take(*attestation);
            }
            Ok(Note::Swept { found, failed }) => progress.swept(&found, &failed),
            Ok(Note::Asked(asked)) => {
                progress.asked(asked, asked_before);
                agent.stop(None, asked.by());
                asked_before = true;
            }
            Err(RecvTimeoutError::Timeout) => progress.tick(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Judges a run by its plans and what was attested.
pub(crate) fn outcome(plans: &[Plan], injections: &[Injection], followed: &Follow) -> Outcome {
    if plans.iter().any(|p| !p.refusals.is_empty()) {
        return Outcome::Refused;
    }
    let idle = plans.iter().filter(|p| !p.acts()).map(follow::outcome_of_plan);
    let acted = injections.iter().map(|i| followed.outcome(i));
    Outcome::worst(idle.chain(acted)).unwrap_or(Outcome::Inconclusive)
}

/// Notes the plan that a run has to come to.
///
/// # Errors
/// It is about several policies, or it is no hash.
pub fn expect(policies: &mut [Policy], hash: Option<&str>) -> Result<(), Failure> {
    let Some(hash) = hash else { return Ok(()) };
    match policies {
        [policy] if rumpus_model::plan::is_hash(hash) => policy.plan_hash = Some(hash.to_owned()),
        [_] => {
            let hint = "write the eight digits that the plan shows";
            return Err(Failure::usage(format!("--plan-hash: `{hash}` is no hash of a plan"), hint));
        }
        _ => return Err(Failure::usage("--plan-hash is about one policy", "put each policy into a file of its own")),
    }
    Ok(())
}

fn policies(args: &Args) -> Result<Vec<Policy>, Failure> {
    let path = Path::new(&args.what);
    if !path.exists() && rumpus_model::fault::Fault::NAMES.contains(&args.what.as_str()) {
        return Ok(vec![args.fault.policy(&args.what, args.duration.clone())?]);
    }
    if !path.exists() && !args.what.contains(['.', '/']) {
        return Err(args
            .fault
            .policy(&args.what, None)
            .err()
            .unwrap_or_else(|| Failure::usage(format!("there is no `{}`", args.what), "name a file or a fault")));
    }
    let mut policies = load(path)?;
    if let Some(asked) = &args.duration {
        let asked =
            duration::parse(asked).map_err(|why| Failure::usage(format!("--for: {why}"), "write it like 30s or 5m"))?;
        for policy in &mut policies {
            self::shorter(policy, asked)?;
        }
    }
    Ok(policies)
}

/// Makes a policy's fault last as long as `--for` asks, which can only be shorter.
///
/// # Errors
/// It would be longer, or the fault happens once.
pub fn shorter(policy: &mut Policy, asked: Duration) -> Result<(), Failure> {
    match policy.experiment.duration {
        Some(written) if asked > written => Err(Failure::usage(
            format!("--for {} is longer than policy {} allows", duration::show(asked), policy.name),
            format!("it can only be shorter than {}; edit the file for more", duration::show(written)),
        )),
        Some(_) if asked < Duration::from_secs(1) => {
            Err(Failure::usage("--for is shorter than 1s", "a fault lasts 1s at least"))
        }
        Some(_) => {
            policy.experiment.duration = Some(asked);
            Ok(())
        }
        None => Err(Failure::usage(
            format!("--for has no meaning for policy {}: its fault happens once", policy.name),
            "leave --for out",
        )),
    }
}

fn show(global: &Global, plans: &[Plan]) {
    if global.output == Output::Table {
        for plan in plans {
            anstream::println!("{}", render::plan(plan));
        }
    }
}

/// Puts together what a run leaves.
pub(crate) fn report(
    run: String,
    seed: String,
    armed: bool,
    plans: Vec<Plan>,
    attestations: Vec<Attestation>,
    outcome: Outcome,
) -> Report {
    Report { run, seed, armed, plans, attestations, outcome, exit_code: outcome.exit_code() }
}
