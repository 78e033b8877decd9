//! Fifty pods on three nodes and one that all of them talk to.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::time::sleep;

use super::probe::{Flow, Probe};
use super::shop::{Shop, Wanted, partition};
use super::site::Site;
use crate::live::pod::Pod;

/// So many pods are cut off from the one.
pub(super) const TARGETS: usize = 50;

/// How often each flow is probed: so late an end can be seen.
pub(super) const PERIOD: Duration = Duration::from_millis(4);

/// How long all flows are watched before anything is done.
const BEFORE: Duration = Duration::from_millis(300);

/// The pods.
pub(super) struct Crowd {
    pub shop: Shop,
    webs: Vec<Pod>,
    db: Pod,
}

impl Crowd {
    pub(super) async fn gather(site: &Site<'_>) -> Result<Self> {
        super::progress(&format!("starts {} pods", TARGETS + 1));
        let shop = site.shop("crowd").await?;
        let names: Vec<String> = (0..TARGETS).map(|number| format!("web-{number}")).collect();
        let web = |(number, name)| Wanted { name, app: "web", node: site.node(number), restarts: "Always" };
        let mut wanted: Vec<Wanted<'_>> = names.iter().map(String::as_str).enumerate().map(web).collect();
        wanted.push(Wanted { name: "db", app: "db", node: site.node(0), restarts: "Always" });
        let mut webs = shop.start(&wanted).await?;
        let db = webs.pop().context("a pod is missing")?;
        // What an agent does once, before its first fault, is no part of what is measured here.
        let (_, run) = shop.run("first", &Self::cut()).await?;
        run.in_effect().await?;
        run.delete().await?;
        run.gone().await?;
        Ok(Self { shop, webs, db })
    }

    /// The experiment that cuts all of them off.
    pub(super) fn cut() -> Value {
        partition("web", "db")
    }

    /// Probes the way of each pod to the one, after all of them were seen to be good.
    pub(super) async fn probe(&self) -> Result<Probe> {
        let flows = self.webs.iter().map(|web| Flow::open(web, &self.db)).collect::<Result<Vec<_>>>()?;
        let began = rumpus_agent::kernel::timer::boottime();
        let probe = Probe::start(flows, PERIOD);
        sleep(BEFORE).await;
        if probe.all_good(began) {
            return Ok(probe);
        }
        probe.finish()?;
        bail!("not every pod reaches its peer before the fault")
    }
}
