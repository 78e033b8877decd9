//! A run of a cluster as text: what was started, each change as it happens, and at the end what the nodes attest.

use super::super::table::table;
use super::super::text::{safe, some, wrap};
use super::{CELL, ITEM, instant};
use crate::args::Run as Args;
use crate::cluster::run::Report;
use crate::cluster::story::{Ending, Seen};
use owo_colors::OwoColorize;
use rumpus_cluster::{ChaosInjection, ChaosRun};
use rumpus_model::run::Outcome;
use rumpus_model::wire::{
    DrawnFault, EvidenceStatus, Happened, InjectionState, PlanStatus, RunState, RunStatus, TargetStatus, Truth, Why,
};

/// Most targets of a node whose evidence is shown.
const TARGETS: usize = 10;

/// Says what was started, and where.
pub fn created(run: &ChaosRun, args: &Args, context: &str) -> String {
    let kind = if args.arm { "run" } else { "dry run" };
    let stop = if args.no_wait { "" } else { "; Ctrl-C stops it" };
    let (namespace, name) = (safe(run.namespace(), CELL), safe(run.name(), CELL));
    format!("started {kind} {namespace}/{name} in {}{stop}", safe(context, CELL))
}

/// Tells one entry of the run's own story.
pub fn happened(happened: &Happened) -> String {
    safe(&happened.what, ITEM)
}

/// Tells a change of one node's share; none until the agent has said anything.
pub fn change(injection: &ChaosInjection) -> Option<String> {
    let status = injection.status.as_ref()?;
    let count = injection.spec.targets.len();
    let targets = if count == 1 { "1 target".to_owned() } else { format!("{count} targets") };
    let node = format!("node {}, {targets}", safe(&injection.spec.node_name, CELL));
    Some(match status.state? {
        InjectionState::Accepted => format!("accepted    {node}"),
        InjectionState::InEffect => format!("{}   {node} (rules read back)", "in effect".yellow()),
        InjectionState::Ending => format!("ending      {node}"),
        InjectionState::Restored => format!("{}    {node}: nothing of ours is left, as read back", "restored".green()),
        InjectionState::Done => format!("{}        {node}", "done".green()),
        InjectionState::Lost => format!("{}        {node}: {}", "lost".yellow(), reason(&status.targets)),
        InjectionState::Refused => format!("{}     {node}: {}", "refused".red(), reason(&status.targets)),
        InjectionState::RestoreFailed => format!("{} {node}: {}", "NOT RESTORED".red().bold(), reason(&status.targets)),
    })
}

/// Says what is waited for.
pub fn waiting(seen: &Seen) -> String {
    match seen.status().and_then(|s| s.state) {
        None => "waiting for the controller".into(),
        Some(RunState::Finished) => String::new(),
        Some(state) => {
            let until = seen.status().and_then(|s| s.not_after.as_deref()).map(|t| format!(", until {}", instant(t)));
            format!("{state:?}{}", until.unwrap_or_default())
        }
    }
}

fn reason(targets: &[TargetStatus]) -> String {
    let first = targets.iter().find(|t| t.message.is_some() || t.reason.is_some());
    let text = |t: &TargetStatus| t.message.clone().or_else(|| t.reason.clone()).unwrap_or_default();
    let hint = |t: &TargetStatus| t.hint.as_ref().map(|h| format!(" (hint: {h})")).unwrap_or_default();
    first.map_or_else(|| "no reason was given".into(), |t| safe(&format!("{}{}", text(t), hint(t)), 2 * ITEM))
}

/// Renders how a run ended: the plan, the evidence per node, and the verdict.
pub fn end(report: &Report) -> String {
    let mut page = String::new();
    let status = report.seen.status();
    if let Some(plan) = status.and_then(|s| s.plan.as_ref()) {
        page += &planned(plan);
    }
    if !report.seen.injections.is_empty() {
        page += "\nEVIDENCE\n";
    }
    for (uid, injection) in &report.seen.injections {
        page += &evidence(injection, report.seen.ended.contains(uid));
    }
    page += &status.map(cluster_faults).unwrap_or_default();
    page += &status.map(|s| refusals(&s.refusals)).unwrap_or_default();
    for problem in report.problems.iter().chain(&report.seen.unread) {
        page += &wrap("problem: ", &safe(problem, 2 * ITEM));
    }
    page + &wrap("\n", &verdict(report))
}

fn planned(plan: &PlanStatus) -> String {
    let (hash, seed) = (safe(&plan.hash, CELL), safe(&plan.seed, CELL));
    let mut page = wrap("\nplan    ", &format!("hash {hash}, seed {seed}"));
    if let Some(drawn) = &plan.drawn {
        let DrawnFault { fault, index, weight, total } = drawn;
        let fault = safe(fault, CELL);
        page += &wrap("drawn   ", &format!("{fault}, faults[{index}], by weight {weight} of {total}"));
    }
    let total: i64 = plan.nodes.iter().map(|n| n.targets).sum();
    let nodes = plan.nodes.iter().map(|n| format!("{} on {}", n.targets, safe(&n.node, CELL)));
    let nodes: Vec<String> = nodes.collect();
    page += &wrap("targets ", &format!("{total}: {}", some(nodes.into_iter(), TARGETS)));
    for left in &plan.left_out {
        let examples: Vec<String> = left.examples.iter().map(|e| safe(e, ITEM)).collect();
        page += &wrap("left out ", &format!("{} {}: {}", left.count, safe(&left.reason, CELL), examples.join(", ")));
    }
    page
}

