//! `rumpus run` in a cluster: creates one ChaosRun as the caller, and follows it until every node has said how it ended.
//! Ctrl-C stops the run and waits on; a dry run is a ChaosRun too, and writes nothing else.

use super::ask;
use super::connect::Reached;
use super::follow::{Followed, Following};
use super::story::{self, Ending, Seen};
use super::written::{self, Written};
use super::{enter, place::ClusterFlags};
use crate::args::{Global, Output, Run as Args};
use crate::commands::{plan, print};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::{render, signals};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;
use rumpus_cluster::ChaosRun;
use rumpus_model::fault::Fault;
use rumpus_model::wire::{API_VERSION, Mode, POLICY_KIND, RunSpec};
use serde::Serialize;
use tokio::sync::mpsc::{Receiver, channel};

/// Longest name of a run: an injection's name adds a node's short hash and a revision, and a label holds 63.
const NAME: usize = 40;
/// Wishes that may wait: a person presses Ctrl-C twice at most before they are heard.
const WISHES: usize = 8;

/// What a run leaves for scripts.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub context: String,
    pub namespace: String,
    pub name: String,
    pub seed: String,
    pub armed: bool,
    #[serde(flatten)]
    pub seen: Seen,
    pub ending: Ending,
    pub problems: Vec<String>,
    pub exit_code: u8,
}

/// Creates a run and follows it.
///
/// # Errors
/// Bad input, or it was not created.
pub fn run(global: &Global, which: &ClusterFlags, args: &Args) -> Result<u8, Failure> {
    if args.fault.is_given() || Fault::NAMES.contains(&args.what.as_str()) {
        let hint = "write a policy that targets pods (see policies/), then `rumpus run FILE`";
        return Err(Failure::usage("a fault by flags is only known on a host", hint));
    }
    let (tell, mut wishes) = channel(WISHES);
    // Before any other thread: each must have the signals blocked.
    signals::take_over(move |asked| {
        // A wish that finds the queue full is one of many that are waiting there.
        let _full = tell.try_send(asked);
    })
    .map_err(|e| Failure::refused(format!("take over signals: {e}"), "run it from a shell of its own"))?;
    enter(which, global, async |reached| carry_out(global, reached, args, &mut wishes).await)
}

pub(super) async fn carry_out(
    global: &Global,
    reached: &Reached,
    args: &Args,
    wishes: &mut Receiver<signals::Asked>,
) -> Result<u8, Failure> {
    let mut written = written::read(reached, &args.what).await?;
    if let Some(asked) = &args.duration {
        written.shorten(asked)?;
    }
    crate::commands::run::expect(std::slice::from_mut(&mut written.parsed), args.plan_hash.as_deref())?;
    let seed = plan::seed(args.seed.as_deref(), std::slice::from_ref(&written.parsed));
    let run = body(&written, args, &seed);
    let made = reached.create(&run).await;
    let made = made.map_err(|e| ask::refused(&format!("start a run in namespace {}", written.namespace), &e))?;
    let mut progress = Progress::new(global.output == Output::Table);
    progress.say(&render::cluster::run::created(&made, args, &reached.context));
    let followed = if args.no_wait {
        Followed { seen: Seen { run: Some(made.clone()), ..Seen::default() }, ..Followed::default() }
    } else {
        let (namespace, name, uid) = (written.namespace.clone(), made.name().to_owned(), made.uid().to_owned());
        let following = Following { reached, namespace, name, uid };
        following.to_the_end(wishes, false, &mut progress).await
    };
    progress.end();
    let ending = if args.no_wait { Ending::Started } else { story::ending(&followed.seen, followed.asked) };
    let report = Report {
        context: reached.context.clone(),
        namespace: written.namespace,
        name: made.name().to_owned(),
        seed,
        armed: args.arm,
        exit_code: ending.exit_code(),
        seen: followed.seen,
        ending,
        problems: followed.problems,
    };
    print(global, &report, || render::cluster::run::end(&report))?;
    Ok(report.exit_code)
}

