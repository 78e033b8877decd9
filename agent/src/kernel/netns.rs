//! Network namespaces: identify, find, enter.
//!
//! A namespace is entered by a thread of its own that ends there, so no thread ever has to find its way back. No
//! descriptor of a namespace may outlive one action: it would keep a deleted pod's namespace alive.

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::{fstat, stat};
use nix::sys::statfs::{FsType, fstatfs};
use rumpus_model::target::NetNsId;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where `ip netns` and container runtimes keep named namespaces.
pub const NAMED: &str = "/run/netns";
/// `NSFS_MAGIC`, include/uapi/linux/magic.h.
const NSFS: FsType = FsType(0x6e73_6673);
/// `PF_KTHREAD`, include/linux/sched.h.
const KERNEL_THREAD: u64 = 0x0020_0000;

#[derive(Debug, thiserror::Error)]
pub enum NetNsError {
    #[error("compare the namespace that was entered: expected {expected:?}, found {found:?}")]
    Changed { expected: NetNsId, found: NetNsId },
    #[error("read the network namespace's cookie")]
    Cookie(#[source] Errno),
    #[error("the thread in the network namespace died")]
    Died,
    #[error("enter the network namespace {}", path.display())]
    Enter { path: PathBuf, source: Errno },
    #[error("{} is not a kernel thread, so the host's network namespace is unknown", path.display())]
    NoKernelThread { path: PathBuf },
    #[error("{} is not a namespace", path.display())]
    NotNamespace { path: PathBuf },
    #[error("open the network namespace {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("start a thread")]
    Thread(#[source] io::Error),
}

/// An open network namespace. Keeps it alive: drop it when the action is over.
#[derive(Debug)]
pub struct NetNs {
    file: File,
    path: PathBuf,
    id: NetNsId,
}

/// All network namespaces of the machine that can be seen from here.
#[derive(Debug, Default)]
pub struct Census {
    /// Each once, with one path to it.
    pub found: Vec<(NetNsId, PathBuf)>,
    /// What is there and may not be looked into.
    pub unreadable: Vec<(PathBuf, NetNsError)>,
}

impl NetNs {
    /// Opens a namespace by its nsfs file.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, NetNsError> {
        let path = path.into();
        let mut options = OpenOptions::new();
        // A FIFO among the names must not block.
        let opened = options.read(true).custom_flags(nix::libc::O_NONBLOCK).open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(source) => return Err(NetNsError::Open { path, source }),
        };
        let kind = fstatfs(&file).map_err(|e| NetNsError::Open { path: path.clone(), source: e.into() })?;
        if kind.filesystem_type() != NSFS {
            return Err(NetNsError::NotNamespace { path });
        }
        let found = fstat(&file).map_err(|e| NetNsError::Open { path: path.clone(), source: e.into() })?;
        let id = NetNsId { dev: found.st_dev, ino: found.st_ino, cookie: None };
        let mut opened = Self { file, path, id };
        opened.id.cookie = opened.enter(cookie)??;
        Ok(opened)
    }

    /// Opens the network namespace of a process.
    pub fn of_pid(pid: u32) -> Result<Self, NetNsError> {
        Self::open(format!("/proc/{pid}/ns/net"))
    }

    /// Lends the namespace to a child that enters it by itself.
    pub fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.file)
    }

    pub fn id(&self) -> NetNsId {
        self.id
    }

    /// Returns whether this is the namespace `id`; an unknown cookie does not count against it.
    pub fn same_as(&self, id: &NetNsId) -> bool {
        self.id.same(id)
    }

    /// Runs `act` inside the namespace, on a thread of its own that ends with it.
    pub fn enter<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T, NetNsError> {
        on_own_thread(|| {
            let entered = setns(&self.file, CloneFlags::CLONE_NEWNET);
            entered.map_err(|source| NetNsError::Enter { path: self.path.clone(), source })?;
            let found = current()?;
            if !self.id.same(&found) {
                return Err(NetNsError::Changed { expected: self.id, found });
            }
            Ok(act())
        })?
    }
}

