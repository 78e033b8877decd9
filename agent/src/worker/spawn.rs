//! The parent's side of a worker: starts it, talks to it, and outlives it even when it hangs.
//!
//! Workers are started by one thread that never ends before its [`Spawner`] does, because a parent-death signal follows
//! the thread that forked, not the process. Nothing here waits without a limit, and a worker is only ever signalled
//! through its pidfd.

use super::args::DelayArgs;
use super::status::{Lines, Report, Request, Stats};
use crate::kernel::inherited;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a worker may take to say that it is ready; it takes about 2 ms.
const READY_WITHIN: Duration = Duration::from_secs(2);
/// How long an answer may take before the worker counts as hung.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// How long a dropped handle waits for its worker to go by itself.
const GONE_WITHIN: Duration = Duration::from_millis(300);
/// Spawn requests that may wait for the spawner thread; each caller waits for its own.
const WAITING_SPAWNS: usize = 16;

/// How this program is executed again as a worker.
#[derive(Clone, Debug)]
pub struct WorkerProgram {
    pub path: PathBuf,
    /// The words before a worker's own, normally `worker`; the kind of worker follows them.
    pub prefix: Vec<OsString>,
}

impl WorkerProgram {
    /// Returns this very binary, whatever has happened to its file, with the words `worker …`.
    pub fn this_binary() -> Self {
        Self { path: PathBuf::from("/proc/self/exe"), prefix: vec![OsString::from("worker")] }
    }
}

