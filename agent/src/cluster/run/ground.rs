//! What an agent does its work with, and how this node comes to be that.

use super::{AgentError, Config};
use crate::cluster::assemble::{Finder, Site};
use crate::cluster::cgroupns;
use crate::hands::HostHands;
use crate::kernel::{netns, proc};
use crate::ports::Hands;
use crate::probe;
use crate::resolve::chain;
use crate::state_dir::StateDir;
use crate::worker::spawn::{Spawner, WorkerProgram};
use rumpus_model::engine::{Capability, Engine};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an agent does its work with: this node, or what stands in for one.
pub struct Ground {
    pub hands: Arc<dyn Hands>,
    pub finder: Arc<dyn Finder>,
    pub engines: BTreeMap<Engine, Capability>,
    /// Why no fault can be done here at all, if so.
    pub blind: Option<String>,
    pub boot_id: String,
}

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").field("engines", &self.engines).field("blind", &self.blind).finish_non_exhaustive()
    }
}

impl Ground {
    /// Looks at this node; call it before any other thread is started.
    ///
    /// # Errors
    /// Workers could not be started, or the node does not say when it was booted.
    pub(super) fn of_this_node(config: &Config, dir: &StateDir) -> Result<Self, AgentError> {
        // Every thread that is started from here on inherits it.
        let blind = cgroupns::join_host().err().or_else(|| {
            let host = netns::host().err();
            host.map(|e| format!("tell the node's own network apart: {}", chain(&e)))
        });
        if let Some(why) = &blind {
            tracing::error!(why, "no fault can be done here");
        }
        let spawner = Spawner::start(WorkerProgram::this_binary())?;
        let instance = u32::from_str_radix(dir.instance(), 16).unwrap_or_default();
        let mut engines = probe::engines();
        engines.extend(config.without.iter().map(|e| (*e, Capability::Missing("hidden by --without-engine".into()))));
        if let Some(why) = &blind {
            engines.values_mut().for_each(|e| *e = Capability::Missing(why.clone()));
        }
        let site = Site { ceilings: config.ceilings.clone(), engines: engines.clone(), logs: config.pod_logs.clone() };
        let (hands, boot_id) = (Arc::new(HostHands::new(instance, spawner)), proc::boot_id()?);
        Ok(Self { hands, finder: Arc::new(site), engines, blind, boot_id })
    }
}