/// Runs `act` in a new network namespace that ends with it.
pub fn scratch<T: Send>(act: impl FnOnce() -> T + Send) -> Result<T, NetNsError> {
    on_own_thread(|| {
        let made = nix::sched::unshare(CloneFlags::CLONE_NEWNET);
        made.map_err(|source| NetNsError::Enter { path: PathBuf::from("(new)"), source })?;
        Ok(act())
    })?
}

/// Returns the host's network namespace: that of PID 1 in our view, where unreadable that of a kernel thread.
pub fn host() -> Result<NetNsId, NetNsError> {
    host_from(Path::new("/proc")).map(|netns| netns.id)
}

/// As [`host`], open.
pub fn open_host() -> Result<NetNs, NetNsError> {
    host_from(Path::new("/proc"))
}

fn host_from(proc: &Path) -> Result<NetNs, NetNsError> {
    if let Ok(netns) = NetNs::open(proc.join("1/ns/net")) {
        return Ok(netns);
    }
    let path = proc.join("2/stat");
    let stat = fs::read_to_string(&path).map_err(|source| NetNsError::Read { path: path.clone(), source })?;
    // Field 9 of proc_pid_stat(5); field 2 ends with the last parenthesis.
    let flags = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(6)?.parse::<u64>().ok());
    if flags.unwrap_or(0) & KERNEL_THREAD == 0 {
        return Err(NetNsError::NoKernelThread { path });
    }
    NetNs::open(proc.join("2/ns/net"))
}

/// Returns the named network namespaces in `directory` (see [`NAMED`]); a missing directory has none.
pub fn named(directory: &Path) -> Result<Vec<(String, NetNsId)>, NetNsError> {
    let mut all = Vec::new();
    for path in children(directory)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match NetNs::open(path) {
            Ok(netns) => all.push((name, netns.id)),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
    all.sort();
    Ok(all)
}

/// Returns each network namespace of the machine: the named ones and those of all processes.
pub fn all() -> Result<Census, NetNsError> {
    let mut paths = children(Path::new(NAMED))?;
    let processes = children(Path::new("/proc"))?;
    let is_number = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()))
    };
    paths.extend(processes.into_iter().filter(is_number).map(|path| path.join("ns/net")));
    let (mut seen, mut census) = (BTreeMap::new(), Census::default());
    for path in paths {
        // Most processes share a few namespaces: look before entering.
        if let Ok(found) = stat(&path)
            && seen.contains_key(&(found.st_dev, found.st_ino))
        {
            continue;
        }
        match NetNs::open(path.clone()) {
            Ok(netns) => drop(seen.insert((netns.id.dev, netns.id.ino), (netns.id, path))),
            Err(error) if is_absent(&error) => {}
            Err(error) => census.unreadable.push((path, error)),
        }
    }
    census.found = seen.into_values().collect();
    Ok(census)
}

/// Returns the identity of the namespace that the calling thread is in.
pub fn current() -> Result<NetNsId, NetNsError> {
    let path = Path::new("/proc/thread-self/ns/net");
    let found = stat(path).map_err(|e| NetNsError::Read { path: path.into(), source: e.into() })?;
    Ok(NetNsId { dev: found.st_dev, ino: found.st_ino, cookie: cookie()? })
}

/// Vanished meanwhile, or something else than a network namespace.
pub fn is_absent(error: &NetNsError) -> bool {
    match error {
        NetNsError::Open { source, .. } => {
            matches!(source.raw_os_error(), Some(nix::libc::ENOENT | nix::libc::ESRCH | nix::libc::ENXIO))
        }
        NetNsError::Enter { source, .. } => *source == Errno::EINVAL,
        NetNsError::NotNamespace { .. } => true,
        NetNsError::Changed { .. }
        | NetNsError::Cookie(_)
        | NetNsError::Died
        | NetNsError::NoKernelThread { .. }
        | NetNsError::Read { .. }
        | NetNsError::Thread(_) => false,
    }
}