/// Why there is no worker.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error("start the spawner thread")]
    Thread(#[source] io::Error),
    #[error("the spawner thread is gone")]
    ThreadGone,
    #[error("execute the worker")]
    Execute(#[source] io::Error),
    #[error("hold on to the worker")]
    Hold(#[source] io::Error),
    /// Another process of the namespace holds the queue number: choose another.
    #[error("queue {queue} is taken")]
    QueueTaken { queue: u16 },
    #[error("the worker could not start: {reason}")]
    Refused { reason: String },
    #[error("the worker ended before it was ready")]
    Died,
    #[error("the worker was not ready within {READY_WITHIN:?}")]
    NotReady,
}

/// Why a worker could not be talked to.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// It has ended, or its pipe is full because it hangs.
    #[error("send {request} to the worker")]
    Send {
        request: Request,
        #[source]
        source: io::Error,
    },
    #[error("read the worker's status")]
    Read(#[source] io::Error),
    #[error("the worker gave no answer within {ANSWER_WITHIN:?}")]
    NoAnswer,
    #[error("the worker has ended")]
    Ended,
    #[error("signal the worker")]
    Signal(#[source] io::Error),
    #[error("wait for the worker")]
    Wait(#[source] io::Error),
}

struct Job {
    command: Command,
    answer: SyncSender<io::Result<Child>>,
}

/// The thread that starts workers. When it is dropped, the thread ends and every worker with it.
#[derive(Debug)]
pub struct Spawner {
    jobs: SyncSender<Job>,
    program: WorkerProgram,
}

impl Spawner {
    /// Starts the thread, and keeps from all children of this program what it inherited itself.
    ///
    /// # Errors
    /// [`SpawnError::Thread`] if there is none to be had.
    pub fn start(program: WorkerProgram) -> Result<Self, SpawnError> {
        inherited::close_on_exec();
        let (jobs, queue): (_, Receiver<Job>) = sync_channel(WAITING_SPAWNS);
        thread::Builder::new()
            .name(String::from("rumpus-spawner"))
            .spawn(move || {
                for mut job in queue {
                    let child = job.command.spawn();
                    // The command holds our ends of the pipes and the namespace's descriptor.
                    drop(job.command);
                    if let Err(unclaimed) = job.answer.send(child) {
                        end(unclaimed.0.ok());
                    }
                }
            })
            .map_err(SpawnError::Thread)?;
        Ok(Self { jobs, program })
    }

    /// Starts a delay worker in the network namespace `netns` and returns when its queue is bound.
    ///
    /// # Errors
    /// [`SpawnError::QueueTaken`] if the number is in use; after any error no process is left.
    pub fn delay(&self, netns: BorrowedFd<'_>, args: &DelayArgs) -> Result<WorkerHandle, SpawnError> {
        let mut command = Command::new(&self.program.path);
        command
            .arg0("rumpus-worker")
            .args(&self.program.prefix)
            .arg("delay")
            .args(args.words())
            .current_dir("/")
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(netns.try_clone_to_owned().map_err(SpawnError::Hold)?)
            // Out of the terminal's foreground group: Ctrl-C is the parent's to handle.
            .process_group(0);
        let (answer, child) = sync_channel(1);
        self.jobs.send(Job { command, answer }).or(Err(SpawnError::ThreadGone))?;
        let child = child.recv().or(Err(SpawnError::ThreadGone))?.map_err(SpawnError::Execute)?;
        let mut handle = WorkerHandle::hold(child)?;
        match handle.report(READY_WITHIN) {
            Ok(Report::Ready) => Ok(handle),
            Ok(Report::QueueTaken) => Err(SpawnError::QueueTaken { queue: args.queue }),
            Ok(Report::Error(reason)) => Err(SpawnError::Refused { reason }),
            Ok(Report::Stats(_)) | Err(HandleError::Ended) => Err(SpawnError::Died),
            Err(HandleError::NoAnswer) => Err(SpawnError::NotReady),
            Err(HandleError::Read(source) | HandleError::Wait(source) | HandleError::Signal(source)) => {
                Err(SpawnError::Hold(source))
            }
            Err(HandleError::Send { source, .. }) => Err(SpawnError::Hold(source)),
        }
    }
}

/// One running worker. Dropping it closes the control pipe, upon which the worker lets go and exits; one that hangs is
/// killed.
#[derive(Debug)]
#[must_use = "dropping the handle ends the worker"]
pub struct WorkerHandle {
    child: Child,
    control: Option<ChildStdin>,
    lines: Lines,
    pidfd: OwnedFd,
    status: ChildStdout,
}

impl WorkerHandle {
    fn hold(mut child: Child) -> Result<Self, SpawnError> {
        // The child is ours and not reaped, so its number cannot belong to anybody else.
        let held = (|| {
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
            let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
            let control = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
            let status = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
            fcntl(&control, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            fcntl(&status, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            Ok((pidfd, control, status))
        })();
        match held {
            Ok((pidfd, control, status)) => {
                Ok(Self { child, control: Some(control), lines: Lines::default(), pidfd, status })
            }
            Err(error) => {
                end(Some(child));
                Err(SpawnError::Hold(error))
            }
        }
    }

    /// Returns the worker's process id, for the journal and for people.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Moves the worker's deadline, and its kill timer behind it, to a time of CLOCK_BOOTTIME.
    ///
    /// # Errors
    /// [`HandleError::Send`] if the worker is gone or hangs; the old deadline then stands.
    pub fn renew(&mut self, until: Duration) -> Result<(), HandleError> {
        self.send(Request::Renew(until))
    }

    /// Tells the worker that no packet comes any more; it exits when it holds none.
    ///
    /// # Errors
    /// [`HandleError::Send`] if the worker is gone or hangs.
    pub fn drain(&mut self) -> Result<(), HandleError> {
        self.send(Request::Drain)
    }

    /// Asks for the counters. Of a worker that ended in good order, returns its last ones.
    ///
    /// # Errors
    /// [`HandleError::NoAnswer`] after 0.5 s; [`HandleError::Ended`] if it died without a word.
    pub fn stats(&mut self) -> Result<Stats, HandleError> {
        // The last counters of a worker that has just ended are still in the pipe.
        let sent = self.send(Request::Stats);
        let end = Instant::now() + ANSWER_WITHIN;
        loop {
            match self.report(end.saturating_duration_since(Instant::now())) {
                Ok(Report::Stats(stats)) => return Ok(stats),
                Ok(Report::Error(_) | Report::QueueTaken | Report::Ready) => {}
                Err(error) => return Err(sent.err().unwrap_or(error)),
            }
        }
    }

    /// Kills the worker; the kernel drops what it holds.
    ///
    /// # Errors
    /// [`HandleError::Signal`]; a worker that is already gone is not an error.
    pub fn kill(&self) -> Result<(), HandleError> {
        match pidfd_send_signal(&self.pidfd, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(HandleError::Signal(error.into())),
        }
    }

    /// Waits at most `timeout` for the worker to end, and reaps it. `None` means that it is still there.
    ///
    /// # Errors
    /// [`HandleError::Wait`] if the kernel does not say.
    pub fn wait_gone(&mut self, timeout: Duration) -> Result<Option<ExitStatus>, HandleError> {
        if readable(self.pidfd.as_fd(), timeout).map_err(HandleError::Wait)? {
            return self.child.try_wait().map_err(HandleError::Wait);
        }
        Ok(None)
    }

    fn send(&mut self, request: Request) -> Result<(), HandleError> {
        let failed = |source| HandleError::Send { request, source };
        let control = self.control.as_mut().ok_or(HandleError::Ended)?;
        control.write_all(format!("{request}\n").as_bytes()).map_err(failed)
    }

    /// Returns the next line that makes sense, within `timeout`.
    fn report(&mut self, timeout: Duration) -> Result<Report, HandleError> {
        let end = Instant::now() + timeout;
        loop {
            while let Some(line) = self.lines.next_line() {
                if let Ok(report) = line.parse() {
                    return Ok(report);
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            if !readable(self.status.as_fd(), left).map_err(HandleError::Read)? {
                return Err(HandleError::NoAnswer);
            }
            let mut bytes = [0; 512];
            match self.status.read(&mut bytes) {
                Ok(0) => return Err(HandleError::Ended),
                Ok(read) => self.lines.push(&bytes[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(HandleError::Read(error)),
            }
        }
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        self.control = None;
        if !matches!(self.wait_gone(GONE_WITHIN), Ok(Some(_))) {
            drop(self.kill());
            drop(self.wait_gone(GONE_WITHIN));
        }
    }
}

/// Waits until `fd` can be read or `timeout` passed.
fn readable(fd: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    let end = Instant::now() + timeout;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Ends a worker that nobody holds.
fn end(child: Option<Child>) {
    if let Some(mut child) = child {
        drop(child.kill());
        drop(child.wait());
    }
}
