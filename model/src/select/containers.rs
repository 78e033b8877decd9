//! Containers by the id that their runtime gave to their cgroup.

use super::{Candidate, Found, LeftOut, Matched, Reason, group, label, pin, processes};
use crate::guard::protected;
use crate::target::{ContainerTarget, Target};
use crate::world::{Container, Process, World};

/// Ids or their beginnings (at least 12 hex digits); `exclude` wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containers {
    /// Empty means all.
    pub ids: Vec<String>,
    pub exclude: Vec<String>,
}

impl Containers {
    fn select<'w>(&self, world: &'w World) -> (Vec<&'w Container>, Vec<LeftOut>) {
        let (mut taken, mut left) = (Vec::new(), Vec::new());
        for id in &self.ids {
            if !world.containers.iter().any(|c| c.id.starts_with(id.as_str())) {
                left.push(LeftOut { what: format!("container {id}"), reason: Reason::NotFound });
            }
        }
        for container in &world.containers {
            if !self.ids.is_empty() && !self.ids.iter().any(|id| container.id.starts_with(id.as_str())) {
                continue;
            }
            match self.exclude.iter().find(|id| container.id.starts_with(id.as_str())) {
                Some(id) => {
                    left.push(LeftOut { what: name(container), reason: Reason::Excluded { by: format!("id {id}") } })
                }
                None => taken.push(container),
            }
        }
        (taken, left)
    }

    /// Whole containers, for `kill: {container: true}`.
    pub(crate) fn whole(&self, world: &World) -> Found {
        let (taken, left_out) = self.select(world);
        let mut found = Found { left_out, ..Found::default() };
        for container in taken {
            let inside = inside(world, container);
            if let Some((process, why)) = inside.iter().find_map(|p| Some((p, protected::why(p, world)?))) {
                let reason = Reason::Holds { process: label(process), why: format!("protected ({why})") };
                found.left_out.push(LeftOut { what: name(container), reason });
                continue;
            }
            let target = ContainerTarget {
                id: container.id.clone(),
                cgroup: container.cgroup.clone(),
                boot_id: world.boot_id.clone(),
                init: init(world, container).and_then(|p| pin(world, p)),
                processes: group::labels(&inside),
            };
            found.candidates.push(Candidate {
                target: Target::Container(target),
                identity: container.id.clone(),
                why: "named".into(),
            });
        }
        found
    }

    /// The first process of each container, for a signal.
    pub(crate) fn inits(&self, world: &World) -> Found {
        let (taken, left_out) = self.select(world);
        let mut matched = Matched { left_out, ..Matched::default() };
        for container in taken {
            match init(world, container) {
                Some(process) => matched.processes.push(process),
                None => matched.left_out.push(LeftOut {
                    what: name(container),
                    reason: Reason::Unknown { what: "its first process could not be told".into() },
                }),
            }
        }
        processes::each(world, matched)
    }

    pub(crate) fn matched<'w>(&self, world: &'w World) -> Matched<'w> {
        let (taken, left_out) = self.select(world);
        let processes = taken.into_iter().flat_map(|c| inside(world, c)).collect();
        let excluded = world.containers.iter().filter(|c| self.exclude.iter().any(|id| c.id.starts_with(id.as_str())));
        let excluded = excluded.flat_map(|c| inside(world, c).into_iter().map(|p| (p, name(c)))).collect();
        Matched { processes, excluded, left_out }
    }

    pub fn summary(&self) -> String {
        let ids = if self.ids.is_empty() { "all".into() } else { self.ids.join(", ") };
        let exclude =
            if self.exclude.is_empty() { String::new() } else { format!(", but not {}", self.exclude.join(", ")) };
        format!("containers {ids}{exclude}")
    }
}

fn name(container: &Container) -> String {
    format!("container {}", container.id.get(..12).unwrap_or(&container.id))
}

fn inside<'w>(world: &'w World, container: &Container) -> Vec<&'w Process> {
    world.processes.iter().filter(|p| container.pids.contains(&p.id.pid)).collect()
}

/// Returns the one process whose parent is outside; `None` where that is not exactly one.
fn init<'w>(world: &'w World, container: &Container) -> Option<&'w Process> {
    let mut roots = inside(world, container).into_iter().filter(|p| !container.pids.contains(&p.ppid));
    let first = roots.next()?;
    roots.next().is_none().then_some(first)
}
