//! Turns the text of files under /proc/PID into values.
//!
//! Pure: it must never read a file, and never trust a process's name: `comm`
//! may hold any byte, brackets and newlines included.

/// Longest command line kept, in bytes; the rest is cut off.
pub const CMDLINE_CAP: usize = 4096;

/// `PF_KTHREAD` in the flags of /proc/PID/stat:
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/sched.h> (`PF_KTHREAD`).
const PF_KTHREAD: u64 = 0x0020_0000;

/// What the kernel says that a thread group leader is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessState {
    /// `R`
    Running,
    /// `S`
    Sleeping,
    /// `D`
    DiskSleep,
    /// `T`
    Stopped,
    /// `t`
    Traced,
    /// `Z`: exited and not yet waited for, or a leader whose threads live on.
    Zombie,
    /// `X`
    Dead,
    /// `I`: an idle kernel thread.
    Idle,
    /// A letter that this program does not know.
    Other(char),
}

impl ProcessState {
    fn from_letter(letter: char) -> Self {
        match letter {
            'R' => Self::Running,
            'S' => Self::Sleeping,
            'D' => Self::DiskSleep,
            'T' => Self::Stopped,
            't' => Self::Traced,
            'Z' => Self::Zombie,
            'X' => Self::Dead,
            'I' => Self::Idle,
            other => Self::Other(other),
        }
    }
}

/// The fields of /proc/PID/stat that are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Process id, field 1.
    pub pid: u32,
    /// Name, field 2 without its brackets.
    pub comm: String,
    /// State of the leader, field 3.
    pub state: ProcessState,
    /// Parent's id, field 4; 0 for PID 1 and for a parent outside the PID view.
    pub ppid: u32,
    /// Whether it is a kernel thread, from field 9.
    pub kernel_thread: bool,
    /// Threads alive or not yet reaped, field 20.
    pub threads: u32,
    /// Start time in clock ticks since boot, field 22.
    pub start: u64,
}

/// Returns the fields of a stat file, or nothing when it is not one.
///
/// The name ends at the *last* `)`: no later field can hold one.
#[must_use]
pub fn parse_stat(text: &str) -> Option<Stat> {
    let open = text.find('(')?;
    let close = text.rfind(')')?;
    let comm = text.get(open + 1..close)?;
    let fields: Vec<&str> = text.get(close + 1..)?.split_ascii_whitespace().collect();
    // `fields[0]` is field 3 of proc(5).
    let field = |number: usize| fields.get(number - 3).copied();
    let flags: u64 = field(9)?.parse().ok()?;
    Some(Stat {
        pid: text.get(..open)?.trim().parse().ok()?,
        comm: comm.to_owned(),
        state: ProcessState::from_letter(field(3)?.chars().next()?),
        ppid: field(4)?.parse().ok()?,
        kernel_thread: flags & PF_KTHREAD != 0,
        threads: field(20)?.parse().ok()?,
        start: field(22)?.parse().ok()?,
    })
}

/// The fields of /proc/PID/status that are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Effective user id.
    pub uid: u32,
    /// Whether it is PID 1 of its own PID namespace.
    pub init_of_pid_namespace: bool,
    /// Signals with a handler; bit `n - 1` is signal `n`.
    pub caught: u64,
    /// Signals that are ignored; bit `n - 1` is signal `n`.
    pub ignored: u64,
}

/// Returns the fields of a status file, or nothing when one is missing.
///
/// The kernel escapes newlines in the `Name` line, so a line start is genuine.
#[must_use]
pub fn parse_status(text: &str) -> Option<Status> {
    let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim);
    let mask = |key: &str| u64::from_str_radix(line(key)?, 16).ok();
    let innermost: u32 = line("NSpid")?.split_ascii_whitespace().last()?.parse().ok()?;
    Some(Status {
        uid: line("Uid")?.split_ascii_whitespace().nth(1)?.parse().ok()?,
        init_of_pid_namespace: innermost == 1,
        caught: mask("SigCgt")?,
        ignored: mask("SigIgn")?,
    })
}

