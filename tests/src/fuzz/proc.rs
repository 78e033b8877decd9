//! The kernel's text: files of /proc and of control groups. The first byte says which file the rest is.
//!
//! A tenant chooses the names in it, of processes and of groups: each is also put into a file that is otherwise sound,
//! where it must change nothing but itself.

use super::draw::Draw;
use rumpus_agent::kernel::cgroup::{
    CgroupPaths, Hierarchies, Hierarchy, Mount, container_of, names_container, parse_populated, parse_procs,
};
use rumpus_agent::kernel::proc::{CMDLINE_CAP, parse_cmdline, parse_stat, parse_status};
use rumpus_agent::observe::lockout::sockets;
use std::path::{Component, Path};

/// Reads one file.
pub fn proc(data: &[u8]) {
    let mut draw = Draw::new(data);
    let kind = draw.below(8);
    let bytes = draw.rest();
    // As the readers do it.
    let text = String::from_utf8_lossy(bytes);
    match kind {
        0 => stat(&text),
        1 => status(&text),
        2 => cmdline(bytes),
        3 => cgroup(&text),
        4 => group(&text),
        5 => mounts(&text),
        6 => members(&text),
        _ => connections(&text),
    }
}

fn stat(text: &str) {
    if let Some(stat) = parse_stat(text) {
        assert!(
            text.contains(&format!("({})", stat.comm))
                && text.trim_start().starts_with(|c: char| c == '+' || c.is_ascii_digit())
        );
        let after = text.rsplit(')').next().unwrap_or_default();
        let number = |at: usize| after.split_ascii_whitespace().nth(at - 3).and_then(|f| f.parse::<u64>().ok());
        assert_eq!((Some(stat.ppid.into()), Some(stat.threads.into())), (number(4), number(20)));
        assert_eq!((Some(stat.start), stat.kernel_thread), (number(22), number(9).is_some_and(|f| f >> 21 & 1 == 1)));
    }
    // A process may name itself anything.
    let named = parse_stat(&format!("42 ({text}) S 7 42 42 0 -1 4194560 0 0 0 0 1 2 3 4 20 0 5 0 98765 1 2 3\n"));
    let read = named.map(|s| (s.pid, s.comm, s.ppid, s.threads, s.start, s.kernel_thread));
    assert_eq!(read, Some((42, text.to_owned(), 7, 5, 98765, false)));
}

fn status(text: &str) {
    if let Some(status) = parse_status(text) {
        let uids = text.lines().find(|l| l.starts_with("Uid:")).unwrap_or_default();
        assert!(uids.split_ascii_whitespace().any(|u| u.parse() == Ok(status.uid)), "{}", status.uid);
    }
    // The kernel escapes the line feeds of a name.
    let name = text.replace('\\', "\\\\").replace('\n', "\\n");
    let rest = "Umask:\t0022\nState:\tS\nUid:\t1000\t33\t1000\t1000\nNSpid:\t400\t1\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000004a02\n";
    let read = parse_status(&format!("Name:\t{name}\n{rest}"));
    let read = read.map(|s| (s.uid, s.init_of_pid_namespace, s.caught, s.ignored));
    assert_eq!(read, Some((33, true, 0x4a02, 0x1000)), "{name:?}");
}

fn cmdline(bytes: &[u8]) {
    let shown = parse_cmdline(bytes);
    assert!(!shown.contains('\0') && shown.chars().count() <= CMDLINE_CAP);
    let kept = bytes.get(..CMDLINE_CAP).unwrap_or(bytes);
    let words = String::from_utf8_lossy(kept).trim_end_matches('\0').replace('\0', " ");
    assert_eq!(shown, words);
}

