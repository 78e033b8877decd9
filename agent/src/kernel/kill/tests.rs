//! Killing processes and groups, all of them started here.

use std::fs;

use super::super::cgroup::container_of;
use super::super::pidfd::Identity;
use super::super::proc::{ProcessState, boot_id};
use super::super::test_process::{Clone3, Play, Sleeper};
use super::*;

const ID: &str = "00000000000000000000000000000000000000000000000000000000cafe0001";

fn identity(pid: u32) -> Identity {
    while one(pid).unwrap().comm != "sleep" {
        std::thread::yield_now();
    }
    Identity::of(&one(pid).unwrap(), &boot_id().unwrap())
}

/// A container's group made for one test, removed with it.
struct Group {
    hierarchy: Hierarchy,
    parent: PathBuf,
    dir: PathBuf,
}

impl Group {
    fn make(hierarchy: &Hierarchy, test: &str) -> Self {
        let name = format!("rumpus-test-proc-{}-{test}", std::process::id());
        let mount = Hierarchies::detect().unwrap().mount(hierarchy).unwrap().clone();
        let parent = mount.point.join(name);
        let dir = parent.join(ID);
        fs::create_dir_all(&dir).unwrap();
        Self { hierarchy: hierarchy.clone(), parent, dir }
    }

    fn take(&self, pid: u32) {
        fs::write(self.dir.join("cgroup.procs"), pid.to_string()).unwrap();
    }

