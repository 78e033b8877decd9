//! Ctrl-C, SIGTERM and SIGHUP as events: they end faults, they never just end the process.

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;
use std::thread::Builder;

/// What a person or a supervisor asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Interrupt,
    Terminate,
}

impl Asked {
    /// Returns by whom, as it is recorded.
    pub fn by(self) -> &'static str {
        match self {
            Self::Interrupt => "Ctrl-C",
            Self::Terminate => "SIGTERM",
        }
    }
}

/// Takes the signals over for this process; each one is handed to `tell`. Call it before any other thread is started.
///
/// # Errors
/// The kernel refuses, or no thread can be had.
pub fn take_over(tell: impl Fn(Asked) + Send + 'static) -> io::Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block()?;
    let queue = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?;
    let reader = move || {
        while let Ok(Some(info)) = queue.read_signal() {
            let interrupt = i32::try_from(info.ssi_signo) == Ok(Signal::SIGINT as i32);
            tell(if interrupt { Asked::Interrupt } else { Asked::Terminate });
        }
    };
    Builder::new().name("rumpus-signals".into()).spawn(reader).map(drop)
}