fn cgroup(text: &str) {
    let Some(paths) = CgroupPaths::parse(text) else { return };
    assert_eq!(paths.lines().len(), text.lines().count());
    assert!(paths.identity().starts_with('/') && paths.lines().iter().all(|line| line.path.starts_with('/')));
    let Ok(found) = container_of(&paths) else { return };
    assert!(!paths.lines().iter().any(|line| line.path.split('/').any(|part| part == "..")), "{text:?}");
    let Some(found) = found else { return };
    let hex = |text: &str, len| text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    assert!(hex(&found.id, 64), "{found:?}");
    let whole = paths.path_in(&found.hierarchy).unwrap_or_default();
    let below = whole.strip_prefix(&found.path);
    assert!(below.is_some_and(|b| b.is_empty() || b.starts_with('/')) && !whole.ends_with(" (deleted)"), "{found:?}");
    let own = found.path.rsplit('/').next().unwrap_or_default();
    assert!(names_container(own, &found.id), "{found:?}");
    if let Some(uid) = &found.pod_uid {
        let digits = uid.replace('-', "");
        assert!(hex(&digits, 32) && (uid.len() == 32 || uid.len() == 36), "{found:?}");
        // The kernel's path names this pod, with dashes or, by systemd, with underscores.
        assert!(found.path.contains(uid) || found.path.contains(&uid.replace('-', "_")), "{found:?}");
    }
    // What is below a container's own group is its tenant's and changes nothing, unless it looks like a container.
    let deeper = CgroupPaths::parse(&format!("0::{}/init.scope", found.path)).map(|p| container_of(&p));
    let same =
        deeper.and_then(Result::ok).flatten().is_some_and(|d| (&d.id, &d.pod_uid) == (&found.id, &found.pod_uid));
    assert!(same, "{found:?}");
}

/// A name of a group, below a container and beside it.
fn group(name: &str) {
    // What the kernel never lets anybody make.
    if name.is_empty() || name.len() > 255 || name.contains(['/', '\n', '\0', '\r']) {
        return;
    }
    let id = "0123456789abcdef".repeat(4);
    let pod = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
    let path = format!("/kubepods/burstable/pod{pod}/{id}");
    let found = |path: &str| CgroupPaths::parse(&format!("0::{path}\n")).and_then(|p| container_of(&p).ok()).flatten();
    let below = found(&format!("{path}/{name}"));
    if name == ".." || name.ends_with(" (deleted)") {
        assert_eq!(below, None);
    } else {
        let below = below.map(|b| (b.id, b.path, b.ours));
        // One component is no container of another pod: that takes two.
        let joined = name.contains(':') && below.as_ref().is_some_and(|b| b.1.ends_with(name));
        assert!(joined || below == Some((id, path, name.starts_with("rumpus-"))), "{name:?}: {below:?}");
    }
}

/// Asserts that a mount shows nothing but what is below its point.
fn within(mount: &Mount, path: &str) {
    let Some(dir) = mount.dir_of(path) else { return };
    let climbs = |path: &Path| path.components().any(|part| part == Component::ParentDir);
    assert!(dir.starts_with(&mount.point), "{mount:?} shows {path:?} as {dir:?}");
    assert!(climbs(&mount.point) || !climbs(&dir), "{mount:?} shows {path:?} as {dir:?}");
}

/// A mount table, and behind an empty line the path of a group.
fn mounts(text: &str) {
    let (table, path) = text.split_once("\n\n").unwrap_or((text, "/a/b"));
    for pure in [false, true] {
        let Ok(found) = Hierarchies::of(table, pure) else { continue };
        let names = table.split([' ', ',']).map(|name| Hierarchy::V1(name.to_owned()));
        for hierarchy in names.chain([Hierarchy::Unified]) {
            if let Some(mount) = found.mount(&hierarchy) {
                within(mount, path);
                assert_eq!(found.dir_of(&hierarchy, path), mount.dir_of(path));
                if !mount.root.split('/').any(|part| part == "..") {
                    assert_eq!(
                        mount.dir_of(&mount.root).map(|d| d.components().eq(mount.point.components())),
                        Some(true)
                    );
                }
            }
        }
    }
}

fn members(text: &str) {
    let mut pids = Vec::new();
    if parse_procs(text, &mut pids).is_ok() {
        assert!(pids.len() == text.lines().count() && !pids.contains(&0));
        let mut again = Vec::new();
        let written: String = pids.iter().map(|pid| format!("{pid}\n")).collect();
        assert!(parse_procs(&written, &mut again).is_ok() && again == pids);
    }
    if let Some(populated) = parse_populated(text) {
        assert!(text.contains(if populated { "populated 1" } else { "populated 0" }));
    }
}

fn connections(text: &str) {
    for line in text.lines() {
        if let Some(socket) = sockets::parse(line) {
            let digits = |at: usize| line.split_ascii_whitespace().nth(at).and_then(|a| a.split_once(':'));
            let port = |at| digits(at).and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
            assert_eq!((Some(socket.local.port()), Some(socket.peer.port())), (port(1), port(2)));
            assert_eq!(sockets::inode(&format!("socket:[{}]", socket.inode)), Some(socket.inode));
        }
        if let Some(inode) = sockets::inode(line) {
            assert!(line.contains(inode.to_string().trim_start_matches('0')));
        }
    }
}
