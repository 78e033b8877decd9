//! Kill of whole containers.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use super::how::{BOTH, HOST};
use crate::kernel::case::Case;
use crate::kernel::lab::Lab;
use crate::kernel::matrix::{Engine, Fault, Kernel};
use crate::kernel::runc::Runc;
use crate::kernel::victim::{DEAF, Victim};

pub(super) const CASES: &[Case] = &[
    case("a_whole_container_dies_by_cgroup_kill", BOTH, a_whole_container_dies_by_cgroup_kill),
    case("without_cgroup_kill_it_dies_in_rounds", HOST, without_cgroup_kill_it_dies_in_rounds),
    case("a_runc_container_dies_whole", BOTH, a_runc_container_dies_whole),
    case("a_halted_host_kills_no_container", HOST, a_halted_host_kills_no_container),
    case("a_container_that_is_gone_is_not_killed_twice", BOTH, a_container_that_is_gone_is_not_killed_twice),
];

const fn case(name: &'static str, kernels: &'static [Kernel], run: fn(&Lab) -> Result<()>) -> Case {
    Case { name, fault: Fault::Kill, engine: Engine::Cgroup, kernels, run }
}

/// A control group named as a container's, with what is in it; emptied and removed when dropped.
struct Container {
    path: PathBuf,
    id: String,
}

/// Returns an id like a container's; `digit` tells those of one lab apart.
pub(super) fn id(lab: &Lab, digit: u8) -> String {
    let numbers: String = lab.target().name().chars().filter(char::is_ascii_digit).collect();
    // Ids are given by their first 12 digits: those are to differ.
    format!("{digit:x}{numbers:c<63}").chars().take(64).collect()
}

impl Container {
    fn make(lab: &Lab, hierarchy: &Path, digit: u8) -> Result<Self> {
        let id = id(lab, digit);
        let path = hierarchy.join(&id);
        fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        let container = Self { path, id };
        let inner = container.path.join("inner");
        fs::create_dir(&inner).with_context(|| format!("make {}", inner.display()))?;
        Ok(container)
    }

