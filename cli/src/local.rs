//! The local mode: this host's world for the controller, and an agent in this very process.

use crate::args::Global;
use crate::failure::Failure;
use rumpus_agent::driver::Agent;
use rumpus_agent::local::{self, LocalError};
use rumpus_agent::observe::{self, ObserveOptions};
use rumpus_agent::ports::Witness;
use rumpus_agent::resolve::{self, chain};
use rumpus_agent::state_dir::{Observer, StateDirError};
use rumpus_agent::worker::spawn::WorkerProgram;
use rumpus_controller::ports::{Agents, Observe};
use rumpus_model::injection::{Attestation, Injection};
use rumpus_model::plan::Lookup;
use rumpus_model::policy::Policy;
use rumpus_model::select::Selector;
use rumpus_model::world::{Halted, World};
use std::net::IpAddr;
use std::sync::mpsc::Sender;

/// What a running agent tells.
#[derive(Debug)]
pub enum Note {
    Asked(crate::signals::Asked),
    Attested(Box<Attestation>),
    Swept { found: Vec<String>, failed: Vec<String> },
}

/// This host, seen for a plan.
#[derive(Debug)]
pub struct LocalHost<'a> {
    pub global: &'a Global,
}

impl Observe for LocalHost<'_> {
    fn world(&self, policies: &[Policy]) -> Result<World, String> {
        let options = ObserveOptions {
            hide_engines: self.global.without_engine.iter().copied().collect(),
            halted: halted(self.global)?,
            want_lockout: policies.iter().any(|p| matches!(p.experiment.targets, Selector::Host)),
            ..ObserveOptions::default()
        };
        observe::world(&options).map_err(|e| chain(&e))
    }

    fn lookup(&self, lookup: &Lookup) -> Result<Vec<IpAddr>, String> {
        {
            let netns = resolve::netns(&lookup.netns).map_err(|_gone| "the target is gone".to_owned())?;
            observe::names::lookup(&netns, &lookup.netns.via, &lookup.name)
        }
    }
}

/// Reads the Halt of the state directory; no directory means that nobody has halted anything.
pub fn halted(global: &Global) -> Result<Halted, String> {
    match Observer::open(&global.state_dir) {
        Ok(None) => Ok(Halted::No),
        Ok(Some(dir)) => Ok(local::halted(&dir)),
        Err(error) => Ok(Halted::Unreadable { why: chain(&error) }),
    }
}

/// Tells the command's own thread what the agent attests, among whatever else that hears.
#[derive(Debug)]
pub struct Teller<T>(pub Sender<T>);

impl<T: From<Note> + Send> Witness for Teller<T> {
    fn attested(&mut self, attestation: &Attestation) {
        // Nobody listens any more once the command has printed its end.
        drop(self.0.send(Note::Attested(Box::new(attestation.clone())).into()));
    }

    fn swept(&mut self, found: &[String], failed: &[String]) {
        drop(self.0.send(Note::Swept { found: found.to_vec(), failed: failed.to_vec() }.into()));
    }
}

/// The agent in this process, as the controller reaches it.
#[derive(Debug)]
pub struct LocalAgent<'a>(pub &'a Agent);

impl Agents for LocalAgent<'_> {
    fn submit(&self, injection: Injection) {
        self.0.submit(injection);
    }
}

/// Starts the agent that holds the state directory.
///
/// # Errors
/// Refused, with what to do: another process holds it, or it cannot be used.
pub fn start<T: From<Note> + Send + 'static>(global: &Global, notes: Sender<T>) -> Result<Agent, Failure> {
    root()?;
    let witness = Box::new(Teller(notes));
    let started = local::start(&global.state_dir, global.lease, WorkerProgram::this_binary(), witness);
    started.map_err(|error| refused(&error))
}

/// Sees that this is root: nothing on a node can be done without.
///
/// # Errors
/// Refused, with what to do.
pub fn root() -> Result<(), Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Failure::refused("this needs root: it changes the kernel's rules", "run it with sudo, or see `rumpus doctor`"))
}

/// Says why a state directory cannot be used, and what to do.
pub fn refused(error: &LocalError) -> Failure {
    let hint = match error {
        LocalError::StateDir(StateDirError::Held { .. }) => {
            "one agent at a time: wait for it, `rumpus halt` ends it, or use another --state-dir"
        }
        LocalError::StateDir(_) => "name a directory of root's own with --state-dir, on a disk that can be written",
        LocalError::Journal(_) => "free space on the disk of --state-dir, or remount it; `rumpus residue --clean` then",
        LocalError::Proc(_) | LocalError::Threads(_) | LocalError::Spawner(_) | LocalError::Watch(_) => {
            "`rumpus doctor` shows what this machine lacks"
        }
    };
    Failure::refused(chain(error), hint)
}
