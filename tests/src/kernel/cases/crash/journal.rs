//! A journal that is damaged, of another version, on a full disk or a read-only one: nothing new begins, and what runs
//! ends and is put back.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rumpus_agent::core::Record;
use rumpus_agent::journal;
use rustix::process::Signal;

use super::child::{accepted, cleaned, dead, expect_killed, works};
use super::steps::records;
use crate::kernel::command::Order;
use crate::kernel::lab::Lab;

/// A way to damage the bytes of a journal that holds one intent at its beginning.
type Damage = fn(&Path) -> Result<()>;

/// Damage refuses new runs, keeps the file, sweeps what was left, and is cleared by `residue --clean`.
pub(super) fn damaged(lab: &Lab) -> Result<()> {
    let before = lab.snapshot()?;
    let kinds: [(&str, Damage); 3] = [
        ("truncated", |path| OpenOptions::new().write(true).open(path)?.set_len(200).context("truncate")),
        ("a bit flipped", |path| overwrite(path, 40, |byte| byte ^ 0x10)),
        ("of an unknown version", |path| overwrite(path, 4, |byte| byte + 1)),
    ];
    for (kind, damage) in kinds {
        one_damage(lab, damage).with_context(|| kind.to_owned())?;
        lab.expect_unchanged(&before)?;
    }
    Ok(())
}

fn one_damage(lab: &Lab, damage: Damage) -> Result<()> {
    let dying = partition(lab, 30).in_effect(1)?;
    dying.signal(Signal::KILL)?;
    dead(lab, &dying)?;
    expect_killed(&dying.wait()?)?;
    damage(&lab.state_dir().join(journal::FILE))?;
    let kept = kept(lab)?;
    let refused = partition(lab, 1).run()?.expect(3)?;
    ensure!(refused.err.contains("swept:"), "the fault was not found without its record:\n{}", refused.err);
    let now = self::kept(lab)?;
    ensure!(now == kept + 1, "{} damaged files are kept, not {}", now, kept + 1);
    // It stays refused: a new journal beside the damaged one is no cure.
    partition(lab, 1).run()?.expect(3)?;
    cleaned(lab.rumpus(&["residue", "--clean"]))?;
    works(partition(lab, 1)).context("after `residue --clean`")?;
    Ok(())
}

/// A record that was cut off in its writing is normal: it never counted.
pub(super) fn torn(lab: &Lab) -> Result<()> {
    let before = lab.snapshot()?;
    let dying = partition(lab, 30).in_effect(1)?;
    dying.signal(Signal::KILL)?;
    dead(lab, &dying)?;
    expect_killed(&dying.wait()?)?;
    let path = lab.state_dir().join(journal::FILE);
    let bytes = fs::read(&path).context("read the journal")?;
    let whole = journal::recover::<Record>(&bytes);
    let frame = journal::encode(&Record::Applied { id: "00000000".into() }).context("encode a record")?;
    let file = OpenOptions::new().write(true).open(&path).context("open the journal")?;
    let torn = frame.get(..frame.len() / 2).context("half a frame")?;
    file.write_all_at(torn, u64::try_from(whole.end).context("an offset")?).context("write half a frame")?;
    let next = works(partition(lab, 1))?;
    ensure!(next.err.contains("swept:"), "the fault before the torn record was not found:\n{}", next.err);
    ensure!(kept(lab)? == 0, "a torn end is no damage");
    lab.expect_unchanged(&before)
}

/// On a full disk nothing new begins where the journal cannot be made; a fault that runs ends, is put back, and its
/// end is written into the room that was kept for it.
pub(super) fn full_disk(lab: &Lab) -> Result<()> {
    let before = lab.snapshot()?;
    let path = lab.state_dir().join("disk");
    apart(|| {
        disk(&path)?;
        fill(&path)?;
        let refused = partition(lab, 1).state_dir(&path).run()?.expect(3)?;
        ensure!(!refused.err.contains("in effect"), "it began all the same:\n{}", refused.err);
        fs::remove_file(path.join("filler")).context("free the disk")?;
        let running = partition(lab, 2).state_dir(&path).in_effect(1)?;
        fill(&path)?;
        let code = running.wait()?.code();
        ensure!(matches!(code, Some(0 | 4)), "a fault on a full disk ended with {code:?}");
        let bytes = fs::read(path.join(journal::FILE)).context("read the journal")?;
        let last = journal::recover::<Record>(&bytes).records.pop();
        ensure!(matches!(last, Some(Record::Ended { .. })), "the end was not written: {last:?}");
        // Still full: a halt must be heard and obeyed.
        let running = partition(lab, 30).state_dir(&path).start()?;
        accepted(lab, &running)?;
        // It may have refused by itself.
        drop(running.signal(Signal::TERM));
        let code = running.wait()?.code();
        ensure!(matches!(code, Some(3 | 6)), "a run on a full disk ended with {code:?}");
        Ok(())
    })?;
    lab.expect_unchanged(&before)
}