    fn take(&self, inner: &str, victim: &Victim) -> Result<()> {
        let path = self.path.join(inner).join("cgroup.procs");
        fs::write(&path, victim.pid().to_string()).with_context(|| format!("write {}", path.display()))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // A group can be removed once the kernel has reaped what was in it; victims are reaped by their handles, which
        // are made after it and so dropped before it.
        let end = Instant::now() + Duration::from_secs(5);
        for path in [self.path.join("inner"), self.path.clone()] {
            while path.exists() && fs::remove_dir(&path).is_err() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

fn unified(lab: &Lab) -> PathBuf {
    match lab.settings().kernel {
        Kernel::Host => "/sys/fs/cgroup/unified".into(),
        Kernel::Qemu => "/sys/fs/cgroup".into(),
    }
}

/// Kills one of two containers and returns how, as the evidence has it.
fn kill_one_of_two(lab: &Lab, hierarchy: &Path) -> Result<String> {
    let container = Container::make(lab, hierarchy, 1)?;
    let other = Container::make(lab, hierarchy, 2)?;
    let mut inside = Vec::new();
    for (group, words) in [("", &[][..]), ("", &[DEAF]), ("inner", &[DEAF]), ("inner", &[])] {
        let victim = Victim::start(lab, 'a', words)?;
        container.take(group, &victim)?;
        inside.push(victim);
    }
    let mut sibling = Victim::start(lab, 'a', &[])?;
    other.take("", &sibling)?;
    let mut outside = Victim::start(lab, 'a', &[])?;

    let words = ["run", "kill", "--container-id", &container.id, "--whole-container"];
    lab.rumpus(&words).run()?.expect(0)?;
    for victim in &mut inside {
        ensure!(victim.lives()?, "the dry run killed process {}", victim.pid());
    }
    let ended = lab.rumpus(&words).and(&["--arm"]).run()?.expect(0)?;
    let attested = ended.attestations()?;
    let first = attested.first().context("nothing was attested")?;
    ensure!(attested.len() == 1 && first["state"] == "Done" && first["effective"] == "True", "{attested:#?}");
    let killed = first.pointer("/readings/0/killed").context("no evidence of a kill")?;
    ensure!(killed["gone"] == true && killed["survivors"] == 0, "{killed}");
    for victim in &mut inside {
        victim.died_of(Signal::SIGKILL, lab.patience())?;
    }
    ensure!(sibling.lives()?, "a process of another container died");
    ensure!(outside.lives()?, "a process of no container died");
    let by = killed["by"].as_str().context("no way of killing is told")?;
    Ok(by.to_owned())
}

fn a_whole_container_dies_by_cgroup_kill(lab: &Lab) -> Result<()> {
    let by = kill_one_of_two(lab, &unified(lab))?;
    ensure!(by == "cgroup.kill", "it was killed by {by}");
    Ok(())
}

fn without_cgroup_kill_it_dies_in_rounds(lab: &Lab) -> Result<()> {
    let by = kill_one_of_two(lab, Path::new("/sys/fs/cgroup/memory"))?;
    ensure!(by.contains("rounds"), "it was killed by {by}");
    Ok(())
}

/// Its last process ends between the plan and the kill.
fn a_container_that_is_gone_is_not_killed_twice(lab: &Lab) -> Result<()> {
    let container = Container::make(lab, &unified(lab), 1)?;
    let mark = lab.state_dir().join("mark");
    let victim = Victim::start(lab, 'a', &[])?;
    container.take("", &victim)?;
    let running = lab
        .rumpus(&["run", "kill", "--container-id", &container.id, "--whole-container", "--arm"])
        .env("RUMPUS_FAILPOINT", "apply-container.before:stop")
        .env("RUMPUS_FAILPOINT_MARK", mark.display().to_string())
        .start()?;
    let end = Instant::now() + lab.patience();
    while !mark.exists() {
        ensure!(Instant::now() < end, "the kill was not reached:\n{}", running.errors());
        std::thread::sleep(Duration::from_millis(2));
    }
    victim.end()?;
    running.stopped()?;
    running.signal(rustix::process::Signal::CONT)?;
    let ended = running.wait()?.expect(4)?;
    let attested = ended.attestations()?;
    let first = attested.first().context("nothing was attested")?;
    ensure!(first["state"] == "Lost" && first["effective"] != "True", "{first:#}");
    Ok(())
}

/// Two real containers; what runc made of the other one stays.
fn a_runc_container_dies_whole(lab: &Lab) -> Result<()> {
    let one = id(lab, 1);
    let (victim, other) = (Runc::start(lab, lab.target(), &one)?, Runc::start(lab, lab.peer(), &id(lab, 2))?);
    ensure!(victim.lives()? && other.lives()?, "the containers do not run");
    let prefix = one.get(..12).context("an id is too short")?;
    let words = ["run", "kill", "--container-id", prefix, "--whole-container", "--arm"];
    let ended = lab.rumpus(&words).run()?.expect(0)?;
    let attested = ended.attestations()?;
    let first = attested.first().context("nothing was attested")?;
    ensure!(attested.len() == 1 && first["effective"] == "True", "{attested:#?}");
    ensure!(!victim.lives()?, "the container lives on");
    ensure!(other.lives()?, "the other container died");
    victim.delete()?;
    other.delete()
}

fn a_halted_host_kills_no_container(lab: &Lab) -> Result<()> {
    let container = Container::make(lab, &unified(lab), 1)?;
    let mut victim = Victim::start(lab, 'a', &[])?;
    container.take("", &victim)?;
    let words = ["run", "kill", "--container-id", &container.id, "--whole-container", "--arm"];
    super::restored::refused_while_halted(lab, || lab.rumpus(&words))?;
    ensure!(victim.lives()?, "a halted host killed a container");
    lab.rumpus(&words).run()?.expect(0)?;
    victim.died_of(Signal::SIGKILL, lab.patience())
}
