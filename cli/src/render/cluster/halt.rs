//! A Halt of a cluster as text: what was ordered, what each node says, and who is silent.

use super::super::table::table;
use super::super::text::{safe, some, wrap};
use super::{CELL, ITEM};
use crate::cluster::attest::{Answer, Attested};
use crate::cluster::halt::{Ordered, Report};
use crate::cluster::scope;
use owo_colors::OwoColorize;

/// Most nodes that are named in one line.
const NAMED: usize = 10;

/// Says that a Halt stands.
pub fn ordered(halt: &Ordered, context: &str) -> String {
    let (what, context) = (safe(&scope::show(&halt.scope), ITEM), safe(context, CELL));
    format!("halted {what} in {context}: {} (halt {})", safe(&halt.reason, ITEM), safe(&halt.name, CELL))
}

/// Tells a node's word; none while it is silent.
pub fn change(node: &Attested) -> Option<String> {
    match node.answer {
        Answer::Ended => Some(format!("{}       node {}: {}", "ended".green(), safe(&node.node, CELL), held(node))),
        Answer::Unconfirmed | Answer::NoAgent => None,
    }
}

/// Says who is waited for.
pub fn waiting(nodes: &[Attested]) -> String {
    let silent: Vec<String> = silent(nodes).map(|n| safe(&n.node, CELL)).collect();
    if silent.is_empty() {
        return "nothing is in effect; waiting for the last word that nothing is left".into();
    }
    format!("waiting for {}", some(silent.into_iter(), NAMED))
}

fn silent(nodes: &[Attested]) -> impl Iterator<Item = &Attested> {
    nodes.iter().filter(|n| n.answer == Answer::Unconfirmed)
}

fn held(node: &Attested) -> String {
    match node.held {
        0 => "it held nothing".into(),
        1 => "1 injection has ended".into(),
        more => format!("{more} injections have ended"),
    }
}

/// Renders how a halt ended.
pub fn end(report: &Report) -> String {
    let mut page = String::new();
    if !report.nodes.is_empty() {
        page += &table(&["NODE", "ANSWER", "HELD", "EFFECT ENDED", "CLEAN"], report.nodes.iter().map(row).collect());
    }
    for node in &report.nodes {
        for what in &node.residue {
            page += &wrap("  STILL THERE ", &format!("{}: {}", safe(&node.node, CELL), safe(what, ITEM)));
        }
    }
    if let Some(why) = &report.unread {
        page += &wrap("  not read    ", &safe(why, 2 * ITEM));
    }
    page + &wrap("", &verdict(report))
}

fn row(node: &Attested) -> Vec<String> {
    let answer = match node.answer {
        Answer::Ended => "ended",
        Answer::Unconfirmed => "UNCONFIRMED",
        Answer::NoAgent => "no agent",
    };
    let at = |instant: &Option<String>| safe(instant.as_deref().unwrap_or("-"), CELL);
    vec![safe(&node.node, CELL), answer.into(), node.held.to_string(), at(&node.effect_ended), at(&node.clean)]
}

fn verdict(report: &Report) -> String {
    let resume = "New faults in its scope are refused until `rumpus resume`.";
    if report.unread.is_some() {
        return format!("UNCONFIRMED: the halt stands, and no node's word could be read. {resume}");
    }
    if report.nodes.iter().any(|n| !n.residue.is_empty()) {
        return format!("NOT RESTORED: what is listed above is still there, without effect. {resume}");
    }
    match report.attested_ms {
        Some(took) => {
            format!("nothing in scope is in effect, as every node with an agent attests ({took} ms). {resume}")
        }
        None => {
            let silent =
                some(silent(&report.nodes).map(|n| safe(&n.node, CELL)).collect::<Vec<_>>().into_iter(), NAMED);
            format!(
                "UNCONFIRMED: no word from {silent}. What runs there ends by itself within its lease if its agent is \
                 dead or cut off; `rumpus doctor` shows the agents. {resume}"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpus_model::wire::HaltScope;

    fn node(name: &str, answer: Answer) -> Attested {
        let (effect_ended, clean) = (Some("2026-01-01T00:00:00.000000Z".to_owned()), None);
        Attested { node: name.into(), answer, held: 1, effect_ended, clean, residue: Vec::new() }
    }

    fn report(nodes: Vec<Attested>, attested_ms: Option<u128>) -> Report {
        let scope = HaltScope { all: Some(true), ..HaltScope::default() };
        let halts = vec![Ordered { name: "halt-1".into(), uid: "u".into(), scope, reason: "a\u{1b}[2J".into() }];
        Report { context: "prod".into(), halts, nodes, attested_ms, unread: None, exit_code: 0 }
    }

    fn flat(page: &str) -> String {
        page.replace('\n', " ")
    }

    #[test]
    fn an_order_names_cluster_scope_and_reason() {
        let line = ordered(&report(Vec::new(), None).halts[0], "prod");
        assert_eq!(line, "halted everything in prod: a\\u{1b}[2J (halt halt-1)");
    }

    #[test]
    fn a_silent_node_is_never_called_ended() {
        let page = end(&report(vec![node("n1", Answer::Ended), node("n2", Answer::Unconfirmed)], None));
        assert!(flat(&page).contains("UNCONFIRMED: no word from n2.") && !page.contains("nothing in scope"), "{page}");
        let unread = Report { unread: Some("forbidden".into()), ..report(Vec::new(), None) };
        assert!(flat(&end(&unread)).contains("no node's word could be read"), "{}", end(&unread));
        let over = end(&report(vec![node("n1", Answer::Ended)], Some(40)));
        assert!(
            flat(&over).contains("nothing in scope is in effect, as every node with an agent attests (40 ms)"),
            "{over}"
        );
        assert!(over.lines().all(|l| l.chars().count() <= 100), "{over}");
    }

    #[test]
    fn residue_is_not_restored() {
        let dirty = Attested { residue: vec!["table x".into()], ..node("n1", Answer::Ended) };
        let page = end(&report(vec![dirty], Some(1)));
        assert!(page.contains("NOT RESTORED") && page.contains("STILL THERE n1: table x"), "{page}");
    }
}
