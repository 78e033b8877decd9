//! Our NFQUEUE engine by itself: a worker and the table that queues to it, at any delay, 0 too.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, anyhow};
use rumpus_agent::kernel::netns::NetNs;
use rumpus_agent::kernel::nft::{self, TableName, Wiring};
use rumpus_agent::kernel::timer::boottime;
use rumpus_agent::worker::args::DelayArgs;
use rumpus_agent::worker::spawn::{Spawner, WorkerHandle};
use rumpus_model::change::{Delay, Filter, Hook, Verdict};
use rumpus_model::scope::{Addresses, Device, Devices, Direction, Peers, Port, Protocol, Scope};

use super::site::status_kb;
use crate::kernel::lab::{DEVICE, Namespace};

const TABLE: TableName = TableName { instance: 0xbe0c_4be0, id: 2 };
const QUEUE: u16 = 77;

/// Longer than any measurement.
const LIFE: Duration = Duration::from_secs(120);

/// A delay that is in effect until it is dropped.
#[derive(Debug)]
pub(super) struct Line {
    worker: WorkerHandle,
    netns: NetNs,
}

impl Line {
    /// Delays what the namespace sends to this port of its peers.
    pub(super) fn lay(spawner: &Spawner, namespace: &Namespace, to: SocketAddr, delay: Duration) -> Result<Self> {
        let until = boottime() + LIFE;
        let netns = NetNs::open(namespace.path())?;
        let delay = Delay { delay, jitter: Duration::ZERO, reorder: false };
        let args = DelayArgs { instance: "bench".into(), id: "bench".into(), queue: QUEUE, delay, until, seed: 1 };
        let worker = spawner.delay(netns.as_fd(), &args)?;
        let filter = filter(to.port())?;
        let wiring = Wiring { queue: Some(QUEUE), ..Wiring::default() };
        netns.enter(|| nft::create(&TABLE, "bench", &filter, &wiring, until))??;
        Ok(Self { worker, netns })
    }

    /// Returns the worker's resident memory in kB.
    pub(super) fn worker_kb(&self) -> Option<u64> {
        status_kb(self.worker.pid(), "VmRSS")
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Before the worker ends, so that no packet is lost; the lab goes anyway.
        drop(self.netns.enter(|| nft::delete(&TABLE, nft::families(Hook::Routing))));
    }
}

fn filter(port: u16) -> Result<Filter> {
    let device = Device::parse(DEVICE).map_err(|why| anyhow!("the lab's device: {why}"))?;
    let scope = Scope {
        direction: Direction::Egress,
        devices: Devices::Named(vec![device]),
        peers: Peers::Everyone,
        except: Addresses::default(),
        ports: vec![Port { protocol: Protocol::Tcp, from: port, to: port }],
        local_ports: Vec::new(),
        protocols: Vec::new(),
        exempt: Vec::new(),
    };
    Ok(Filter { hook: Hook::Routing, scope, verdict: Verdict::Queue })
}
