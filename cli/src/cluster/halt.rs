//! `rumpus halt` in a cluster: one object for each kind of scope, then what every node attests. It needs no controller,
//! and the right to create Halts only; who may not read is told that the Halt stands and that nobody's word was heard.

use super::ask;
use super::attest::{self, Attested, Held};
use super::connect::Reached;
use super::{enter, place::ClusterFlags, scope};
use crate::args::{Global, Halt as Args, Output};
use crate::commands::{plan, print};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::render;
use kube::api::ObjectMeta;
use rumpus_agent::resolve::chain;
use rumpus_cluster::{ChaosHalt, ChaosInjection, ChaosNode, Error};
use rumpus_model::wire::{HaltScope, HaltSpec};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

/// Exit code of something that did not end, or that nobody attested.
const UNCONFIRMED: u8 = 5;
/// How often the nodes are asked: at first, and once it has taken longer than `SOON`.
const OFTEN: Duration = Duration::from_millis(100);
const SELDOM: Duration = Duration::from_millis(500);
const SOON: Duration = Duration::from_secs(3);
/// What an agent may need besides the lease: the read-back and the report.
const SLACK: Duration = Duration::from_secs(5);

/// How long everything of ours may take to be gone once nothing is in effect.
const CLEAN: Duration = Duration::from_secs(10);

/// What came of a halt.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub context: String,
    pub halts: Vec<Ordered>,
    pub nodes: Vec<Attested>,
    /// From the order to the last attestation; none where one is missing.
    pub attested_ms: Option<u128>,
    /// Why the nodes' words could not be read.
    pub unread: Option<String>,
    pub exit_code: u8,
}

/// A Halt that stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ordered {
    pub name: String,
    pub uid: String,
    pub scope: HaltScope,
    pub reason: String,
}

/// Halts.
///
/// # Errors
/// Nothing was halted, or not all of it.
pub fn run(global: &Global, which: &ClusterFlags, args: &Args) -> Result<u8, Failure> {
    let scopes = scope::scopes(&args.scope, args.all)?;
    enter(which, global, async |reached| halt(global, reached, scopes, &args.reason).await)
}

pub(super) async fn halt(
    global: &Global,
    reached: &Reached,
    scopes: Vec<HaltScope>,
    reason: &str,
) -> Result<u8, Failure> {
    let mut progress = Progress::new(global.output == Output::Table);
    let began = Instant::now();
    let mut report = Report {
        context: reached.context.clone(),
        halts: Vec::new(),
        nodes: Vec::new(),
        attested_ms: None,
        unread: None,
        exit_code: UNCONFIRMED,
    };
    for scope in scopes {
        // Ordered first, looked afterwards: nothing may delay the end of a fault.
        let ordered = order(reached, scope, reason).await?;
        progress.say(&render::cluster::halt::ordered(&ordered, &reached.context));
        report.halts.push(ordered);
    }
    match wait(reached, &report.halts, &mut progress, &mut report.nodes).await {
        Ok(attested) => report.attested_ms = attested.map(|at| at.duration_since(began).as_millis()),
        Err(error) => report.unread = Some(ask::unread("what the nodes attest", &error)),
    }
    progress.end();
    let residue = report.nodes.iter().any(|n| !n.residue.is_empty());
    report.exit_code = if report.attested_ms.is_some() && !residue { 0 } else { UNCONFIRMED };
    print(global, &report, || render::cluster::halt::end(&report))?;
    Ok(report.exit_code)
}

async fn order(reached: &Reached, scope: HaltScope, reason: &str) -> Result<Ordered, Failure> {
    // The name is fixed here: a request that is sent again because its answer was lost meets its own object.
    let name = format!("halt-{}", plan::random());
    let spec = HaltSpec { scope: scope.clone(), reason: reason.to_owned() };
    let halt = ChaosHalt::new(ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() }, spec);
    let made = reached.create(&halt).await.map_err(|e| {
        Failure::restore(format!("nothing was halted ({}): {}", scope::show(&scope), chain(&e)), e.hint())
    })?;
    Ok(Ordered { name, uid: made.uid().to_owned(), scope, reason: reason.to_owned() })
}

/// Waits until every node has attested, at most the lease and what a report takes, and a little longer for their words
/// that nothing is left. Returns when the last one had attested.
async fn wait(
    reached: &Reached,
    halts: &[Ordered],
    progress: &mut Progress,
    attested: &mut Vec<Attested>,
) -> Result<Option<Instant>, Error> {
    let began = Instant::now();
    let asked: Vec<_> = halts.iter().map(|h| (h.uid.clone(), h.scope.clone())).collect();
    // Who may not list injections still hears the nodes.
    let injections = reached.list::<ChaosInjection>("", None).await.map(|l| l.items).unwrap_or_default();
    let (mut held, mut over) = (Held::new(), None);
    loop {
        let nodes = reached.list::<ChaosNode>("", None).await?;
        if held.is_empty() {
            held = attest::held(&nodes.items, &injections, &asked);
        }
        // What a node says that cannot be read is no word of it.
        for (name, why) in nodes.unreadable {
            held.entry(name).or_default().insert(why);
        }
        let nodes = nodes.items;
        let before = std::mem::replace(attested, attest::attested(&nodes, &held, &asked));
        for node in attested.iter().filter(|n| !before.contains(n)) {
            if let Some(line) = render::cluster::halt::change(node) {
                progress.say(&line);
            }
        }
        if attest::is_over(attested) {
            let since = *over.get_or_insert_with(Instant::now);
            if attest::is_clean(&nodes, &held) || since.elapsed() > CLEAN {
                return Ok(over);
            }
        }
        let passed = began.elapsed();
        if over.is_none() && passed > reached.lease + SLACK {
            return Ok(None);
        }
        progress.waiting(&render::cluster::halt::waiting(attested));
        tokio::time::sleep(if passed < SOON { OFTEN } else { SELDOM }).await;
    }
}
