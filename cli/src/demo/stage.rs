//! The stage: three namespaces, two cables, and the services, all made by the demo and all taken away by it.
//!
//! ```text
//! client 10.87.0.1 ---- api 10.87.0.2 (three processes and their supervisor) ---- store 10.87.0.3:7003
//! ```
//! It must never leave anything behind: what was made is known before it is made, and all of it is tried to be removed
//! whatever fails.

use super::child::Service;
use super::marker::Marker;
use super::namespace::{self, NAMES};
use super::seen::Seen;
use super::service::{API, CLIENT, NAME, Role, STORE};
use super::stop::{Asking, Stop};
use crate::failure::Failure;
use rumpus_agent::kernel::netns::NetNs;
use rumpus_agent::kernel::proc;
use rumpus_agent::kernel::veth::{self, End};
use rumpus_agent::resolve::chain;
use rumpus_model::target::{NetNsId, Target, Via};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long services may take until they all work; it takes about 50 ms.
const READY_WITHIN: Duration = Duration::from_secs(5);
/// How long the services' processes may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// How often a directory that is still written to is tried to be removed.
const ATTEMPTS: u32 = 20;

/// Everything that the demo has made.
#[derive(Debug)]
pub struct Stage {
    marker: Marker,
    made: Vec<(&'static str, NetNsId)>,
    services: Vec<Service>,
    pub seen: Arc<Seen>,
}

impl Stage {
    pub fn new(marker: Marker) -> Self {
        Self { marker, made: Vec::new(), services: Vec::new(), seen: Arc::default() }
    }

    /// Builds everything up, until the first request is answered.
    ///
    /// # Errors
    /// It cannot be built, or somebody wants it to end. What was made stays for [`Stage::take_down`].
    pub fn build(&mut self, asking: &Asking) -> Result<(), Stop> {
        namespace::prepare(self.marker.directory).map_err(|e| cannot("prepare /run/netns", &e.to_string()))?;
        let mut opened = Vec::new();
        for name in NAMES {
            asking.check()?;
            let netns = namespace::add(name).map_err(|e| cannot(&format!("make netns {name}"), &e.to_string()))?;
            self.made.push((name, netns.id()));
            opened.push(netns);
        }
        let [client, api, store] = opened.as_slice() else { return Ok(()) };
        wire(client, api, store).map_err(|why| cannot("connect the namespaces", &why))?;
        drop(opened);
        asking.check()?;
        self.start(Role::Store, 2)?;
        self.start(Role::Supervise, 1)?;
        // The store, the supervisor and its three processes.
        self.wait(asking, |seen| seen.told().ready.len() >= 5)?;
        self.start(Role::Client, 0)?;
        self.wait(asking, |seen| !seen.told().samples.is_empty())
    }

    fn start(&mut self, role: Role, place: usize) -> Result<(), Stop> {
        let Some((name, _)) = self.made.get(place) else { return Ok(()) };
        let started = Service::start(role, &namespace::path(name), Arc::clone(&self.seen));
        self.services.push(started.map_err(|e| cannot(&format!("start the {}", role.name()), &e.to_string()))?);
        Ok(())
    }

    fn wait(&mut self, asking: &Asking, done: impl Fn(&Seen) -> bool) -> Result<(), Stop> {
        let until = Instant::now() + READY_WITHIN;
        while !done(&self.seen) {
            asking.check()?;
            self.check()?;
            if Instant::now() >= until {
                return Err(cannot("wait for the services", "they do not answer"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Sees that all services still run.
    ///
    /// # Errors
    /// One has ended by itself.
    pub fn check(&mut self) -> Result<(), Stop> {
        let told = self.seen.told().failed.first().cloned();
        let ended = self.services.iter_mut().find_map(|s| s.has_ended().then_some(s.role.name()));
        match ended {
            None => Ok(()),
            Some(role) => Err(cannot(&format!("keep the {role} running"), &told.unwrap_or_else(|| "it ended".into()))),
        }
    }

    /// Returns the namespaces that exist, by name.
    pub fn namespaces(&self) -> impl Iterator<Item = &'static str> {
        self.made.iter().map(|(name, _)| *name)
    }

    /// Returns whether a target is the demo's own. A policy file may name anything; the demo hits nothing else.
    pub fn owns(&self, target: &Target) -> bool {
        match target {
            Target::Container(_) => false,
            Target::NetNs(n) => match &n.via {
                Via::Name(name) => !n.host && self.made.iter().any(|(made, id)| made == name && n.id.same(id)),
                Via::Host | Via::Process(_) => false,
            },
            Target::Process(p) => self.seen.told().started.iter().any(|s| i32::try_from(s.pid) == Ok(p.id.pid)),
        }
    }

    /// Ends the services and removes everything. Returns what was removed and what could not be.
    pub fn take_down(self) -> (Vec<String>, Vec<String>) {
        let (mut removed, mut problems) = (Vec::new(), Vec::new());
        let mut note = |what: String, done: Result<(), String>| match done {
            Ok(()) => removed.push(what),
            Err(why) => problems.push(format!("{what}: {why}")),
        };
        if !self.services.is_empty() {
            // From the client on: nobody calls what is gone already.
            let ended = self.services.into_iter().rev().map(Service::end).collect::<Result<Vec<()>, _>>();
            let gone = ended.map_err(|e| e.to_string()).and_then(|_all| processes_gone());
            note("the services' processes".into(), gone);
        }
        for (name, _) in self.made.iter().rev() {
            note(format!("netns {name}"), namespace::remove(name).map_err(|e| e.to_string()));
        }
        if let Err(error) = namespace::put_back(self.marker.directory) {
            note("/run/netns as it was".into(), Err(error.to_string()));
        }
        note(format!("state dir {}", self.marker.dir.display()), remove(&self.marker));
        (removed, problems)
    }
}

fn remove(marker: &Marker) -> Result<(), String> {
    let mut last = marker.remove();
    for _ in 1..ATTEMPTS {
        // The agent's last thread may be writing its last word.
        if last.is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(25));
        last = marker.remove();
    }
    last.map_err(|e| e.to_string())
}

fn wire(client: &NetNs, api: &NetNs, store: &NetNs) -> Result<(), String> {
    for netns in [client, api, store] {
        netns.enter(veth::set_loopback_up).map_err(|e| chain(&e))?.map_err(|e| chain(&e))?;
    }
    let end = |netns, device, address| End { netns, device, address };
    veth::connect(end(api, "client", API), end(client, "api", CLIENT)).map_err(|e| chain(&e))?;
    veth::connect(end(api, "store", API), end(store, "api", STORE)).map_err(|e| chain(&e))
}

/// Sees that no process of any demo is left: there is one demo at a time.
fn processes_gone() -> Result<(), String> {
    let until = Instant::now() + GONE_WITHIN;
    loop {
        let all = proc::scan().map_err(|e| chain(&e))?;
        let is_service = |line: &str| line.starts_with(NAME);
        let left: Vec<String> = all
            .iter()
            .filter(|p| !p.has_exited() && p.cmdline.as_deref().is_some_and(is_service))
            .map(|p| p.pid.to_string())
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(format!("still there: {}", left.join(", ")));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn cannot(what: &str, why: &str) -> Stop {
    Stop::Failed(Failure::refused(format!("{what}: {why}"), "`rumpus doctor` shows what this machine lacks"))
}
