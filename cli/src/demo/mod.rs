//! `rumpus demo`: the main job on services of its own, in under a minute, with nothing prepared.
//!
//! ```text
//! claim -> build the stage -> start the agent -> baseline, dump
//!       -> each policy: plan, act, follow, calm, judge -> dump, sweep -> take everything down
//! ```
//! It must never hit what it did not make, and never end with anything of its own left, however it ends.

pub mod service;
pub mod seen;
pub mod measure;
pub mod child;
pub mod namespace;
pub mod marker;
pub mod claim;
pub mod stage;
pub mod stop;
pub mod policies;
pub mod show;
pub mod play;
pub mod proof;
pub mod dumps;
pub mod left;
pub mod picture;
pub mod report;

use crate::args::{Global, Output};
use crate::commands::{plan, print};
use crate::failure::Failure;
use crate::local::{self, Note};
use crate::signals;
use measure::Window;
use picture::Mark;
use play::{Played, Scene};
use policies::Source;
use report::{Report, Shown};
use rumpus_agent::kernel::inherited;
use rumpus_agent::kernel::timer::boottime;
use rumpus_model::run::Outcome;
use show::Show;
use stage::Stage;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use stop::{Asking, Stop};

/// Undisturbed spans: in front of the first fault, and after each.
const BASELINE: Duration = Duration::from_millis(1500);
const CALM: Duration = Duration::from_millis(2000);
/// After a Halt, whoever ordered it still reads the attestation in the state directory.
const ATTESTATION_READ: Duration = Duration::from_secs(2);

/// Shows it all.
///
/// # Errors
/// It was refused before anything was made.
pub fn run(global: &Global) -> Result<u8, Failure> {
    local::root()?;
    claim::not_halted(global)?;
    let source = policies::load()?;
    let show = Show::new(global.output == Output::Table);
    let asking = Asking::default();
    let (notes, queue) = channel();
    let (asked, told) = (asking.clone(), notes.clone());
    signals::take_over(move |a| {
        asked.note(a);
        drop(told.send(Note::Asked(a)));
    })
    .map_err(|e| Failure::refused(format!("take over signals: {e}"), "run it from a shell of its own"))?;
    inherited::close_on_exec();
    let marker = claim::claim(&show)?;
    let global = Global { state_dir: marker.dir.clone(), ..global.clone() };
    let seed = plan::seed(None, &source.policies);
    let mut report = Report::new(global.state_dir.clone(), source.from.clone(), seed);
    show.page(&report::opening(&report));
    let mut stage = Stage::new(marker);
    let stop = stage.build(&asking).and_then(|()| {
        show.say("the services answer");
        act(&global, &mut stage, &source, (notes, &queue), &asking, &show, &mut report)
    });
    close(&global, stage, stop.err(), &asking, &show, &mut report);
    print(&global, &report, String::new)?;
    Ok(report.exit_code)
}

/// Plays all scenes with an agent, and ends the agent.
fn act(
    global: &Global,
    stage: &mut Stage,
    source: &Source,
    (notes, queue): (Sender<Note>, &Receiver<Note>),
    asking: &Asking,
    show: &Show,
    report: &mut Report,
) -> Result<(), Stop> {
    let agent = local::start(global, notes).map_err(Stop::Failed)?;
    let scene = Scene { global, agent: &agent, notes: queue, asking, show };
    let mut before = None;
    let played = scenes(&scene, stage, source, &mut before, report);
    // Whatever is still in effect ends here, and is read back.
    let stuck = agent.finish().iter().any(|a| !a.state.is_final());
    if stuck {
        report.problems.push("a fault could not be restored; the kernel ends its effect by itself".into());
    }
    if let Some(before) = before {
        match dumps::take(stage) {
            Ok(after) => {
                report.differences = dumps::differences(&before, &after);
                report.dumps_equal = Some(report.differences.is_empty());
            }
            Err(why) => report.problems.push(format!("dump the namespaces: {why}")),
        }
    }
    match left::sweep_again(global) {
        Ok(found) => report.swept = Some(found),
        Err(why) => report.problems.push(format!("sweep: {why}")),
    }
    played
}

fn scenes(
    scene: &Scene<'_>,
    stage: &mut Stage,
    source: &Source,
    before: &mut Option<dumps::Dumps>,
    report: &mut Report,
) -> Result<(), Stop> {
    scene.swept()?;
    let from = boottime();
    scene.calm(stage, BASELINE)?;
    let told = |stage: &Stage, from, to| Window::of(&stage.seen.told().samples, from, to);
    report.baseline = told(stage, from, boottime());
    scene.show.say(&format!("undisturbed: {}", report.baseline));
    *before = Some(dumps::take(stage).map_err(|why| {
        let hint = "something else changes network devices on this machine; try again";
        Stop::Failed(Failure::refused(format!("dump the namespaces: {why}"), hint))
    })?);
    let (mut calm, mut marks) = (from, Vec::new());
    for policy in &source.policies {
        let undisturbed = told(stage, calm, boottime());
        let played = scene.play(stage, policy, &report.seed)?;
        marks.push(mark(&played));
        calm = played.ended + Duration::from_millis(300);
        let quiet = scene.calm(stage, CALM);
        let proof = proof::judge(&played, undisturbed, &stage.seen.told(), boottime());
        // A demo that was ended early has nothing to compare with.
        scene.show.page(&report::fault(&played, quiet.is_ok().then_some(&proof)));
        let holds = proof.holds();
        let Played { plan, attestations, outcome, .. } = played;
        report.faults.push(Shown { plan, attestations, proof });
        quiet?;
        if !holds {
            let worst = if outcome == Outcome::Proven { Outcome::Inconclusive } else { outcome };
            return Err(if outcome == Outcome::Halted { Stop::Halted } else { Stop::Unproven(worst) });
        }
    }
    let samples = stage.seen.told().samples.clone();
    scene.show.page(&format!("\nTHE CLIENT'S VIEW\n{}", picture::draw(&samples, &marks, from, boottime())));
    Ok(())
}

/// Takes everything down and says how it ended.
fn close(global: &Global, stage: Stage, stop: Option<Stop>, asking: &Asking, show: &Show, report: &mut Report) {
    show.clear();
    if matches!(stop, Some(Stop::Halted)) {
        std::thread::sleep(ATTESTATION_READ);
    }
    let (removed, problems) = stage.take_down();
    report.removed = removed;
    report.problems.extend(problems);
    // A signal that came after the last scene still says how it ended.
    let stop = stop.or_else(|| asking.check().err());
    report.outcome = stop.as_ref().map_or(Outcome::Proven, Stop::outcome);
    if !report.is_restored() {
        report.outcome = Outcome::RestoreProblem;
    }
    report.exit_code = report.outcome.exit_code();
    if let Some(Stop::Failed(failure)) = &stop {
        failure.tell();
    }
    show.page(&report::end(report));
    if report.outcome == Outcome::Proven && global.output == Output::Table {
        show.page(report::NEXT);
    }
    let took = boottime().saturating_sub(show.began());
    show.page(&format!("\nthe demo took {:.1} s", took.as_secs_f64()));
}

fn mark(played: &Played) -> Mark {
    let from = played.attestations.iter().filter_map(|a| a.in_effect).min().unwrap_or(played.began);
    let to = played.attestations.iter().filter_map(|a| a.effect_ended).max().unwrap_or(played.ended);
    Mark { name: played.plan.fault.name(), from, to }
}
