//! Looks a name up as a target would: with its own hosts file, its own resolvers, from its own network.
//!
//! It must never answer with a part: if one address family could not be asked, the name is not known.

mod config;
mod query;

use crate::kernel::netns::NetNs;
use crate::resolve::chain;
use config::Config;
use query::Answer;
use rumpus_model::target::Via;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Longest hosts file or resolv.conf that is read, in bytes.
const LONGEST_FILE: u64 = 4 << 20;
/// What `ip netns exec` puts over /etc: one directory for each name.
const OVERLAYS: &str = "/etc/netns";

/// Returns the addresses of `name` as a process in `netns` that is reached by `via` would get them, sorted.
///
/// # Errors
/// Which server said what, or which file could not be read.
pub fn lookup(netns: &NetNs, via: &Via, name: &str) -> Result<Vec<IpAddr>, String> {
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    let hosts = view(via, "hosts")?;
    let listed = config::hosts(&hosts, name);
    if !listed.is_empty() {
        return Ok(listed);
    }
    let config = Config::parse(&view(via, "resolv.conf")?)?;
    netns.enter(|| ask(&config, name)).map_err(|e| chain(&e))?
}

fn ask(config: &Config, name: &str) -> Result<Vec<IpAddr>, String> {
    let mut said = Vec::new();
    for candidate in config.candidates(name) {
        let mut found = Vec::new();
        for kind in [query::Kind::A, query::Kind::Aaaa] {
            match query::ask(&config.servers, &candidate, kind)? {
                Answer::Addresses(addresses) => found.extend(addresses),
                Answer::None { server, why } => said.push(format!("{server} says of {candidate}: {why}")),
            }
        }
        if !found.is_empty() {
            found.sort_unstable();
            found.dedup();
            return Ok(found);
        }
    }
    said.dedup();
    Err(said.join("; "))
}

/// Reads a file of /etc as the target sees it; one that is not there is empty.
fn view(via: &Via, file: &str) -> Result<String, String> {
    match via {
        Via::Host => read(Path::new("/etc"), file),
        Via::Name(name) => {
            let overlay = Path::new(OVERLAYS).join(name);
            if overlay.join(file).exists() { read(&overlay, file) } else { read(Path::new("/etc"), file) }
        }
        Via::Process(id) => read_in_root(&PathBuf::from(format!("/proc/{}/root", id.pid)), file),
    }
}

fn read(directory: &Path, file: &str) -> Result<String, String> {
    let path = directory.join(file);
    let opened = openat(CWD, &path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty());
    contents(opened.map(File::from), &path)
}

/// Links inside lead to places inside: an absolute one must not lead to the host's files.
fn read_in_root(root: &Path, file: &str) -> Result<String, String> {
    let shown = root.join("etc").join(file);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, root, flags, Mode::empty()).map_err(|e| format!("open {}: {e}", root.display()))?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let opened = openat2(&root, Path::new("etc").join(file), flags, Mode::empty(), ResolveFlags::IN_ROOT);
    contents(opened.map(File::from), &shown)
}

fn contents(opened: Result<File, Errno>, path: &Path) -> Result<String, String> {
    let failed = |e: &dyn std::fmt::Display| format!("read {}: {e}", path.display());
    let file = match opened {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(String::new()),
        Err(errno) => return Err(failed(&errno)),
    };
    // A FIFO or a device of the target must neither block nor answer without end.
    if !file.metadata().map_err(|e| failed(&e))?.is_file() {
        return Err(failed(&"it is not a file"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_a_root_stays_in_it_and_a_fifo_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let etc = root.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        std::fs::write(root.path().join("inside"), "10.0.0.1 db\n").unwrap();
        std::os::unix::fs::symlink("/inside", etc.join("hosts")).unwrap();
        assert_eq!(read_in_root(root.path(), "hosts").unwrap(), "10.0.0.1 db\n");
        assert_eq!(read_in_root(root.path(), "resolv.conf").unwrap(), "");
        nix::unistd::mkfifo(&etc.join("resolv.conf"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read_in_root(root.path(), "resolv.conf").unwrap_err().ends_with("it is not a file"));
    }
}
