//! Where to look: exactly one kind of target, and never an empty selector.

use super::name;
use super::place::Place;
use crate::select::processes::User;
use crate::select::{Containers, NetNsNames, ProcessMatch, Processes, Selector};
use crate::wire::{self, NumberOrText};
use regex::{Regex, RegexBuilder};

/// Longest pattern, in characters.
const PATTERN: usize = 256;
/// Most memory that a compiled pattern may take.
const PATTERN_BYTES: usize = 1 << 20;
/// Longest name that the kernel keeps of a process (TASK_COMM_LEN without its end).
const COMM: usize = 15;
/// Longest path (PATH_MAX).
const PATH: usize = 4096;
/// Longest file name (NAME_MAX).
const FILE: usize = 255;
pub(super) const EMPTY: &str = "an empty selector selects nothing";

pub(super) fn check(written: Option<&wire::Targets>, all: bool, place: &Place<'_>) -> Option<Selector> {
    let cluster = place.in_cluster();
    let hint = if cluster { "write `pods`" } else { "write one of processes, containers, netns and host" };
    let Some(written) = written else { return place.missing(hint) };
    let wire::Targets { pods, processes: wanted, containers: boxes, units, netns: spaces, nodes, host } = written;
    let given = [
        pods.is_some(),
        wanted.is_some(),
        boxes.is_some(),
        units.is_some(),
        spaces.is_some(),
        nodes.is_some(),
        host.is_some(),
    ];
    let one = given.iter().filter(|g| **g).count() == 1;
    if !one {
        place.wrong("exactly one kind of target is meant here", hint);
    }
    let mut selector = None;
    for (name, here) in [("pods", pods.is_some()), ("units", units.is_some()), ("nodes", nodes.is_some())] {
        if here && !cluster {
            place.field(name).unbuilt("cannot be looked up on a host", hint);
            selector = Some(Selector::NotHere { kind: name.to_owned() });
        }
    }
    if cluster {
        return in_cluster(written, all, place).filter(|_| one);
    }
    if let Some(written) = wanted {
        selector = processes(written, &place.field("processes")).map(Selector::Processes);
    }
    if let Some(written) = boxes {
        selector = containers(written, &place.field("containers")).map(Selector::Containers);
    }
    if let Some(written) = spaces {
        selector = netns(written, &place.field("netns")).map(Selector::NetNs);
    }
    if host.is_some() {
        selector = Some(Selector::Host);
    }
    selector.filter(|_| one)
}

/// Faults on nodes themselves are not built: each kind is refused by name.
fn in_cluster(written: &wire::Targets, all: bool, place: &Place<'_>) -> Option<Selector> {
    let wire::Targets { pods, processes, containers, units, netns, nodes, host } = written;
    let mut selector = None;
    for (name, here) in [
        ("processes", processes.is_some()),
        ("containers", containers.is_some()),
        ("units", units.is_some()),
        ("netns", netns.is_some()),
        ("nodes", nodes.is_some()),
        ("host", host.is_some()),
    ] {
        if here {
            place.field(name).unbuilt("targets on nodes are not built", "write `pods`");
            selector = Some(Selector::NotHere { kind: name.to_owned() });
        }
    }
    match pods {
        None => selector,
        Some(written) => super::pods::check(written, all, &place.field("pods")).map(Selector::Pods),
    }
}

fn processes(written: &wire::Processes, place: &Place<'_>) -> Option<Processes> {
    let wire::Processes { name, exe, cmdline, user, exclude } = written;
    let include =
        wire::ProcessMatch { name: name.clone(), exe: exe.clone(), cmdline: cmdline.clone(), user: user.clone() };
    let exclude = match exclude {
        None => Some(None),
        Some(written) => {
            let place = place.field("exclude");
            matching(written, &place, "an empty selector excludes nothing").map(Some)
        }
    };
    let include = matching(&include, place, EMPTY)?;
    let everyone = include.cmdline.as_ref().is_some_and(|r| r.is_match(""));
    if everyone && include.name.is_none() && include.exe.is_none() && include.user.is_none() {
        let hint = "write a pattern that only the wanted command lines have";
        place.field("cmdline").wrong("this pattern is found in every command line, even an empty one", hint);
        return None;
    }
    Some(Processes { include, exclude: exclude? })
}

fn matching(written: &wire::ProcessMatch, place: &Place<'_>, empty: &str) -> Option<ProcessMatch> {
    if *written == wire::ProcessMatch::default() {
        place.wrong(empty, "write name, exe, cmdline or user");
        return None;
    }
    let name = each(written.name.as_ref(), |name| comm(name, &place.field("name")));
    let exe = each(written.exe.as_ref(), |exe| path(exe, &place.field("exe")));
    let cmdline = each(written.cmdline.as_ref(), |pattern| regex(pattern, &place.field("cmdline")));
    let user = each(written.user.as_ref(), |user| self::user(user, &place.field("user")));
    Some(ProcessMatch { name: name?, exe: exe?, cmdline: cmdline?, user: user? })
}