/// On a read-only disk nothing new begins, whether there was a journal or not, and `halt` still ends what a dead agent
/// left.
pub(super) fn read_only(lab: &Lab) -> Result<()> {
    let before = lab.snapshot()?;
    let path = lab.state_dir().join("disk");
    apart(|| {
        disk(&path)?;
        read_only_again(&path, true)?;
        partition(lab, 1).state_dir(&path).run()?.expect(3)?;
        read_only_again(&path, false)?;
        let dying = partition(lab, 30).state_dir(&path).in_effect(1)?;
        dying.signal(Signal::KILL)?;
        dead(lab, &dying)?;
        expect_killed(&dying.wait()?)?;
        read_only_again(&path, true)?;
        partition(lab, 1).state_dir(&path).run()?.expect(3)?;
        // It cannot be written down, which is said by the exit code; but it ends.
        let halt = lab.rumpus(&["halt"]).state_dir(&path).run()?.expect(5)?;
        ensure!(halt.report()?["left"].as_array().is_some_and(Vec::is_empty), "something is left:\n{}", halt.out);
        Ok(())
    })?;
    lab.expect_unchanged(&before)
}

/// The journal shows nothing open after a run that ended in order.
pub(super) fn nothing_open(lab: &Lab) -> Result<()> {
    works(partition(lab, 1))?;
    let found = records(lab)?;
    let open = rumpus_agent::local::live(found.records);
    ensure!(open.is_empty() && found.damage.is_none(), "open: {open:?}, damage: {:?}", found.damage);
    Ok(())
}

fn partition(lab: &Lab, seconds: u64) -> Order {
    lab.fault("partition", &["--direction", "Both", "--for", &format!("{seconds}s")])
}

fn overwrite(path: &Path, at: u64, change: fn(u8) -> u8) -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path).context("open the journal")?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).context("read a byte of the journal")?;
    file.write_all_at(&byte.map(change), at).context("write a byte of the journal")
}

/// Counts the damaged journals that were kept.
fn kept(lab: &Lab) -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(lab.state_dir()).context("list the state directory")? {
        let name = entry.context("list the state directory")?.file_name();
        count += usize::from(name.to_string_lossy().contains(".bad-"));
    }
    Ok(count)
}

/// Does something in a mount namespace of its own, so that no mount outlives the case.
fn apart(what: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    thread::scope(|scope| {
        let apart = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS).context("make a mount namespace")?;
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).context("keep mounts to ourselves")?;
            what()
        });
        apart.join().map_err(|_panic| anyhow!("a thread with mounts of its own panicked"))?
    })
}

/// Mounts a disk with room for one journal and its replacement.
fn disk(path: &Path) -> Result<()> {
    fs::create_dir(path).context("make a mount point")?;
    mount(Some("none"), path, Some("tmpfs"), MsFlags::empty(), Some("size=3m,mode=0700")).context("mount a small disk")
}

fn read_only_again(path: &Path, read_only: bool) -> Result<()> {
    let flags = if read_only { MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY } else { MsFlags::MS_REMOUNT };
    mount(Some("none"), path, None::<&str>, flags, None::<&str>).context("mount again")
}

/// Writes until nothing more fits.
fn fill(path: &Path) -> Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path.join("filler"))?;
    let mut at = 0;
    while let Ok(count @ 1..) = file.write_at(&[0x55; 4096], at) {
        at += u64::try_from(count).context("a count")?;
    }
    ensure!(at > 0, "the disk was full before");
    Ok(())
}
