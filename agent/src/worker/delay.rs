//! The delay worker: holds each queued packet for its delay, then lets it go on.
//!
//! It must never drop, change or reorder (unless asked) a packet, never hold one after its deadline, its parent or its
//! control pipe ended, and never run without its kill timer.
//!
//! ```text
//! arm kill timer -> name, signals -> enter netns -> bind queue -> "ready" -> hold and release …
//!                                       … deadline | SIGTERM | end of control -> release all -> stats -> exit
//!                                       … drain -> hold and release until empty ----------^
//! ```

use super::args::DelayArgs;
use super::backlog::{Backlog, Release};
use super::status::{Lines, Report, Request, Stats};
use crate::kernel::nfqueue::{MAX_LEN, QueueError, QueueSocket, Received};
use crate::kernel::timer::{DeathTimer, TimerError, boottime};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::dup2_stderr;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

/// How long after its deadline the kernel kills a worker that did not go by itself.
pub const GRACE: Duration = Duration::from_millis(500);
/// Notices read before the schedule is looked at again, so that a flood cannot hold up what is due.
const READ_BURST: usize = 64;

/// Why a worker ended in good order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerExit {
    /// Its deadline passed.
    Deadline,
    /// It was told to drain and held nothing any more.
    Drained,
    /// The parent closed the control pipe, or died.
    ParentGone,
    /// SIGTERM, which the kernel also sends when the parent's spawner thread dies.
    Terminated,
}

