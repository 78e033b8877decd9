//! Follows one run until it is over: reads it and its injections again and again, tells what is new, and ends it early
//! when it is asked to. Reading beats a watch here: a connection that hangs is noticed within one call's time limit.

use super::ask;
use super::connect::Reached;
use super::story::{Seen, Story};
use crate::progress::Progress;
use crate::signals::Asked;
use rumpus_agent::resolve::chain;
use rumpus_cluster::{ChaosInjection, ChaosNode, ChaosRun, Error};
use rumpus_model::wire::RunState;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

/// How often a run is read while something changes, and while it only lasts.
const OFTEN: Duration = Duration::from_millis(250);
const SELDOM: Duration = Duration::from_secs(1);
/// After this long without a controller it is said where to look.
const UNTAKEN: Duration = Duration::from_secs(10);
/// What an agent and the controller may need besides the lease to say that everything has ended.
const SLACK: Duration = Duration::from_secs(10);
/// How long a stopped run that no controller has taken is waited for.
const UNTAKEN_STOPPED: Duration = Duration::from_secs(3);

/// The label of an injection that holds its run's UID.
const RUN_LABEL: &str = "rumpus.dev/run";

/// One run to follow.
#[derive(Debug)]
pub struct Following<'a> {
    pub reached: &'a Reached,
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

/// What following came to.
#[derive(Debug, Default)]
pub struct Followed {
    pub seen: Seen,
    pub asked: Option<Asked>,
    /// What could not be read or written on the way.
    pub problems: Vec<String>,
}

impl Following<'_> {
    /// Follows to the end. The first wish for an early end stops the run, the second one leaves it alone.
    pub async fn to_the_end(&self, wishes: &mut Receiver<Asked>, stop: bool, progress: &mut Progress) -> Followed {
        let (mut followed, mut story) = (Followed::default(), Story::default());
        let began = Instant::now();
        let (mut ending_since, mut hinted, mut stopping) = (None, false, stop);
        loop {
            if stopping {
                match self.stop().await {
                    Ok(()) => stopping = false,
                    Err(error) => {
                        followed.note(&format!("the run could not be stopped: {}; {}", chain(&error), error.hint()))
                    }
                }
                ending_since.get_or_insert_with(Instant::now);
            }
            match self.look(&mut followed.seen).await {
                Ok(()) => {}
                Err(error) => followed.note(&ask::unread("the run", &error)),
            }
            story.news(&followed.seen).iter().for_each(|line| progress.say(line));
            if followed.seen.run.is_none() && followed.seen.unread.is_none() {
                ending_since.get_or_insert_with(Instant::now);
            }
            if self.is_enough(&followed.seen, ending_since) {
                return followed;
            }
            if !hinted && !followed.seen.is_taken() && began.elapsed() > UNTAKEN {
                progress.say("no controller has taken the run up yet; `rumpus doctor` shows whether there is one");
                hinted = true;
            }
            progress.waiting(&crate::render::cluster::run::waiting(&followed.seen));
            let running = followed.seen.status().is_some_and(|s| s.state == Some(RunState::Running));
            let pause = if running && ending_since.is_none() { SELDOM } else { OFTEN };
            // Cancel-safe: `recv` loses nothing when the pause ends first.
            if let Ok(Some(asked)) = tokio::time::timeout(pause, wishes.recv()).await {
                if followed.asked.is_some() {
                    progress.say("not followed any further; `rumpus active` shows what is left");
                    return followed;
                }
                progress.asked(asked, false);
                (followed.asked, stopping) = (Some(asked), true);
            }
        }
    }

    /// Decides whether waiting longer tells nothing more.
    fn is_enough(&self, seen: &Seen, ending_since: Option<Instant>) -> bool {
        if seen.is_finished() || seen.is_stuck() {
            return true;
        }
        let Some(since) = ending_since.map(|at| at.elapsed()) else { return false };
        let over = seen.is_over() && !seen.injections.is_empty();
        let untaken = !seen.is_taken() && seen.is_over() && since > UNTAKEN_STOPPED;
        // The controller may need a moment to put together what the nodes have attested.
        let attested = over && (seen.run.is_none() || since > UNTAKEN_STOPPED + SLACK);
        attested || untaken || since > self.reached.lease + SLACK
    }

    async fn stop(&self) -> Result<(), Error> {
        // With the UID, so that another run of the same name is not stopped in its place.
        let patch = json!({"metadata": {"uid": self.uid}, "spec": {"stop": true}});
        match self.reached.change::<ChaosRun>(&self.namespace, &self.name, &self.uid, &patch).await {
            // Gone is ended, and what that came to is read anyway.
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn look(&self, seen: &mut Seen) -> Result<(), Error> {
        let run = self.reached.get::<ChaosRun>(&self.namespace, &self.name).await?;
        seen.run = run.filter(|r| r.uid() == self.uid);
        let of_run = Some(format!("{RUN_LABEL}={}", self.uid));
        match self.reached.list::<ChaosInjection>(&self.namespace, of_run).await {
            Ok(list) => {
                seen.unread = list.unreadable.first().map(|(name, why)| format!("injection {name}: {why}"));
                seen.injections.extend(list.items.into_iter().map(|i| (i.uid().to_owned(), i)));
            }
            Err(error) => seen.unread = Some(ask::unread("the injections", &error)),
        }
        if seen.run.is_none() && !seen.is_over() {
            let nodes = self.reached.list::<ChaosNode>("", None).await?.items;
            let ended = nodes.iter().filter_map(|n| n.status.as_ref()).flat_map(|s| &s.ended);
            let clean: BTreeSet<String> = ended.filter(|e| e.clean.is_some()).map(|e| e.uid.clone()).collect();
            seen.ended = clean;
        }
        Ok(())
    }
}

impl Followed {
    fn note(&mut self, problem: &str) {
        if !self.problems.iter().any(|p| p == problem) {
            self.problems.push(problem.to_owned());
        }
    }
}
