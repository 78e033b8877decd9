//! The daemon's unix socket: who may speak, and threads that carry what is said. Nothing is decided here.
//!
//! It must never serve anybody but root and the socket's group.

use super::daemon::Event;
use super::talk::{self, Request, Said};
use nix::unistd::{Gid, Group, Uid, User};
use rustix::net::sockopt::socket_peercred;
use std::fs::Permissions;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;
use std::time::Duration;

/// Name of the socket in the state directory.
pub const NAME: &str = "up.sock";
/// Root and the group may connect.
const MODE: u32 = 0o660;
/// Connections at once.
const MOST: usize = 32;
/// Most that is taken from a connection that is refused.
const UNREAD: u64 = 1024 * 1024;
/// How long a request may take to be sent, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// The socket's file; it goes with this.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

/// Opens the socket and serves it.
///
/// # Errors
/// It cannot be made, or another program listens on it.
pub(super) fn serve(path: &Path, events: Sender<Event>) -> io::Result<Socket> {
    clear(path)?;
    let listener = UnixListener::bind(path)?;
    let socket = Socket { path: path.to_owned() };
    std::fs::set_permissions(path, Permissions::from_mode(MODE))?;
    let group = std::fs::symlink_metadata(path)?.gid();
    let (busy, tokens) = (Arc::new(AtomicUsize::new(0)), AtomicU64::new(0));
    Builder::new().name("rumpus-socket".into()).spawn(move || {
        for stream in listener.incoming() {
            // Of a connection that failed nobody waits for an answer; where there is nothing left to open one with, later.
            let Ok(stream) = stream else {
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            let (events, busy) = (events.clone(), Arc::clone(&busy));
            let token = tokens.fetch_add(1, Ordering::Relaxed);
            let room = busy.fetch_add(1, Ordering::SeqCst) < MOST;
            let work = move || {
                one(stream, group, room, token, &events);
                busy.fetch_sub(1, Ordering::SeqCst);
            };
            drop(Builder::new().name("rumpus-client".into()).spawn(work));
        }
    })?;
    Ok(socket)
}

/// Takes away the socket of a daemon that died; what another program uses, or is no socket, stays.
fn clear(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(seen) if !seen.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no socket is there"))
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens on it"))
        }
        Ok(_) => std::fs::remove_file(path),
    }
}

/// Serves one connection.
fn one(mut stream: UnixStream, group: u32, room: bool, token: u64, events: &Sender<Event>) {
    drop(stream.set_read_timeout(Some(PATIENCE)));
    drop(stream.set_write_timeout(Some(PATIENCE)));
    let uid = match peer(&stream, group) {
        Ok(uid) if room => uid,
        Ok(_) => return refuse(&mut stream, "too many commands at once", "wait for one of them to end"),
        Err(why) => return refuse(&mut stream, &why, "only root and the socket's group may; run it with sudo"),
    };
    let Ok(copy) = stream.try_clone() else { return };
    let mut reader = BufReader::new(copy);
    let (said, answers) = channel();
    let asked = match talk::read::<Request>(&mut reader) {
        Ok(Some(Request::Run(order))) => Event::Run { token, uid, order, client: said },
        Ok(Some(Request::Schedule { days, policy })) => Event::Schedule { days, policy, client: said },
        Ok(Some(Request::Stop { .. })) => return refuse(&mut stream, "nothing was begun here", "ask for a run first"),
        Ok(None) => return,
        Err(error) => {
            return refuse(
                &mut stream,
                &format!("the request makes no sense: {error}"),
                "use the same version of rumpus",
            );
        }
    };
    let follow = matches!(asked, Event::Run { .. });
    if events.send(asked).is_err() {
        return;
    }
    if follow {
        // A run lasts as long as its command; how long that is nobody knows.
        drop(stream.set_read_timeout(None));
        let events = events.clone();
        drop(Builder::new().name("rumpus-client-in".into()).spawn(move || listen(reader, token, &events)));
    }
    if !answer(&mut stream, &answers) {
        drop(events.send(Event::Leave { token, by: "the end of its command".into() }));
    }
    // The thread that listens ends with the connection.
    drop(stream.shutdown(std::net::Shutdown::Both));
}

/// Sends every answer; returns false where the other side is gone.
fn answer(stream: &mut UnixStream, answers: &Receiver<Said>) -> bool {
    answers.iter().all(|said| talk::write(stream, &said).is_ok())
}

/// Hears whether a run's command asks to stop it, or is gone.
fn listen(mut reader: BufReader<UnixStream>, token: u64, events: &Sender<Event>) {
    while let Ok(Some(Request::Stop { by })) = talk::read::<Request>(&mut reader) {
        drop(events.send(Event::Leave { token, by }));
    }
    drop(events.send(Event::Leave { token, by: "the end of its command".into() }));
}

/// Says no. What was asked is taken from the socket unread: a connection that is closed over it would lose the answer.
fn refuse(stream: &mut UnixStream, what: &str, hint: &str) {
    drop(talk::write(stream, &Said::failed(what, hint)));
    drop(stream.shutdown(std::net::Shutdown::Write));
    drop(stream.set_read_timeout(Some(Duration::from_secs(1))));
    drop(io::copy(&mut stream.take(UNREAD), &mut io::sink()));
}

/// Returns the other side's user if that is root, or of the socket's group.
fn peer(stream: &UnixStream, group: u32) -> Result<u32, String> {
    let peer = socket_peercred(stream).map_err(|e| format!("who asks cannot be seen: {e}"))?;
    let (uid, gid) = (peer.uid.as_raw(), peer.gid.as_raw());
    if uid == 0 || gid == group || is_member(uid, group) {
        return Ok(uid);
    }
    Err(format!("user {uid} is neither root nor of group {group}"))
}

/// Returns whether a user is of a group besides his own.
fn is_member(uid: u32, group: u32) -> bool {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let group = Group::from_gid(Gid::from_raw(group)).ok().flatten();
    matches!((user, group), (Some(user), Some(group)) if group.mem.contains(&user.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_daemons_socket_is_replaced_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let (events, _queue) = channel();
        drop(UnixListener::bind(&path).unwrap());
        let socket = serve(&path, events.clone()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(serve(&path, events.clone()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(socket);
        assert!(!path.exists());
        std::fs::write(&path, "text").unwrap();
        assert_eq!(serve(&path, events).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_no_is_heard_although_nobody_reads_the_question() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let server = std::thread::spawn(move || {
            let mut theirs = theirs;
            refuse(&mut theirs, "no", "never");
        });
        talk::write(&mut ours, &"x".repeat(100_000)).unwrap();
        let said = talk::read::<Said>(&mut BufReader::new(ours)).unwrap();
        assert!(matches!(said, Some(Said::Failed { what, .. }) if what == "no"));
        server.join().unwrap();
    }

    #[test]
    fn who_is_neither_root_nor_of_the_group_is_told_so() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let own = nix::unistd::geteuid().as_raw();
        assert_eq!(peer(&ours, nix::unistd::getegid().as_raw()), Ok(own));
        assert!(!is_member(4_000_000, 4_000_001));
    }
}