/// Why a worker could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("arm the kill timer")]
    Timer(#[from] TimerError),
    #[error("set up the process: {step}")]
    Setup {
        step: &'static str,
        #[source]
        source: Errno,
    },
    #[error("use the parent's pipes")]
    Pipe(#[source] io::Error),
    #[error("enter the network namespace")]
    Enter(#[source] Errno),
    #[error("use the queue")]
    Queue(#[from] QueueError),
    #[error("wait for packets")]
    Wait(#[source] rustix::io::Errno),
}

/// Runs the worker `words` describe, from the words after `worker delay`, and reports on the status pipe how it ended.
pub fn main(words: impl IntoIterator<Item = String>) -> ExitCode {
    let outcome = DelayArgs::parse(words).map_err(|error| Report::Error(chain(&error))).and_then(|args| {
        run(&args).map_err(|error| {
            let taken = matches!(error, WorkerError::Queue(QueueError::Taken { .. }));
            if taken { Report::QueueTaken } else { Report::Error(chain(&error)) }
        })
    });
    match outcome {
        Ok(_) => ExitCode::SUCCESS,
        Err(report) => {
            // The exit code says that it failed, whether or not anybody reads why.
            drop(writeln!(io::stdout(), "{report}"));
            ExitCode::FAILURE
        }
    }
}

/// Holds packets until one of the four ends comes. Takes over stdin (control), stdout (status) and stderr (the
/// network namespace) of this process.
///
/// # Errors
/// [`WorkerError`]; then the kernel has dropped what was held.
pub fn run(args: &DelayArgs) -> Result<WorkerExit, WorkerError> {
    let death = DeathTimer::at(args.until + GRACE)?;
    let step = |step| move |source| WorkerError::Setup { step, source };
    prctl::set_name(c"rumpus-delay").map_err(step("name"))?;
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGTERM);
    mask.add(Signal::SIGINT);
    mask.add(Signal::SIGHUP);
    mask.thread_block().map_err(step("signal mask"))?;
    let signals =
        SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(step("signalfd"))?;
    // A parent that died before this line is seen as the end of the control pipe.
    prctl::set_pdeathsig(Signal::SIGTERM).map_err(step("parent-death signal"))?;
    // The default of 50 us would be added to every delay.
    prctl::set_timerslack(1).map_err(step("timer slack"))?;
    let control = own(io::stdin())?;
    let status = own(io::stdout())?;
    setns(io::stderr(), CloneFlags::CLONE_NEWNET).map_err(WorkerError::Enter)?;
    // Closes the namespace's descriptor; a panic message would go to the parent.
    dup2_stderr(&status).map_err(step("stderr"))?;
    let mut engine = Engine {
        backlog: Backlog::new(args.delay, args.seed),
        control,
        death,
        draining: false,
        due: Vec::with_capacity(4096),
        last_id: 0,
        lines: Lines::default(),
        queue: QueueSocket::bind(args.queue)?,
        signals,
        stats: Stats::default(),
        status,
        until: args.until,
    };
    engine.report(&Report::Ready);
    let exit = engine.hold()?;
    if exit != WorkerExit::Drained {
        engine.let_go()?;
    }
    let report = Report::Stats(engine.stats());
    engine.report(&report);
    Ok(exit)
}

/// Returns a file on the same pipe, non-blocking: a parent that does not read must not stop packets.
fn own(stream: impl AsFd) -> Result<File, WorkerError> {
    let fd = stream.as_fd().try_clone_to_owned().map_err(WorkerError::Pipe)?;
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
        .map_err(|source| WorkerError::Setup { step: "non-blocking pipe", source })?;
    Ok(File::from(fd))
}

#[derive(Debug)]
struct Engine {
    backlog: Backlog,
    control: File,
    death: DeathTimer,
    draining: bool,
    due: Vec<u32>,
    last_id: u32,
    lines: Lines,
    queue: QueueSocket,
    signals: SignalFd,
    stats: Stats,
    status: File,
    until: Duration,
}

impl Engine {
    /// The loop. One wait, then whatever is ready, packets first.
    fn hold(&mut self) -> Result<WorkerExit, WorkerError> {
        loop {
            let more = self.take()?;
            self.release()?;
            let now = boottime();
            if now >= self.until {
                return Ok(WorkerExit::Deadline);
            }
            if self.draining && !more && self.backlog.is_empty() {
                return Ok(WorkerExit::Drained);
            }
            let wake = if more { now } else { self.backlog.next_due().unwrap_or(self.until).min(self.until) };
            let (control, signal) = self.wait(wake.saturating_sub(now))?;
            if signal && self.signals.read_signal().is_ok_and(|signal| signal.is_some()) {
                return Ok(WorkerExit::Terminated);
            }
            if control && !self.obey()? {
                return Ok(WorkerExit::ParentGone);
            }
        }
    }

    /// Waits for a packet, a request, a signal, or until `timeout` passed. The timeout's clock stands still in suspend,
    /// where no packet comes either; the kill timer's does not.
    fn wait(&self, timeout: Duration) -> Result<(bool, bool), WorkerError> {
        let mut fds = [
            PollFd::new(&self.queue, PollFlags::IN),
            PollFd::new(&self.control, PollFlags::IN),
            PollFd::new(&self.signals, PollFlags::IN),
        ];
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(WorkerError::Wait(error)),
        }
        Ok((!fds[1].revents().is_empty(), !fds[2].revents().is_empty()))
    }

    /// Takes waiting packets into the backlog. Returns whether more may be waiting.
    fn take(&mut self) -> Result<bool, WorkerError> {
        for _ in 0..READ_BURST {
            let received = self.queue.receive()?;
            if received == Received::Empty {
                return Ok(false);
            }
            self.note(received);
        }
        Ok(true)
    }

    fn note(&mut self, received: Received) {
        match received {
            Received::Overflow => self.stats.enobufs += 1,
            Received::Packet(packet) => {
                self.last_id = packet.id;
                self.stats.delayed += 1;
                self.backlog.push(packet, boottime());
                if self.backlog.len() >= MAX_LEN as usize {
                    self.stats.enobufs += 1;
                }
            }
            Received::Gone(count) => {
                self.stats.gone += u64::from(count);
                self.stats.released = self.stats.released.saturating_sub(u64::from(count));
            }
            Received::Empty | Received::Other => {}
        }
    }

    fn release(&mut self) -> Result<(), WorkerError> {
        let (release, late) = self.backlog.release(boottime(), &mut self.due);
        match release {
            Release::Nothing => return Ok(()),
            Release::Through(id) => self.queue.accept_through(id, self.due.len())?,
            Release::Each => self.queue.accept(&self.due)?,
        }
        self.stats.released += u64::try_from(self.due.len()).unwrap_or(u64::MAX);
        self.stats.max_late_us = self.stats.max_late_us.max(u64::try_from(late.as_micros()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Does what the parent asks. Returns whether the parent is still there.
    fn obey(&mut self) -> Result<bool, WorkerError> {
        let mut bytes = [0; 256];
        match self.control.read(&mut bytes) {
            Ok(0) => return Ok(false),
            Ok(read) => self.lines.push(&bytes[..read]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(WorkerError::Pipe(error)),
        }
        while let Some(line) = self.lines.next_line() {
            match line.parse() {
                Ok(Request::Drain) => self.drain(),
                Ok(Request::Renew(until)) => {
                    self.death.move_to(until + GRACE)?;
                    self.until = until;
                }
                Ok(Request::Stats) => {
                    let report = Report::Stats(self.stats());
                    self.report(&report);
                }
                Err(()) => self.report(&Report::Error(format!("unknown request: {line}"))),
            }
        }
        Ok(true)
    }

    /// The parent has emptied the gate, so nothing should come; what comes nevertheless passes at once.
    fn drain(&mut self) {
        self.draining = true;
        let mut late = Vec::new();
        let closed = self.queue.admit_no_more(&mut |received| late.push(received));
        late.into_iter().for_each(|received| self.note(received));
        if let Err(error) = closed {
            // Draining goes on without it: the gate is empty.
            self.report(&Report::Error(chain(&error)));
        }
    }

    /// Lets everything go on at once, read or not, and counts it.
    fn let_go(&mut self) -> Result<(), WorkerError> {
        let mut late = Vec::new();
        let let_go = self.queue.release_all(self.last_id, self.backlog.len(), &mut |received| late.push(received));
        late.into_iter().for_each(|received| self.note(received));
        // Bounded: the queue takes nothing any more.
        while self.take()? {}
        self.stats.released += u64::try_from(self.backlog.len()).unwrap_or(u64::MAX);
        self.stats.released = self.stats.released.min(self.stats.delayed.saturating_sub(self.stats.gone));
        self.backlog.clear();
        Ok(let_go?)
    }

    fn stats(&self) -> Stats {
        Stats { backlog: u64::try_from(self.backlog.len()).unwrap_or(u64::MAX), ..self.stats }
    }

    /// Writes one line; a pipe that is full or closed loses it, because packets must not wait for a reader.
    fn report(&mut self, report: &Report) {
        drop(self.status.write_all(format!("{report}\n").as_bytes()));
    }
}

/// Returns an error's text with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