/// Puts the object together that is created; its name is fixed here, so that a request that is sent again because its
/// answer was lost makes no second run.
fn body(written: &Written, args: &Args, seed: &str) -> ChaosRun {
    let tail = plan::random();
    let most = NAME.saturating_sub(tail.len() + 1);
    let name: String = written.name.chars().take(most).collect();
    let owner = written.policy.as_ref().map(|policy| OwnerReference {
        api_version: API_VERSION.into(),
        kind: POLICY_KIND.into(),
        name: policy.name.clone().unwrap_or_default(),
        uid: policy.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(false),
    });
    let metadata = ObjectMeta {
        name: Some(format!("{}-{tail}", name.trim_end_matches(['-', '.']))),
        namespace: Some(written.namespace.clone()),
        owner_references: owner.map(|o| vec![o]),
        ..ObjectMeta::default()
    };
    let spec = RunSpec {
        policy_ref: written.policy.clone(),
        mode: Some(if args.arm { Mode::Armed } else { Mode::DryRun }),
        seed: Some(seed.to_owned()),
        plan_hash: args.plan_hash.clone().or_else(|| written.spec.plan_hash.clone()),
        reason: args.reason.clone().or_else(|| written.spec.reason.clone()),
        ..written.spec.clone()
    };
    ChaosRun::new(metadata, spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use rumpus_model::policy::{Site, parse_for};
    use rumpus_model::wire::PolicyRef;

    const POLICY: &str = "apiVersion: rumpus.dev/v1alpha1
kind: ChaosPolicy
metadata: {name: a-name-that-is-much-longer-than-a-run-may-be-called}
spec:
  experiment:
    targets: {pods: {selector: {matchLabels: {app: web}}}}
    pick: {count: 1}
    faults: [{kill: {signal: TERM}}]
    steadyState: {none: {reason: test}}
";

    fn written(policy: Option<PolicyRef>) -> Written {
        let parsed = parse_for(POLICY, Site::Cluster).unwrap().remove(0);
        Written { name: parsed.name.clone(), namespace: "shop".into(), policy, spec: RunSpec::default(), parsed }
    }

    fn args(words: &[&str]) -> Args {
        #[derive(Parser)]
        struct Only {
            #[command(flatten)]
            run: Args,
        }
        Only::parse_from([&["run"], words].concat()).run
    }

    #[test]
    fn a_run_is_a_dry_run_with_a_seed_unless_it_is_armed() {
        let dry = body(&written(None), &args(&["f"]), "7");
        assert_eq!((dry.spec.mode, dry.spec.seed.as_deref()), (Some(Mode::DryRun), Some("7")));
        assert!(dry.metadata.owner_references.is_none() && dry.spec.policy_ref.is_none());
        let armed = body(&written(None), &args(&["f", "--arm", "--reason", "why", "--plan-hash", "1a2b3c4d"]), "7");
        assert_eq!((armed.spec.mode, armed.spec.reason.as_deref()), (Some(Mode::Armed), Some("why")));
        assert_eq!((dry.spec.plan_hash, armed.spec.plan_hash.as_deref()), (None, Some("1a2b3c4d")));
    }

    #[test]
    fn a_name_leaves_room_for_its_injections_and_is_never_the_same() {
        let (one, two) = (body(&written(None), &args(&["f"]), "7"), body(&written(None), &args(&["f"]), "7"));
        assert!(one.name().len() <= NAME && one.name().starts_with("a-name-that-is"), "{}", one.name());
        assert_ne!(one.name(), two.name());
    }

    #[test]
    fn a_run_of_a_policy_is_owned_by_it_and_does_not_hold_up_its_deletion() {
        let policy = PolicyRef { name: Some("p".into()), uid: Some("u".into()) };
        let run = body(&written(Some(policy)), &args(&["policy/p"]), "7");
        let owner = run.metadata.owner_references.unwrap().remove(0);
        assert_eq!((owner.kind.as_str(), owner.name.as_str(), owner.uid.as_str()), ("ChaosPolicy", "p", "u"));
        assert_eq!((owner.controller, owner.block_owner_deletion), (Some(true), Some(false)));
        assert!(run.spec.policy_ref.is_some());
    }
}
