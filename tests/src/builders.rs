//! Worlds that read as sentences: `world().with(netns("web")).with(process("nginx").in_netns("web"))`.
//!
//! Only what a test is about is said; pids, inodes and start times count up by themselves.

use rumpus_model::engine::{Capability, Engine};
use rumpus_model::scope::{Direction, Exempt, Peers};
use rumpus_model::target::{NetNsId, ProcessId, Via};
use rumpus_model::world::{Container, Halted, NetNs, Process, StandingDelay, World};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Boot id of every built world.
pub const BOOT: &str = "b007";
/// The host's own network namespace.
pub const HOST: NetNsId = NetNsId { dev: 4, ino: 1, cookie: Some(1) };

/// A world and the numbers that it hands out.
#[derive(Debug)]
pub struct WorldBuilder {
    world: World,
    spaces: BTreeMap<String, NetNsId>,
    next_pid: i32,
}

/// A process to be put into a world.
#[derive(Clone, Debug)]
pub struct ProcessBuilder {
    process: Process,
    space: Option<String>,
    pid: Option<i32>,
}

/// A network namespace to be put into a world.
#[derive(Clone, Debug)]
pub struct NetNsBuilder {
    name: String,
    unnamed: bool,
    delays: Vec<StandingDelay>,
}

/// Starts a world with the host's own network, every engine, and nothing else.
pub fn world() -> WorldBuilder {
    let world = World {
        boot_id: BOOT.into(),
        host_netns: Some(HOST),
        engines: Engine::ALL.into_iter().map(|e| (e, Capability::Ready)).collect(),
        ..World::default()
    };
    WorldBuilder { world, spaces: BTreeMap::new(), next_pid: 100 }
}

/// Starts a process in the host's own network, run by root.
pub fn process(comm: &str) -> ProcessBuilder {
    let process = Process {
        id: ProcessId { pid: 0, start: 0 },
        ppid: 1,
        comm: comm.into(),
        cmdline: format!("/usr/bin/{comm}"),
        exe: Some(format!("/usr/bin/{comm}")),
        uid: 0,
        kernel_thread: false,
        zombie: false,
        netns: Some(HOST),
        cgroup: Some(format!("/system/{comm}")),
        container: None,
        ignores: 0,
    };
    ProcessBuilder { process, space: None, pid: None }
}

/// Starts a network namespace with a name under /run/netns.
pub fn netns(name: &str) -> NetNsBuilder {
    NetNsBuilder { name: name.into(), unnamed: false, delays: Vec::new() }
}

impl WorldBuilder {
    /// Adds a process; a namespace or container that it names must be there already.
    pub fn with(mut self, builder: ProcessBuilder) -> Self {
        let ProcessBuilder { mut process, space, pid } = builder;
        process.id.pid = pid.unwrap_or(self.next_pid);
        process.id.start = u64::try_from(process.id.pid).unwrap_or(0) * 10;
        self.next_pid = self.next_pid.max(process.id.pid) + 1;
        if let Some(name) = space {
            process.netns = self.spaces.get(&name).copied();
        }
        let pid = process.id.pid;
        let container = self.world.containers.iter_mut().find(|c| Some(&c.id) == process.container.as_ref());
        if let Some(container) = container {
            container.pids.push(pid);
            process.cgroup = Some(container.cgroup.clone());
        }
        for netns in &mut self.world.netns {
            if Some(netns.id) == process.netns && netns.names.is_empty() && netns.via == Via::Host {
                netns.via = Via::Process(process.id.clone());
            }
        }
        self.world.processes.push(process);
        self
    }

    pub fn with_netns(mut self, builder: NetNsBuilder) -> Self {
        let NetNsBuilder { name, unnamed, delays } = builder;
        let number = 100 + u64::try_from(self.world.netns.len()).unwrap_or(0);
        let id = NetNsId { dev: 4, ino: number, cookie: Some(number) };
        self.spaces.insert(name.clone(), id);
        // A namespace without a name is reached through its first process, once it has one.
        let via = if unnamed { Via::Host } else { Via::Name(name.clone()) };
        let names = if unnamed { Vec::new() } else { vec![name] };
        let devices = vec!["lo".into(), "eth0".into()];
        self.world.netns.push(NetNs { id, names, via, devices, delays });
        self
    }

    pub fn with_container(mut self, id: &str) -> Self {
        let container = Container { id: id.into(), cgroup: format!("/containers/{id}"), pids: Vec::new() };
        self.world.containers.push(container);
        self
    }

    pub fn with_user(mut self, name: &str, uid: u32) -> Self {
        self.world.users.insert(name.into(), uid);
        self
    }

    pub fn without_engine(mut self, engine: Engine, why: &str) -> Self {
        self.world.engines.insert(engine, Capability::Missing(why.into()));
        self
    }

    pub fn without_host_netns(mut self) -> Self {
        self.world.host_netns = None;
        self
    }

    /// Records what a name comes to in a namespace, or why it comes to nothing.
    pub fn resolving(mut self, netns: &str, name: &str, answer: Result<&[&str], &str>) -> Self {
        let addresses = |list: &[&str]| list.iter().filter_map(|a| a.parse().ok()).collect::<Vec<IpAddr>>();
        if let Some(id) = self.spaces.get(netns) {
            self.world.names.insert(World::name_key(id, name), answer.map(addresses).map_err(str::to_owned));
        }
        self
    }

    pub fn halted(mut self, reason: &str) -> Self {
        self.world.halted = Halted::Yes { id: "h1".into(), reason: reason.into() };
        self
    }

    pub fn halt_unreadable(mut self, why: &str) -> Self {
        self.world.halted = Halted::Unreadable { why: why.into() };
        self
    }

    /// Makes a pid Rumpus itself.
    pub fn own(mut self, pid: i32) -> Self {
        self.world.own.insert(pid);
        self
    }

    pub fn with_lockout(mut self, exempt: Vec<Exempt>) -> Self {
        self.world.lockout = Some(Ok(exempt));
        self
    }

    pub fn build(self) -> World {
        self.world
    }
}

impl ProcessBuilder {
    pub fn pid(mut self, pid: i32) -> Self {
        self.pid = Some(pid);
        self
    }

    pub fn child_of(mut self, pid: i32) -> Self {
        self.process.ppid = pid;
        self
    }

    pub fn in_netns(mut self, name: &str) -> Self {
        self.space = Some(name.into());
        self
    }

    pub fn in_container(mut self, id: &str) -> Self {
        self.process.container = Some(id.into());
        self
    }

    pub fn user(mut self, uid: u32) -> Self {
        self.process.uid = uid;
        self
    }

    pub fn exe(mut self, path: &str) -> Self {
        self.process.exe = Some(path.into());
        self
    }

    pub fn cmdline(mut self, cmdline: &str) -> Self {
        self.process.cmdline = cmdline.into();
        self
    }

    pub fn kernel_thread(mut self) -> Self {
        self.process.kernel_thread = true;
        self
    }

    pub fn with_unreadable_netns(mut self) -> Self {
        self.process.netns = None;
        self
    }

    pub fn with_unreadable_cgroup(mut self) -> Self {
        self.process.cgroup = None;
        self
    }
}

impl NetNsBuilder {
    /// Leaves it without a name under /run/netns, as a container runtime does.
    pub fn unnamed(mut self) -> Self {
        self.unnamed = true;
        self
    }

    /// Lets a delay of everyone's packets stand in it.
    pub fn delayed_by(mut self, table: &str, direction: Direction) -> Self {
        self.delays.push(StandingDelay { table: table.into(), direction, peers: Peers::Everyone });
        self
    }
}