/// Returns a command line with spaces for NULs, at most [`CMDLINE_CAP`] bytes of it.
#[must_use]
pub fn parse_cmdline(bytes: &[u8]) -> String {
    let kept = bytes.get(..CMDLINE_CAP).unwrap_or(bytes);
    let end = kept.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let spaced: Vec<u8> = kept.iter().take(end).map(|byte| if *byte == 0 { b' ' } else { *byte }).collect();
    String::from_utf8_lossy(&spaced).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: &str = "S 7 42 42 0 -1 4194560 0 0 0 0 1 2 3 4 20 0 5 0 98765 1 2 3";

    #[test]
    fn a_hostile_name_changes_no_field() {
        for comm in ["a) R 1 (b", "(", ")", "", " ", "x\n) Z 1", "1 (a) R 2", "((()))"] {
            let stat = parse_stat(&format!("42 ({comm}) {TAIL}\n")).unwrap();
            assert_eq!(stat.comm, comm);
            assert_eq!((stat.pid, stat.ppid, stat.start, stat.threads), (42, 7, 98765, 5));
            assert_eq!(stat.state, ProcessState::Sleeping);
            assert!(!stat.kernel_thread);
        }
    }

    #[test]
    fn a_cut_stat_is_refused_at_each_length() {
        let text = format!("42 (a) {TAIL}");
        let needed = text.find(" 98765").unwrap() + 2;
        for cut in 0..needed {
            assert_eq!(parse_stat(&text[..cut]), None, "{}", &text[..cut]);
        }
    }

    #[test]
    fn a_kernel_thread_is_known_by_its_flag_not_by_its_parent() {
        let kernel = TAIL.replace("4194560", "2129984");
        assert!(parse_stat(&format!("9 (kworker/0:0) {kernel}")).unwrap().kernel_thread);
        let child_of_kthreadd = TAIL.replace("S 7", "S 2");
        assert!(!parse_stat(&format!("9 (x) {child_of_kthreadd}")).unwrap().kernel_thread);
    }

    #[test]
    fn every_state_letter_has_a_meaning() {
        for letter in "RSDTtZXI".chars() {
            assert_ne!(ProcessState::from_letter(letter), ProcessState::Other(letter));
        }
        assert_eq!(ProcessState::from_letter('q'), ProcessState::Other('q'));
    }

    #[test]
    fn status_gives_effective_uid_and_the_innermost_pid() {
        let text = "Name:\tx\\nUid:\t0\nUid:\t1000\t33\t1000\t1000\nNSpid:\t400\t1\n\
                    SigIgn:\t0000000000001000\nSigCgt:\t0000000000004a02\n";
        let status = parse_status(text).unwrap();
        assert_eq!(status.uid, 33);
        assert!(status.init_of_pid_namespace);
        assert_eq!((status.caught, status.ignored), (0x4a02, 0x1000));
        let outer = parse_status(&text.replace("400\t1", "1\t7")).unwrap();
        assert!(!outer.init_of_pid_namespace);
        assert_eq!(parse_status(&text.replace("SigCgt", "SigXXX")), None);
    }

    #[test]
    fn a_command_line_is_spaced_trimmed_and_capped() {
        assert_eq!(parse_cmdline(b"sleep\x00600\x00"), "sleep 600");
        assert_eq!(parse_cmdline(b"a\0\0b\0\0\0"), "a  b");
        assert_eq!(parse_cmdline(b""), "");
        assert_eq!(parse_cmdline(&[0; 9]), "");
        assert_eq!(parse_cmdline(&[b'x'; 9000]).len(), CMDLINE_CAP);
        assert_eq!(parse_cmdline(b"\xff\0a"), "\u{fffd} a");
    }
}
