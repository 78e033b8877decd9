//! What comes to the main loop, from the API server, the reconciler and the process's own signals.

use super::reading::Reading;
use crate::cluster::assemble::Assigned;
use crate::cluster::contact::LeaseRead;
use crate::core::Outcome;
use crate::ports::{Lever, Witness};
use rumpus_cluster::{ChaosHalt, ChaosInjection, Error, Seen};
use rumpus_model::injection::{Attestation, Injection};
use rumpus_model::wire::EndedInjection;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// One thing that happened.
#[derive(Debug)]
pub(super) enum Note {
    Assembled(Box<Injection>, Vec<Assigned>),
    Ask(Ask),
    Asked(Vec<Ask>, Box<Reading>),
    Attested(Box<Attestation>),
    Canary(Result<(), String>),
    Halt(Box<Result<Seen<ChaosHalt>, Error>>),
    HaltAttested {
        halt: String,
    },
    Injection(Box<Result<Seen<ChaosInjection>, Error>>),
    Lease(Result<LeaseRead, String>),
    NodeReported(Result<Option<String>, Error>),
    /// What the node's own object holds from before this agent.
    NodeRead {
        version: Option<String>,
        ended: Vec<EndedInjection>,
    },
    Reported {
        uid: String,
        last: bool,
        answer: Result<(), Error>,
    },
    Round(Box<Reading>),
    Stop,
    Swept {
        failed: Vec<String>,
    },
}

/// The question whether an injection may begin.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) injection: String,
    pub(super) answer: SyncSender<Outcome>,
}

/// Where notes come in.
#[derive(Debug)]
pub struct Inbox {
    pub(super) sender: UnboundedSender<Note>,
    pub(super) queue: UnboundedReceiver<Note>,
}

impl Default for Inbox {
    fn default() -> Self {
        let (sender, queue) = unbounded_channel();
        Self { sender, queue }
    }
}

impl Inbox {
    /// Returns what ends the agent.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.sender.clone())
    }
}

/// Ends the agent: faults first.
#[derive(Clone, Debug)]
pub struct Stopper(UnboundedSender<Note>);

impl Stopper {
    /// Asks for the end.
    pub fn stop(&self) {
        // Nobody listens once the agent has ended.
        drop(self.0.send(Note::Stop));
    }
}

/// The reconciler's way to the main loop.
#[derive(Clone, Debug)]
pub(super) struct Bridge {
    pub(super) sender: UnboundedSender<Note>,
    /// How long a question may wait for its answer.
    pub(super) patience: Duration,
}

impl Witness for Bridge {
    fn attested(&mut self, attestation: &Attestation) {
        drop(self.sender.send(Note::Attested(Box::new(attestation.clone()))));
    }

    fn swept(&mut self, _found: &[String], failed: &[String]) {
        drop(self.sender.send(Note::Swept { failed: failed.to_vec() }));
    }
}

impl Lever for Bridge {
    fn ask(&self, injection: &str) -> Outcome {
        let (answer, answered) = sync_channel(1);
        let ask = Ask { injection: injection.to_owned(), answer };
        let failed = |why: &str| Outcome::Failed { why: why.to_owned() };
        if self.sender.send(Note::Ask(ask)).is_err() {
            return failed("the agent is ending");
        }
        answered.recv_timeout(self.patience).unwrap_or_else(|_late| failed("no answer in time"))
    }

    fn attest(&self, halt: &str, ended: bool, _clean: bool) -> Result<(), String> {
        if !ended {
            return Ok(());
        }
        self.sender.send(Note::HaltAttested { halt: halt.to_owned() }).map_err(|e| e.to_string())
    }
}
