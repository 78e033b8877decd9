//! The text of policies: read twice, for a host and for a cluster; what is accepted is within the bounds that the
//! documentation names and can be written down and read again, and what is not is told field by field.

use crate::builders::{netns, process, world};
use rumpus_model::cluster::written;
use rumpus_model::fault::{Fault, Network};
use rumpus_model::plan::plan;
use rumpus_model::policy::{MAX_BYTES, Policy, Problem, Site, fault, parse_for};
use std::time::Duration;

/// Most problems that are told of one document, and most documents.
const MOST: usize = 50 * 64;
/// What is said of the text as a whole, where no field can be named.
const WHOLE: [&str; 3] = ["cannot be read as YAML", "the file holds no policy", "the text has "];

/// Reads one file.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for site in [Site::Host, Site::Cluster] {
        let (first, second) = (parse_for(text, site), parse_for(text, site));
        assert_eq!(format!("{first:?}"), format!("{second:?}"), "not the same twice");
        match first {
            // Of several faults each one may be drawn.
            Ok(policies) => policies.iter().flat_map(Policy::each_possible).for_each(|policy| accepted(&policy, site)),
            Err(problems) => refused(text, &problems),
        }
    }
}

fn accepted(policy: &Policy, site: Site) {
    let experiment = &policy.experiment;
    assert!(!policy.name.is_empty() && policy.name.len() <= 253);
    assert_eq!(experiment.duration.is_some(), experiment.fault.lasts());
    let lasts = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
    assert!(experiment.duration.is_none_or(|d| lasts.contains(&d)), "{:?}", experiment.duration);
    if let Fault::Latency(latency) = &experiment.fault {
        let most = latency.delay.delay.saturating_add(latency.delay.jitter);
        assert!(most <= Duration::from_secs(10) && latency.delay.jitter <= latency.delay.delay, "{latency:?}");
    }
    if let Some(network) = experiment.fault.network() {
        let sides = network.peers.iter().chain([&network.except]);
        assert!(sides.flat_map(|s| &s.addresses).all(|net| *net == net.trunc()));
        let nobody = network.peers.as_ref().is_some_and(|p| p.is_empty());
        assert!(!nobody || !policy.unbuilt.is_empty(), "nobody is no other side");
    }
    match site {
        // As a controller writes it for an agent, and as the agent reads it.
        Site::Cluster => {
            let read = fault(&written::fault(&experiment.fault), Site::Cluster);
            assert_eq!(read, Ok(without_other_side(experiment.fault.clone())));
        }
        Site::Host => {
            let host = world().with_netns(netns("web")).with(process("nginx").in_netns("web")).own(101).build();
            let planned = plan(&host, policy, "1", "run");
            assert_eq!(planned, plan(&host, policy, "1", "run"));
            assert!(planned.refusals.len() >= policy.unbuilt.len(), "what a host cannot honour is refused");
        }
    }
}

fn without_other_side(mut fault: Fault) -> Fault {
    let alone = |network: &mut Network| {
        (network.peers, network.follow) = (None, false);
        network.except = Default::default();
        network.ports.clear();
    };
    match &mut fault {
        Fault::Latency(latency) => alone(&mut latency.network),
        Fault::Loss(loss) => alone(&mut loss.network),
        Fault::Partition(partition) => alone(&mut partition.network),
        Fault::Kill(_) | Fault::PodDelete(_) | Fault::PodEvict(_) => {}
    }
    fault
}

fn refused(text: &str, problems: &[Problem]) {
    assert!(!problems.is_empty() && problems.len() <= MOST);
    let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
    for problem in problems {
        let whole = WHOLE.iter().any(|start| problem.what.starts_with(start));
        assert_eq!(problem.path.is_empty(), whole, "names no field: {problem:?}");
        assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "of {lines} lines: {problem:?}");
        let shown = format!("{problem}{}", problem.hint);
        assert!(!shown.chars().any(char::is_control), "{problem:?}");
        // A tab is shown in five letters, in what is wrong and in the hint.
        assert!(shown.len() <= 16 * text.len() + 2000 && text.len() <= MAX_BYTES, "longer than what it is about");
    }
}