/// `ended`: the object is gone, and its node attests the end by itself.
fn evidence(injection: &ChaosInjection, ended: bool) -> String {
    let status = injection.status.clone().unwrap_or_default();
    let state = match status.state {
        Some(state) if state.is_final() || !ended => format!("{state:?}"),
        Some(_) | None if ended => "deleted, and its node attests that nothing is left".to_owned(),
        Some(_) | None => "NO WORD FROM ITS AGENT".to_owned(),
    };
    let head = format!("node {}: {state}, {}", safe(&injection.spec.node_name, CELL), effective(status.effective));
    let mut page = wrap("  ", &head);
    if let Some(ended) = &status.effect_ended {
        let clean = status.clean.as_deref().map(|c| format!(", clean {}", safe(c, CELL))).unwrap_or_default();
        page += &wrap("    ", &format!("effect ended {}{clean}", safe(ended, CELL)));
    }
    for target in status.targets.iter().take(TARGETS) {
        let pinned = injection.spec.targets.iter().find(|t| t.uid == target.uid);
        let name = pinned.map_or_else(|| target.uid.clone(), |t| format!("{}/{}", t.namespace, t.pod));
        let text = target.evidence.as_ref().map(counted).unwrap_or_default();
        let why =
            target.message.clone().or_else(|| target.reason.clone()).map(|w| format!("; {w}")).unwrap_or_default();
        let hint = target.hint.as_ref().map(|h| format!(" (hint: {h})")).unwrap_or_default();
        page += &wrap("    ", &safe(&format!("{name}: {}{text}{why}{hint}", effective(target.effective)), 3 * ITEM));
    }
    let more = status.targets.len().saturating_sub(TARGETS);
    if more > 0 {
        page += &format!("    and {more} more; `kubectl get chaosinjection -o yaml` has them\n");
    }
    page
}

fn counted(evidence: &EvidenceStatus) -> String {
    let EvidenceStatus { delayed, dropped, passed, killed, text } = evidence;
    if let Some(text) = text {
        return format!("; {text}");
    }
    let counts = [("delayed", delayed), ("dropped", dropped), ("passed", passed), ("killed", killed)];
    counts.into_iter().filter_map(|(name, count)| count.map(|c| format!("; {c} {name}"))).collect()
}

fn effective(effective: Option<Truth>) -> &'static str {
    match effective {
        Some(Truth::True) => "effective",
        Some(Truth::False) => "NOT effective",
        Some(Truth::Unknown) | None => "effect unknown",
    }
}

fn cluster_faults(status: &RunStatus) -> String {
    let Some(cluster) = &status.cluster else { return String::new() };
    let (done, refused, failed, unknown) = (cluster.done, cluster.refused, cluster.failed, cluster.unknown);
    let mut page = format!("\nPODS: {done} gone, {refused} refused, {failed} failed, {unknown} unknown\n");
    let row = |e: &rumpus_model::wire::ClusterExample| {
        let message = e.message.as_deref().unwrap_or_default();
        vec![safe(&format!("{}/{}", e.namespace, e.pod), CELL), safe(&e.reason, CELL), safe(message, CELL)]
    };
    if !cluster.examples.is_empty() {
        page += &table(&["POD", "REASON", "MESSAGE"], cluster.examples.iter().map(row).collect());
    }
    page
}

fn refusals(refusals: &[Why]) -> String {
    if refusals.is_empty() {
        return String::new();
    }
    let mut page = format!("\nREFUSED ({})\n", refusals.len());
    for why in refusals {
        page += &wrap(" no: ", &format!("{}: {}", safe(&why.reason, CELL), safe(&why.message, 2 * ITEM)));
        if let Some(hint) = &why.hint {
            page += &wrap("     hint: ", &safe(hint, 2 * ITEM));
        }
    }
    page
}

fn verdict(report: &Report) -> String {
    let run = format!("{}/{}", safe(&report.namespace, CELL), safe(&report.name, CELL));
    match &report.ending {
        Ending::Started => format!("run {run} goes on; `rumpus active` shows it, `rumpus stop {run}` ends it."),
        Ending::Failed => "the hypothesis did not hold; everything is back as it was.".into(),
        Ending::Unconfirmed { nodes } if nodes.is_empty() => {
            format!("UNCONFIRMED: nobody has attested how run {run} ended; `rumpus residue` shows what may be left.")
        }
        Ending::Unconfirmed { nodes } => {
            let nodes: Vec<String> = nodes.iter().map(|n| safe(n, CELL)).collect();
            let nodes = some(nodes.into_iter(), TARGETS);
            format!(
                "UNCONFIRMED: no attested end from {nodes}; `rumpus doctor` shows its agent, `rumpus residue` what is left."
            )
        }
        Ending::Known(outcome) => known(*outcome, &report.seed),
    }
}