fn children(directory: &Path) -> Result<Vec<PathBuf>, NetNsError> {
    let failed = |source| NetNsError::Read { path: directory.into(), source };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

/// Runs `act` on a new thread and waits for it.
fn on_own_thread<T: Send>(act: impl FnOnce() -> T + Send) -> Result<T, NetNsError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("rumpus-netns".into()).spawn_scoped(scope, act);
        thread.map_err(NetNsError::Thread)?.join().map_err(|_panicked| NetNsError::Died)
    })
}

/// Returns `SO_NETNS_COOKIE` of the calling thread's namespace, none before Linux 5.14.
#[expect(unsafe_code, reason = "neither nix nor rustix has SO_NETNS_COOKIE")]
fn cookie() -> Result<Option<u64>, NetNsError> {
    let socket = std::net::UdpSocket::from(any_socket()?);
    let (mut value, mut length) = (0_u64, 8 as nix::libc::socklen_t);
    // SAFETY: `value` and `length` outlive the call, and `length` is the size of `value`.
    let result = unsafe {
        nix::libc::getsockopt(
            socket.as_raw_fd(),
            nix::libc::SOL_SOCKET,
            nix::libc::SO_NETNS_COOKIE,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    match Errno::result(result) {
        Ok(_) => Ok(Some(value)),
        Err(Errno::ENOPROTOOPT) => Ok(None),
        Err(e) => Err(NetNsError::Cookie(e)),
    }
}

/// A datagram socket that needs no address.
fn any_socket() -> Result<std::os::fd::OwnedFd, NetNsError> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).map_err(NetNsError::Cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_namespace_differs_from_ours_and_the_thread_returns_to_none() {
        let ours = current().unwrap();
        let theirs = scratch(current).unwrap().unwrap();
        assert_ne!((ours.dev, ours.ino), (theirs.dev, theirs.ino));
        assert_ne!(ours.cookie, theirs.cookie);
        assert_eq!(current().unwrap(), ours);
    }

    #[test]
    fn a_namespace_of_another_cookie_is_not_the_same() {
        let netns = NetNs::open("/proc/self/ns/net").unwrap();
        assert!(netns.same_as(&current().unwrap()));
        assert!(!netns.same_as(&NetNsId { cookie: Some(u64::MAX), ..netns.id() }));
        assert!(netns.same_as(&NetNsId { cookie: None, ..netns.id() }));
    }

    #[test]
    fn a_file_that_is_no_namespace_is_refused() {
        assert!(matches!(NetNs::open("/proc/self/stat"), Err(NetNsError::NotNamespace { .. })));
        let other_kind = NetNs::open("/proc/self/ns/mnt");
        assert!(matches!(other_kind, Err(NetNsError::Enter { source: Errno::EINVAL, .. })));
    }

    #[test]
    fn a_process_that_is_no_kernel_thread_does_not_tell_the_host() {
        let proc = tempfile::tempdir().unwrap();
        std::fs::create_dir(proc.path().join("2")).unwrap();
        let stat = "2 (odd) name) S 1 2 2 0 -1 4194304 0 0";
        std::fs::write(proc.path().join("2/stat"), stat).unwrap();
        assert!(matches!(host_from(proc.path()), Err(NetNsError::NoKernelThread { .. })));
        std::fs::write(proc.path().join("2/stat"), stat.replace("4194304", "2129984")).unwrap();
        assert!(matches!(host_from(proc.path()), Err(NetNsError::Open { .. })));
    }

    #[test]
    fn every_namespace_is_found_once() {
        let census = all().unwrap();
        let ours = current().unwrap();
        assert_eq!(census.found.iter().filter(|(id, _)| *id == ours).count(), 1);
    }
}
