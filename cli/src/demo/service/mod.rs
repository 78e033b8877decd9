//! The demo's services: this binary executed again, each a small process of its own.
//!
//! ```text
//! argv   "rumpus-demo-service ROLE" demo-service ROLE NETNS [PORT]
//! fd 0   the lifeline: end of file means that the demo is gone, and the service ends at once
//! fd 1   what it tells the demo, line by line: see `line.rs`
//! ```
//! A service must never outlive the demo, and never open a socket outside of the demo's namespace.

pub mod api;
pub mod client;
pub mod kept;
pub mod line;
pub mod store;
pub mod supervise;

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::SigSet;
use rumpus_agent::kernel::netns::NetNs;
use rustix::process::{Signal, set_parent_process_death_signal};
use std::ffi::{CString, OsString};
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// The first word of a service's command line.
pub const WORD: &str = "demo-service";
/// What every service's command line begins with; the policies select by it.
pub const NAME: &str = "rumpus-demo-service";
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 87, 0, 1);
pub const API: Ipv4Addr = Ipv4Addr::new(10, 87, 0, 2);
pub const STORE: Ipv4Addr = Ipv4Addr::new(10, 87, 0, 3);
pub const STORE_PORT: u16 = 7003;
/// One port for each api process.
pub const API_PORTS: [u16; 3] = [7021, 7022, 7023];

/// What a service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Api,
    Client,
    Store,
    Supervise,
}

impl Role {
    const ALL: [Self; 4] = [Self::Api, Self::Client, Self::Store, Self::Supervise];

    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Client => "client",
            Self::Store => "store",
            Self::Supervise => "supervise",
        }
    }
}

/// Returns the command that starts a service in a namespace. Start it on a thread that lives as long as the service
/// may: its death signal follows that thread.
pub fn command(role: Role, netns: &Path, port: Option<u16>) -> Command {
    let mut command = Command::new("/proc/self/exe");
    // Its comm is `exe` until it names itself. The first word is for people and for the policies.
    rename(&mut command, role);
    command.arg(WORD).arg(role.name()).arg(netns).args(port.map(|p| p.to_string()));
    command.env_clear().current_dir("/").stderr(Stdio::null());
    command
}

fn rename(command: &mut Command, role: Role) {
    use std::os::unix::process::CommandExt;
    // Out of the terminal's foreground group: Ctrl-C is the demo's to handle.
    command.arg0(format!("{NAME} {}", role.name())).process_group(0);
}

/// Runs a service until its lifeline ends. `words` are those behind `demo-service`.
pub fn main(words: &[OsString]) -> ExitCode {
    match start(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // The demo reads it; if it is gone, nobody needs it.
            drop(writeln!(io::stdout(), "{}", line::failed(&why)));
            ExitCode::FAILURE
        }
    }
}

fn start(words: &[OsString]) -> Result<(), String> {
    let word = |at: usize| words.get(at).ok_or_else(|| format!("word {at} is missing"));
    let role = word(0)?;
    let role = Role::ALL.into_iter().find(|r| role == r.name()).ok_or("no such role")?;
    // The demo blocks its signals before it starts us, and children inherit that: a kill has to work.
    SigSet::all().thread_unblock().map_err(|e| format!("unblock signals: {e}"))?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| format!("follow the demo: {e}"))?;
    let comm = CString::new(format!("demo-{}", role.name())).map_err(|e| e.to_string())?;
    rustix::thread::set_name(&comm).map_err(|e| format!("name the process: {e}"))?;
    let path = Path::new(word(1)?);
    let netns = NetNs::open(path).map_err(|e| format!("open the namespace: {e}"))?;
    // Before there is any other thread, so that all of them are inside.
    setns(netns.as_fd(), CloneFlags::CLONE_NEWNET).map_err(|e| format!("enter the namespace: {e}"))?;
    drop(netns);
    match role {
        Role::Api => {
            let port = word(2)?.to_string_lossy().parse().map_err(|e| format!("port: {e}"))?;
            api::start(port).map_err(|e| format!("listen: {e}"))?;
        }
        Role::Client => client::start().map_err(|e| format!("start to call: {e}"))?,
        Role::Store => store::start().map_err(|e| format!("listen: {e}"))?,
        Role::Supervise => return supervise::run(path),
    }
    until_lifeline_ends();
    Ok(())
}

/// Blocks until the demo is gone: nothing is ever written to the lifeline.
fn until_lifeline_ends() {
    let mut ignored = [0; 64];
    while !matches!(io::stdin().read(&mut ignored), Ok(0) | Err(_)) {}
}

/// Tells the demo one line. Returns whether it still listens.
fn tell(line: &str) -> bool {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}
