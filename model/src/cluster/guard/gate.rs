//! A gate about a workload is closed: it is not there, it is in a rollout, or fewer of its pods are ready than it wants.
//! What cannot be read closes it. A gate that is asked over the network is none of a plan's business.

use super::Case;
use crate::cluster::plan::RunInput;
use crate::cluster::pod::Phase;
use crate::cluster::refusal::ClusterRefusal;
use crate::cluster::rollout::Rollout;
use crate::cluster::world::World;
use crate::gate::{Probe, WorkloadProbe};

pub(crate) fn check(case: &Case<'_>) -> Vec<ClusterRefusal> {
    closed(case.world, case.input)
}

/// Returns the gates of a run that are closed in this world.
pub(crate) fn closed(world: &World, input: &RunInput) -> Vec<ClusterRefusal> {
    let mut refusals = Vec::new();
    for gate in &input.policy.experiment.gates {
        let Probe::Workload(probe) = &gate.probe else { continue };
        if let Err(why) = ask(world, &input.namespace, probe) {
            refusals.push(ClusterRefusal::GateClosed { check: gate.name.clone(), why });
        }
    }
    refusals
}

fn ask(world: &World, namespace: &str, probe: &WorkloadProbe) -> Result<(), String> {
    let owners = world.owners.as_ref().map_err(|u| format!("workloads could not be read: {}", u.why))?;
    let pods = world.pods.as_ref().map_err(|u| format!("pods could not be read: {}", u.why))?;
    let is_meant = |o: &crate::cluster::world::Owner| {
        *o.kind == *probe.kind && *o.namespace == *namespace && *o.name == *probe.name
    };
    let (uid, owner) = owners.iter().find(|(_, o)| is_meant(o)).ok_or_else(|| format!("{probe} does not exist"))?;
    match owner.rollout {
        Rollout::Done => {}
        Rollout::Underway(midst) => return Err(format!("{probe} is in the midst of a rollout: {midst}")),
        Rollout::None => return Err(format!("nothing tells where the rollout of {probe} stands")),
    }
    let wanted = owner.desired.ok_or_else(|| format!("nothing says how many pods of {probe} there should be"))?;
    let serves = |p: &crate::cluster::pod::Pod| p.phase == Phase::Running && p.ready && !p.terminating;
    let of = |p: &crate::cluster::pod::Pod| p.owner.as_ref().is_some_and(|o| o.uid == *uid);
    let ready = pods.iter().filter(|p| of(p) && serves(p)).count();
    if ready < usize::try_from(wanted).unwrap_or(usize::MAX) {
        return Err(format!("{probe} has {ready} ready pods of {wanted}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fixture::{NOW, input, policy, reasons, shop, unknown, with};
    use crate::cluster::rollout::Midst;
    use crate::gate::Gate;

    const WEB: fn() -> WorkloadProbe = || WorkloadProbe { kind: "Deployment", name: "web".into() };

    fn done() -> World {
        let mut world = shop();
        world.owners.as_mut().unwrap().get_mut("u-web").unwrap().rollout = Rollout::Done;
        world
    }

    fn why(world: &World) -> String {
        ask(world, "shop", &WEB()).unwrap_err()
    }

    #[test]
    fn it_is_open_only_where_all_is_known_and_well() {
        assert_eq!(ask(&done(), "shop", &WEB()), Ok(()));
        assert_eq!(why(&with(done(), "web-1", |p| p.ready = false)), "Deployment/web has 2 ready pods of 3");
        assert_eq!(why(&with(done(), "web-1", |p| p.terminating = true)), "Deployment/web has 2 ready pods of 3");
        assert!(why(&shop()).starts_with("nothing tells"));
        let mut rolling = done();
        rolling.owners.as_mut().unwrap().get_mut("u-web").unwrap().rollout = Rollout::Underway(Midst::Unread);
        assert!(why(&rolling).contains("rollout"), "{}", why(&rolling));
        let mut endless = done();
        endless.owners.as_mut().unwrap().get_mut("u-web").unwrap().desired = None;
        assert!(why(&endless).contains("how many"));
        assert!(why(&World { owners: unknown(), ..done() }).contains("403"));
        assert!(why(&World { pods: unknown(), ..done() }).contains("403"));
    }

    #[test]
    fn a_closed_gate_refuses_the_plan_and_one_over_the_network_is_announced() {
        let text = "selector: {matchLabels: {app: web}}";
        let mut policy = policy(text, "all: true", "podDelete: {}", "limits: {}");
        let http = crate::gate::HttpProbe {
            host: "status".into(),
            port: 80,
            path: "/".into(),
            statuses: Vec::new(),
            timeout: std::time::Duration::from_secs(2),
        };
        let gate = |name: &str, probe| Gate { name: name.into(), probe };
        policy.experiment.gates = vec![gate("web", Probe::Workload(WEB())), gate("up", Probe::Http(http))];
        let plan = crate::cluster::plan(&done(), &input(policy.clone()), NOW);
        assert_eq!(reasons(&plan), [""; 0]);
        assert_eq!(plan.notes, ["check up is asked when a run begins: GET http://status:80/"]);
        let plan = crate::cluster::plan(&with(done(), "web-1", |p| p.ready = false), &input(policy), NOW);
        assert_eq!(reasons(&plan), ["GateClosed"]);
        assert!(plan.refusals[0].to_string().contains("the check web says no"), "{}", plan.refusals[0]);
    }

    #[test]
    fn only_this_kind_name_and_namespace_is_meant() {
        assert!(ask(&done(), "other", &WEB()).is_err());
        assert!(ask(&done(), "shop", &WorkloadProbe { kind: "StatefulSet", ..WEB() }).is_err());
        assert!(ask(&done(), "shop", &WorkloadProbe { name: "web2".into(), ..WEB() }).is_err());
    }
}
