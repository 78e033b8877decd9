//! One partition of one pair of pods, from the request to the last trace: seen by datagrams in both pods' networks.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use tokio::time::sleep;

use super::api::until;
use super::audit::Moment;
use super::probe::{Flow, Probe};
use super::shop::{Shop, partition};
use super::trace::{Edge, Trace, edges};
use crate::live::pod::Pod;

/// The probe's period, and so its resolution.
pub(super) const PERIOD: Duration = Duration::from_millis(1);

/// How long both ways are watched before anything is done, and between effect and end.
const BEFORE: Duration = Duration::from_millis(150);

/// How long an edge may be waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one round showed.
#[derive(Debug)]
pub(super) struct Round {
    pub name: String,
    pub created: Moment,
    pub deleted: Moment,
    /// Of each way, from `created`: the first lost datagram.
    pub lost: [Duration; 2],
    /// Of each way, from `deleted`: the first good one.
    pub good: [Duration; 2],
    /// The probe's period where the edges are, as it really was.
    pub gaps: Vec<Duration>,
}

impl Round {
    pub(super) fn first_lost(&self) -> Duration {
        self.lost[0].min(self.lost[1])
    }

    pub(super) fn both_lost(&self) -> Duration {
        self.lost[0].max(self.lost[1])
    }

    pub(super) fn first_good(&self) -> Duration {
        self.good[0].min(self.good[1])
    }

    pub(super) fn both_good(&self) -> Duration {
        self.good[0].max(self.good[1])
    }
}

/// Cuts the pair off, deletes the run once its status says that it is in effect, and waits until nothing is left.
pub(super) async fn round(shop: &Shop, name: &str, [web, db]: &[Pod; 2]) -> Result<Round> {
    let began = Moment::now()?;
    let probe = Probe::start(vec![Flow::open(web, db)?, Flow::open(db, web)?], PERIOD);
    sleep(BEFORE).await;
    let good = probe.all_good(began.boot);
    // Whatever fails, the probe's thread ends first.
    let measured = if good { measure(shop, name, &probe).await } else { Err(anyhow!("the pods do not talk")) };
    let traces = probe.finish()?;
    let (created, deleted) = measured?;
    let [lost, good] = [created, deleted].map(|moment| moment.boot);
    let lost_edges = both(&traces, lost, "lost", Trace::lost)?;
    let good_edges = both(&traces, good, "good again", Trace::good)?;
    let gaps = lost_edges.iter().chain(&good_edges).map(|edge| edge.gap).collect();
    ensure!(lost_edges.iter().all(|edge| edge.at < good), "a way was lost only after the run was deleted");
    let [lost, good] =
        [lost_edges.map(|edge| edge.at.saturating_sub(lost)), good_edges.map(|edge| edge.at.saturating_sub(good))];
    Ok(Round { name: name.to_owned(), created, deleted, lost, good, gaps })
}

async fn measure(shop: &Shop, name: &str, probe: &Probe) -> Result<(Moment, Moment)> {
    let (created, run) = shop.run(name, &partition("web", "db")).await?;
    // Nothing is asked of the API server before the effect is there.
    run.explained(until(PATIENCE, "both ways are lost", async || Ok(probe.all_lost())).await).await?;
    run.in_effect().await?;
    sleep(BEFORE).await;
    ensure!(probe.all_lost(), "a way is open before the run is deleted");
    let deleted = run.delete().await?;
    until(PATIENCE, "both ways are good again", async || Ok(probe.all_good(deleted.boot))).await?;
    run.gone().await?;
    Ok((created, deleted))
}

/// Returns where each way changed.
fn both(
    traces: &[Trace],
    after: Duration,
    what: &str,
    edge: fn(&Trace, Duration) -> Option<Edge>,
) -> Result<[Edge; 2]> {
    let all = edges(traces, after, edge).with_context(|| format!("a way was never {what}"))?;
    let [one, other] = all[..] else { bail!("two ways are probed, not {}", all.len()) };
    Ok([one, other])
}