fn known(outcome: Outcome, seed: &str) -> String {
    match outcome {
        Outcome::DryRun => {
            let seed = safe(seed, ITEM);
            format!("dry run: nothing was done. The same with --arm --seed {seed} hits these, if nothing has changed.")
        }
        Outcome::Proven => "proven: every fault had its effect, and every node attests that it has ended.".into(),
        Outcome::Halted => "ended early (halted, stopped or deleted): every node attests that it has ended.".into(),
        Outcome::Interrupted => "interrupted: every node attests that what had begun has ended.".into(),
        Outcome::Inconclusive => {
            "inconclusive: nothing was selected, or no target showed the effect; what had begun has ended.".into()
        }
        Outcome::Refused => "refused: see above; nothing of it is in effect.".into(),
        Outcome::RestoreProblem => {
            "NOT RESTORED: see above; the kernel ends every effect by itself, and the agent goes on trying. `rumpus \
             residue` shows what is left."
                .into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ask::object;
    use serde_json::json;

    fn report(ending: Ending, status: serde_json::Value) -> Report {
        let run = object(json!({"metadata": {"name": "r", "namespace": "shop"}, "spec": {}, "status": status}));
        let injection: ChaosInjection = object(json!({
            "metadata": {"name": "r-n1", "namespace": "shop", "uid": "i"},
            "spec": {"nodeName": "n1", "run": {"name": "r", "uid": "u"}, "phase": "Armed", "epoch": 1, "revision": 1,
                "notAfter": "t", "fault": {"latency": {"delay": "100ms"}},
                "targets": [{"uid": "p", "namespace": "shop", "pod": "web\u{1b}[2J"}]},
            "status": {"state": "Restored", "effective": "True", "effectEnded": "t1", "clean": "t2",
                "targets": [{"uid": "p", "state": "Restored", "effective": "True", "evidence": {"delayed": 7}}]},
        }));
        let injections = [("i".to_owned(), injection)].into();
        let seen = Seen { run: Some(run), injections, ..Seen::default() };
        Report {
            context: "prod".into(),
            namespace: "shop".into(),
            name: "r".into(),
            seed: "7".into(),
            armed: true,
            exit_code: ending.exit_code(),
            seen,
            ending,
            problems: Vec::new(),
        }
    }

    #[test]
    fn evidence_names_the_pod_and_what_it_showed_and_steers_no_terminal() {
        let plan = json!({"plan": {"hash": "h", "seed": "7", "nodes": [{"node": "n1", "targets": 1}],
            "leftOut": [{"reason": "NotPicked", "count": 2, "examples": ["shop/a"]}]}});
        let page = end(&report(Ending::Known(Outcome::Proven), plan));
        for part in [
            "hash h, seed 7",
            "1 on n1",
            "2 NotPicked: shop/a",
            "node n1: Restored, effective",
            "shop/web\\u{1b}[2J: effective; 7 delayed",
            "effect ended t1, clean t2",
            "proven:",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains('\u{1b}'));
    }

    #[test]
    fn each_key_of_the_report_is_there_once() {
        let text = serde_json::to_string_pretty(&report(Ending::Started, json!({}))).unwrap();
        let keys: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        let written = text.lines().filter(|l| l.starts_with("  \"")).count();
        assert_eq!(written, keys.len(), "a key is there twice: {text}");
        assert!(keys["run"].is_object() && keys["name"].is_string(), "{text}");
    }

    #[test]
    fn an_unconfirmed_run_is_never_called_over() {
        let page = end(&report(Ending::Unconfirmed { nodes: vec!["n2".into()] }, json!({})));
        assert!(page.contains("UNCONFIRMED: no attested end from n2") && !page.contains("proven"), "{page}");
    }

    #[test]
    fn what_was_deleted_has_its_nodes_word_instead_of_an_old_state() {
        let mut gone = report(Ending::Known(Outcome::Halted), json!({}));
        let injection = gone.seen.injections.get_mut("i").unwrap();
        injection.status.as_mut().unwrap().state = Some(InjectionState::InEffect);
        assert!(end(&gone).contains("node n1: InEffect"), "{}", end(&gone));
        gone.seen.ended.insert("i".into());
        assert!(end(&gone).contains("node n1: deleted, and its node attests"), "{}", end(&gone));
    }

    #[test]
    fn a_refusal_has_its_reason_and_its_hint() {
        let why = json!({"refusals": [{"reason": "NotOptedIn", "message": "namespace shop", "hint": "label it"}]});
        let page = end(&report(Ending::Known(Outcome::Refused), why));
        assert!(page.contains("no: NotOptedIn: namespace shop") && page.contains("hint: label it"), "{page}");
    }
}