/// Checks what is given; outer `None`: a problem was noted.
fn each<W, T>(written: Option<&W>, check: impl FnOnce(&W) -> Option<T>) -> Option<Option<T>> {
    match written {
        None => Some(None),
        Some(written) => check(written).map(Some),
    }
}

fn comm(name: &str, place: &Place<'_>) -> Option<String> {
    if name.len() > COMM {
        let cut: String = name.char_indices().take_while(|(i, c)| i + c.len_utf8() <= COMM).map(|(_, c)| c).collect();
        let hint = format!("write `{cut}`, or use exe or cmdline");
        place.wrong("the kernel keeps 15 bytes of a process's name, so this matches nobody", hint);
        return None;
    }
    name::plain(name, COMM, place).then(|| name.to_owned())
}

fn path(exe: &str, place: &Place<'_>) -> Option<String> {
    if !exe.starts_with('/') {
        place.wrong(format!("`{exe}` is no absolute path"), "write it from `/` on, or use name");
        return None;
    }
    name::plain(exe, PATH, place).then(|| exe.to_owned())
}

fn regex(pattern: &str, place: &Place<'_>) -> Option<Regex> {
    if pattern.is_empty() {
        place.wrong("an empty pattern is found everywhere", "write a part of the command line");
        return None;
    }
    if pattern.chars().count() > PATTERN {
        place.wrong(format!("pattern too large: more than {PATTERN} characters"), "write a shorter one");
        return None;
    }
    match RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).build() {
        Ok(regex) => Some(regex),
        Err(regex::Error::CompiledTooBig(_)) => {
            place.wrong("pattern too large: compiled it takes more than 1 MiB", "write a simpler one");
            None
        }
        Err(error) => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or(&text);
            place.wrong(format!("is no regular expression: {}", last.trim_start_matches("error: ")), "");
            None
        }
    }
}

fn user(written: &NumberOrText, place: &Place<'_>) -> Option<User> {
    match written {
        // The highest number means "no user" (chown(2)).
        NumberOrText::Number(n) => match u32::try_from(*n) {
            Ok(id) if id < u32::MAX => return Some(User::Id(id)),
            Ok(_) | Err(_) => place.wrong(format!("{n} is no user number"), ""),
        },
        NumberOrText::Text(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
            place.wrong(format!("`{text}` is no user name"), "leave the quotes out to mean the number");
        }
        NumberOrText::Text(text) => return name::plain(text, FILE, place).then(|| User::Name(text.clone())),
    }
    None
}

fn containers(written: &wire::Containers, place: &Place<'_>) -> Option<Containers> {
    if written.ids.is_none() {
        place.wrong(EMPTY, "write `ids`, each the first 12 or more digits of a container's id");
        return None;
    }
    let ids = list(written.ids.as_ref(), &place.field("ids"), container);
    let exclude = list(written.exclude.as_ref(), &place.field("exclude"), container);
    Some(Containers { ids: ids?, exclude: exclude? })
}

fn container(id: &str, place: &Place<'_>) -> bool {
    let good = (12..=64).contains(&id.len()) && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !good {
        place.wrong(format!("`{id}` is no container id"), "write 12 to 64 of its hex digits, in lower case");
    }
    good
}

fn netns(written: &wire::targets::NetNs, place: &Place<'_>) -> Option<NetNsNames> {
    if written.names.is_none() {
        place.wrong(EMPTY, "write `names`, as under /run/netns");
        return None;
    }
    let mut names = list(written.names.as_ref(), &place.field("names"), space)?;
    names.dedup();
    Some(NetNsNames { names })
}

fn space(name: &str, place: &Place<'_>) -> bool {
    let good = !name.is_empty() && name.len() <= FILE && !matches!(name, "." | "..");
    let good = good && !name.contains('/') && !name.chars().any(char::is_control);
    if !good {
        place.wrong(format!("`{name}` is no name of a network namespace"), "write it as `ip netns` lists it");
    }
    good
}

pub(super) fn list(
    written: Option<&Vec<String>>,
    place: &Place<'_>,
    good: impl Fn(&str, &Place<'_>) -> bool,
) -> Option<Vec<String>> {
    let list = place.filled(written);
    let all: Vec<String> =
        list.iter().enumerate().filter(|(i, text)| good(text, &place.item(*i))).map(|(_, text)| text.clone()).collect();
    (all.len() == list.len() && (written.is_none() || !list.is_empty())).then_some(all)
}