    /// The groups as a plan finds them, from one process in it.
    fn of(&self, pid: u32) -> ContainerGroups {
        let paths = one(pid).unwrap().cgroup.unwrap();
        let container = container_of(&paths).unwrap().unwrap();
        assert_eq!(container.id, ID);
        container_groups(&Hierarchies::detect().unwrap(), &paths, &container).unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for dir in [&self.dir.join("nested"), &self.dir, &self.parent] {
            // A group is busy until its last zombie is reaped.
            for _ in 0..200 {
                if fs::remove_dir(dir).is_ok() || !dir.exists() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let left = self.parent.exists();
        assert!(!left || std::thread::panicking(), "{:?} {} is left", self.hierarchy, self.parent.display());
    }
}

/// A v1 hierarchy where there is one: rounds work on any.
fn any_v1() -> Hierarchy {
    let v1 = Hierarchy::V1("pids".into());
    let here = Hierarchies::detect().unwrap();
    if here.mount(&v1).is_some() { v1 } else { Hierarchy::Unified }
}

#[test]
fn sigterm_within_grace_needs_no_sigkill() {
    let victim = Clone3::start(None, false, Play::Pause);
    let evidence = kill_process(&identity(victim.pid()), Signal::TERM, Duration::from_secs(5)).unwrap();
    assert!(evidence.signalled && evidence.gone && !evidence.escalated);
    assert_eq!(evidence.term_ignored_predicted, Some(false));
    assert_eq!(victim.killed_by(), libc::SIGTERM);
}

#[test]
fn pid_1_of_a_namespace_drops_sigterm_and_dies_of_sigkill() {
    let victim = Clone3::start(None, true, Play::Pause);
    let grace = Duration::from_millis(100);
    let evidence = kill_process(&identity(victim.pid()), Signal::TERM, grace).unwrap();
    assert_eq!(evidence.term_ignored_predicted, Some(true));
    assert!(evidence.escalated && evidence.gone && evidence.after >= grace);
    assert_eq!(victim.killed_by(), libc::SIGKILL);
}

#[test]
fn a_stopped_process_dies_of_the_escalation() {
    let victim = Sleeper::start();
    let pinned = Pinned::open(&identity(victim.pid())).unwrap();
    pinned.signal(Signal::STOP).unwrap();
    while one(victim.pid()).unwrap().state != ProcessState::Stopped {
        std::thread::yield_now();
    }
    let evidence = kill_process(&identity(victim.pid()), Signal::TERM, Duration::from_millis(50)).unwrap();
    assert!(evidence.escalated && evidence.gone);
}

#[test]
fn the_agent_and_its_parents_are_refused() {
    let own = std::process::id();
    for pid in ancestors(own).unwrap().into_iter().chain([own]) {
        let expected = Identity::of(&one(own).unwrap(), &boot_id().unwrap());
        let answer = kill_process(&Identity { pid, ..expected }, Signal::KILL, Duration::ZERO);
        assert!(matches!(answer, Err(KillError::HitsAgent { pid: hit }) if hit == pid), "{answer:?}");
    }
}

#[test]
fn cgroup_kill_ends_a_group_that_forks_all_the_time() {
    let group = Group::make(&Hierarchy::Unified, "v2");
    let root = Clone3::start(None, false, Play::Pause);
    group.take(root.pid());
    let groups = group.of(root.pid());
    assert!(groups.unified.is_some());
    let forking = start_forking(&group);
    let bystander = Sleeper::start();
    let evidence = kill_container(&groups).unwrap();
    assert_eq!(evidence.method, KillMethod::CgroupKill);
    assert!(evidence.survivors.is_empty() && evidence.killed >= 10, "{evidence:?}");
    assert!(!CgroupDir::open(&group.dir).unwrap().populated().unwrap());
    assert_eq!((root.killed_by(), forking.killed_by()), (libc::SIGKILL, libc::SIGKILL));
    assert!(one(bystander.pid()).is_ok());
    report(&evidence);
}

/// Puts a process into the group that then starts 30 others which refork.
fn start_forking(group: &Group) -> Clone3 {
    let dir = CgroupDir::open(&group.dir).unwrap();
    let already = dir.procs().unwrap().len();
    let forking = Clone3::start(None, false, Play::Refork(30));
    let deadline = Instant::now() + Duration::from_secs(5);
    while one(forking.pid()).unwrap().state != ProcessState::Stopped {
        std::thread::yield_now();
    }
    group.take(forking.pid());
    Pinned::open(&identity(forking.pid())).unwrap().signal(Signal::CONT).unwrap();
    while dir.procs().unwrap().len() < already + 15 {
        assert!(Instant::now() < deadline, "the play does not fork");
        std::thread::yield_now();
    }
    forking
}

#[expect(clippy::print_stderr, reason = "a measurement for who runs the test by hand")]
fn report(evidence: &ContainerKillEvidence) {
    eprintln!("{:?}: {} killed in {:?}", evidence.method, evidence.killed, evidence.after);
}

#[test]
fn rounds_end_a_group_that_forks_all_the_time_and_spare_the_rest() {
    let group = Group::make(&any_v1(), "rounds");
    fs::create_dir(group.dir.join("nested")).unwrap();
    let nested = Clone3::start(None, false, Play::Pause);
    group.take(nested.pid());
    let found = group.of(nested.pid());
    fs::write(group.dir.join("nested/cgroup.procs"), nested.pid().to_string()).unwrap();
    let by_rounds = found.v1.or(found.unified);
    let groups = ContainerGroups { unified: None, v1: by_rounds };
    let forking = start_forking(&group);
    let bystander = Sleeper::start();
    let evidence = kill_container(&groups).unwrap();
    assert!(matches!(evidence.method, KillMethod::Rounds(1..=ROUNDS_CAP)), "{evidence:?}");
    assert!(evidence.survivors.is_empty() && evidence.failed.is_none(), "{evidence:?}");
    assert_eq!((nested.killed_by(), forking.killed_by()), (libc::SIGKILL, libc::SIGKILL));
    assert!(one(bystander.pid()).is_ok());
    report(&evidence);
}

#[test]
fn a_container_in_both_halves_of_a_hybrid_is_killed_in_both() {
    let unified = Group::make(&Hierarchy::Unified, "both");
    let v1 = Group::make(&any_v1(), "both-v1");
    let (in_both, in_v1_alone) = (Clone3::start(None, false, Play::Pause), Clone3::start(None, false, Play::Pause));
    unified.take(in_both.pid());
    v1.take(in_v1_alone.pid());
    v1.take(in_both.pid());
    let mut groups = unified.of(in_both.pid());
    groups.v1 = groups.v1.or(v1.of(in_v1_alone.pid()).unified);
    assert!(groups.unified.is_some() && groups.v1.is_some());
    let evidence = kill_container(&groups).unwrap();
    assert_eq!((evidence.method, evidence.killed), (KillMethod::CgroupKill, 2));
    assert!(evidence.survivors.is_empty(), "{evidence:?}");
    assert_eq!((in_both.killed_by(), in_v1_alone.killed_by()), (libc::SIGKILL, libc::SIGKILL));
}

#[test]
fn a_group_made_anew_under_the_same_name_is_refused_and_the_old_one_is_gone() {
    let group = Group::make(&Hierarchy::Unified, "anew");
    let first = Clone3::start(None, false, Play::Pause);
    group.take(first.pid());
    let groups = group.of(first.pid());
    let held = CgroupDir::open(&group.dir).unwrap();
    drop(first);
    fs::remove_dir(&group.dir).unwrap();
    fs::create_dir(&group.dir).unwrap();
    let second = Clone3::start(None, false, Play::Pause);
    group.take(second.pid());
    assert!(matches!(held.kill_v2(), Err(CgroupError::Gone { .. })));
    assert!(matches!(held.procs(), Err(CgroupError::Gone { .. })));
    let answer = kill_container(&groups);
    assert!(matches!(answer, Err(KillError::NotTheSameGroup { .. })), "{answer:?}");
    assert!(second.runs());
}

#[test]
fn a_group_with_the_agent_or_a_parent_of_it_is_refused() {
    let own = std::process::id();
    let here = Hierarchies::detect().unwrap();
    let hierarchy = any_v1();
    let path = one(own).unwrap().cgroup.unwrap().path_in(&hierarchy).unwrap().to_owned();
    let dir = here.dir_of(&hierarchy, &path).unwrap();
    let id = CgroupDir::open(&dir).unwrap().id();
    let own_group = GroupRef { hierarchy, path, dir, id };
    let answer = kill_container(&ContainerGroups { unified: None, v1: Some(own_group) });
    assert!(matches!(answer, Err(KillError::HitsAgent { .. })), "{answer:?}");
}
