//! An agent on one host: its state directory, its Halt and its journal, put together.

use crate::core::{Intent, Outcome, Record};
use crate::driver::{Agent, Parts};
use crate::hands::HostHands;
use crate::journal::{Journal, JournalError};
use crate::kernel::proc::{self, ProcError};
use crate::kernel::timer::boottime;
use crate::ports::{Diary, Lever, Tick, Witness};
use crate::recorder::Recorder;
use crate::resolve::chain;
use crate::state_dir::{HaltState, StateDir, StateDirError, read_halt, write_attestation};
use crate::testing::{self, Sabotage, sabotaged};
use crate::worker::spawn::{SpawnError, Spawner, WorkerProgram};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use rumpus_model::world::Halted;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Why there is no agent.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    #[error("open the journal")]
    Journal(#[from] JournalError),
    #[error("read what this process is")]
    Proc(#[from] ProcError),
    #[error("start the agent's threads")]
    Threads(#[source] io::Error),
    #[error("start workers")]
    Spawner(#[from] SpawnError),
    #[error("use the state directory")]
    StateDir(#[from] StateDirError),
    #[error("watch the state directory")]
    Watch(#[source] io::Error),
}

/// What a holder says under a Halt. Instants are CLOCK_BOOTTIME.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HaltAttestation {
    pub pid: u32,
    pub effect_ended: Option<Duration>,
    pub clean: Option<Duration>,
}

/// Starts an agent that holds the state directory. `lease` is 15 s but for tests.
///
/// # Errors
/// Another process holds it, or it cannot be used.
pub fn start(
    path: &Path,
    lease: Duration,
    program: WorkerProgram,
    witness: Box<dyn Witness>,
) -> Result<Agent, LocalError> {
    let dir = StateDir::open(path)?;
    // Before anything can write to a pipe whose reader is gone.
    let spawner = Spawner::start(program)?;
    let instance = u32::from_str_radix(dir.instance(), 16).unwrap_or_default();
    let (journal, recovered) = Journal::<Record>::open(&dir)?;
    let live = live(recovered.records);
    let watched = dir.as_fd().try_clone_to_owned().map_err(LocalError::Watch)?;
    let lever = Arc::new(LocalLever::new(watched, dir.path()).map_err(LocalError::Watch)?);
    let tick: Arc<dyn Tick> = Arc::<LocalLever>::clone(&lever);
    let parts = Parts {
        lease,
        boot_id: proc::boot_id()?,
        hands: Arc::new(HostHands::new(instance, spawner)),
        lever,
        tick: Some(tick),
        recovered: live.values().cloned().collect(),
        diary: Box::new(LocalDiary { recorder: Recorder::new(journal), live, _dir: dir }),
        witness,
    };
    Agent::start(parts).map_err(LocalError::Threads)
}

/// Returns the faults of a journal that have no end.
pub fn live(records: Vec<Record>) -> BTreeMap<String, Intent> {
    let mut live = BTreeMap::new();
    for record in records {
        note(&mut live, &record);
    }
    live
}

fn note(live: &mut BTreeMap<String, Intent>, record: &Record) {
    match record {
        Record::Intent(intent) => drop(live.insert(intent.id.clone(), (**intent).clone())),
        Record::Applied { .. } | Record::Kept { .. } => {}
        Record::Ended { id, .. } => drop(live.remove(id)),
    }
}

/// Reads the Halt of a state directory as the model knows it.
pub fn halted(dir: impl AsFd) -> Halted {
    if sabotaged(Sabotage::HaltIgnored) {
        return Halted::No;
    }
    match read_halt(dir) {
        HaltState::None => Halted::No,
        HaltState::Halted(halt) => Halted::Yes { id: halt.id, reason: halt.reason },
        HaltState::Unreadable(why) => Halted::Unreadable { why },
    }
}

struct LocalLever {
    dir: OwnedFd,
    changes: Inotify,
}

impl LocalLever {
    fn new(dir: OwnedFd, path: &Path) -> io::Result<Self> {
        let changes = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let what = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_DELETE;
        changes.add_watch(path, what)?;
        Ok(Self { dir, changes })
    }
}

impl Tick for LocalLever {
    fn read(&self) -> Halted {
        halted(&self.dir)
    }

    fn wait(&self, most: Duration) {
        let most = Timespec::try_from(most).ok();
        let mut changed = [PollFd::new(&self.changes, PollFlags::IN)];
        // An error means that it is time to look again, as a time-out does; the pause keeps it from spinning.
        match poll(&mut changed, most.as_ref()) {
            Ok(_) => drop(self.changes.read_events()),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

impl Lever for LocalLever {
    fn ask(&self, _injection: &str) -> Outcome {
        Outcome::Halt(halted(&self.dir))
    }

    fn attest(&self, halt: &str, ended: bool, clean: bool) -> Result<(), String> {
        let now = boottime();
        let said = HaltAttestation {
            pid: std::process::id(),
            effect_ended: ended.then_some(now),
            clean: clean.then_some(now),
        };
        write_attestation(&self.dir, halt, &said).map_err(|e| chain(&e))
    }
}

struct LocalDiary {
    recorder: Recorder,
    live: BTreeMap<String, Intent>,
    /// Holds the lock for as long as anything can be written.
    _dir: StateDir,
}

impl Diary for LocalDiary {
    fn record(&mut self, record: &Record) -> Result<(), String> {
        let name = match record {
            Record::Intent(_) => "record-intent",
            Record::Applied { .. } => "record-applied",
            Record::Ended { .. } | Record::Kept { .. } => "record-ended",
        };
        testing::point(&format!("{name}.before"))?;
        note(&mut self.live, record);
        if sabotaged(Sabotage::NoJournal) {
            return Ok(());
        }
        let smaller = self.live.is_empty() && self.recorder.used() > 0;
        self.recorder.record(record, smaller, || kept(&self.live))?;
        testing::point(&format!("{name}.after"))
    }

    fn refuses(&self) -> Option<String> {
        self.recorder.refuses()
    }

    fn mend(&mut self) {
        self.recorder.mend(|| kept(&self.live));
    }
}

/// Only what is live is kept.
fn kept(live: &BTreeMap<String, Intent>) -> Vec<Record> {
    live.values().map(|i| Record::Intent(Box::new(i.clone()))).collect()
}
