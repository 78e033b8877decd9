//! `rumpus up`: the local daemon. Controller and agent in one process, policies from a folder, a store in the state directory.
//!
//! ```text
//! daemon.rs (one thread: looks, asks the timetable, hears) -> runs.rs (records, plans, hands over, follows, settles)
//!   live.rs a run   hand.rs a run by hand   tell.rs what it says   report.rs what is to come
//! socket.rs <- call.rs (the commands that reach it), in the words of talk.rs
//! ```

pub mod call;
mod daemon;
mod hand;
mod live;
pub mod report;
mod runs;
pub mod socket;
pub mod talk;
mod tell;

use crate::args::Global;
use crate::commands::up::Args;
use crate::failure::Failure;
use crate::local::{self, Note};
use crate::signals;
use daemon::{Daemon, Event};
use jiff::Timestamp;
use rumpus_agent::resolve::chain;
use rumpus_agent::state_dir::Observer;
use rumpus_controller::host::folder::{self, Folder};
use rumpus_controller::host::history::History;
use rumpus_controller::host::store::FileStore;
use std::path::Path;
use std::sync::mpsc::channel;

/// Exit code of something that is not back as it was.
const RESTORE: u8 = 5;

/// Serves until it is told to end.
///
/// # Errors
/// It cannot be begun; nothing was changed then.
pub fn run(global: &Global, args: &Args) -> Result<u8, Failure> {
    local::root()?;
    let folder = opened(args)?;
    let (events, queue) = channel();
    let asked = events.clone();
    signals::take_over(move |a| drop(asked.send(Event::Agent(Note::Asked(a)))))
        .map_err(|e| Failure::refused(format!("take over signals: {e}"), "run it from a shell or a unit of its own"))?;
    let agent = local::start(global, events.clone())?;
    let started = host(&global.state_dir).and_then(|host| {
        let history = History::open(FileStore::in_folder(&global.state_dir), Timestamp::now()).map_err(|error| {
            let hint =
                "free space, or move history.redb away: what ran is then forgotten, and nothing of before runs again";
            Failure::refused(format!("nothing runs without a record: {}", chain(&error)), hint)
        })?;
        let path = args.socket.of(global);
        let socket = socket::serve(&path, events.clone()).map_err(|error| {
            let hint = "name another with --socket, in a folder of root's own";
            Failure::refused(format!("open the socket {}: {error}", path.display()), hint)
        })?;
        Ok((host, history, socket))
    });
    let (host, history, socket) = match started {
        Ok(started) => started,
        Err(failure) => {
            drop(agent.finish());
            return Err(failure);
        }
    };
    tell::say(&format!("up: policies of {}, state in {}", args.policies.display(), global.state_dir.display()));
    let daemon = Daemon {
        global: global.clone(),
        agent,
        host,
        events,
        folder,
        history,
        told: tell::Told::default(),
        live: Vec::new(),
        ending: None,
        state: daemon::State::default(),
    };
    let restored = daemon.serve(&queue);
    drop(socket);
    if restored {
        tell::say("ended: nothing of ours is left, as read back");
        return Ok(0);
    }
    tell::trouble("ended, and not everything is back as it was", "`rumpus residue` shows what is left");
    Ok(RESTORE)
}

/// Looks at the folder and the calendars once: what was named and is not there is a slip of the pen.
fn opened(args: &Args) -> Result<Folder, Failure> {
    folder::check(&args.policies).map_err(|why| {
        let hint = "name a folder of root's own with --policies, such as /etc/rumpus/policies";
        Failure::usage(format!("policies of {}: {why}", args.policies.display()), hint)
    })?;
    let mut folder = Folder::new(args.policies.clone(), args.calendars.iter().cloned());
    // What is wrong with the policies is told by the daemon, which goes on without them.
    drop(folder.look());
    match folder.bad_calendars().next() {
        None => Ok(Folder::new(args.policies.clone(), args.calendars.iter().cloned())),
        Some((name, why)) => {
            let hint = "name an iCalendar file with whole days: --calendar de=/etc/rumpus/de.ics";
            Err(Failure::usage(format!("--calendar {name}: {why}"), hint))
        }
    }
}

/// Returns what tells this host from others: the state directory's own id.
fn host(state_dir: &Path) -> Result<String, Failure> {
    let hint = "name a directory of root's own with --state-dir";
    let failed = |why: String| Failure::refused(format!("read the state directory's id: {why}"), hint);
    let dir = Observer::open(state_dir).map_err(|e| failed(chain(&e)))?;
    let id = dir.ok_or_else(|| failed("it is gone".into()))?.instance().map_err(|e| failed(chain(&e)))?;
    id.ok_or_else(|| failed("there is none".into()))
}
