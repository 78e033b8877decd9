//! Processes for tests: each dies with its guard, and at the latest with its parent.
//!
//! Nothing here is part of a shipped binary.

use std::process::{Child, Command, Stdio};

/// A `sleep` that is killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Sleeper(Child);

impl Sleeper {
    pub(crate) fn start() -> Self {
        let child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        let sleeper = Self(child);
        // Between fork and exec the child still has this program's name.
        while super::proc::one(sleeper.pid()).unwrap().comm != "sleep" {
            std::thread::yield_now();
        }
        sleeper
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Kills and reaps it: its id is free afterwards.
    pub(crate) fn end(mut self) -> u32 {
        let pid = self.pid();
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        pid
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// What a forked child does; none of it may allocate or take a lock.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Play {
    /// Waits for signals.
    Pause,
    /// Starts a thread that waits, then exits from the leader only.
    LeaderExits,
    /// Stops itself; when continued, starts this many children, each of which forks its successor every 2 ms and exits.
    Refork(u32),
}

/// A child made by clone3, killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Clone3 {
    pid: i32,
    reaped: bool,
}

const NAME: &std::ffi::CStr = c"sleep";

impl Clone3 {
    /// Makes a child; with `pid` it gets exactly this id, which must be free.
    #[expect(unsafe_code, reason = "clone3 has no wrapper, and set_tid needs it")]
    pub(crate) fn start(pid: Option<u32>, new_pid_namespace: bool, play: Play) -> Self {
        let mut wanted = pid.map_or(0, |pid| libc::pid_t::try_from(pid).unwrap());
        // SAFETY: all-zero bytes are a valid clone_args.
        let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
        args.exit_signal = u64::try_from(libc::SIGCHLD).unwrap();
        if new_pid_namespace {
            args.flags = u64::try_from(libc::CLONE_NEWPID).unwrap();
        }
        if pid.is_some() {
            args.set_tid = (&raw mut wanted).expose_provenance() as u64;
            args.set_tid_size = 1;
        }
        let mut stack = vec![0u128; 4096];
        let top = stack.as_mut_ptr_range().end.cast::<libc::c_void>();
        // SAFETY: pass a filled clone_args without CLONE_VM; the child, a copy with one
        // thread, only makes system calls and never returns.
        let made = unsafe {
            let size = size_of::<libc::clone_args>();
            let made = libc::syscall(libc::SYS_clone3, &raw mut args, size);
            if made == 0 {
                act(play, top);
            }
            made
        };
        assert!(made > 0, "clone3: {}", std::io::Error::last_os_error());
        Self { pid: i32::try_from(made).unwrap(), reaped: false }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Whether it still runs (not even a zombie).
    pub(crate) fn runs(&self) -> bool {
        super::proc::one(self.pid()).is_ok_and(|facts| !facts.has_exited())
    }

    /// Waits for its end and returns the signal that killed it.
    #[expect(unsafe_code, reason = "the child was not made by std")]
    pub(crate) fn killed_by(mut self) -> i32 {
        let mut status = 0;
        // SAFETY: pass a valid pointer to an int; the child is ours and not reaped yet.
        let answer = unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
        assert_eq!(answer, self.pid);
        self.reaped = true;
        libc::WTERMSIG(status)
    }
}

impl Drop for Clone3 {
    #[expect(unsafe_code, reason = "the child was not made by std")]
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        // SAFETY: the child is ours and not reaped yet, so the id is still its own.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            libc::waitpid(self.pid, std::ptr::null_mut(), 0);
        }
    }
}

/// # Safety
/// Only in a fresh child; `stack_top` must end a stack of 64 KiB.
#[expect(unsafe_code, reason = "after fork only plain system calls are sound")]
unsafe fn act(play: Play, stack_top: *mut libc::c_void) -> ! {
    // SAFETY: only system calls with constant or stack arguments; the thread's stack is
    // this process's own copy and nothing else uses it.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        // Other tests' descriptors (a state directory's lock) must not live on in here.
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0);
        libc::prctl(libc::PR_SET_NAME, NAME.as_ptr());
        match play {
            Play::Pause => {}
            Play::LeaderExits => {
                let flags = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES;
                let flags = flags | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
                libc::clone(pause_thread, stack_top, flags, std::ptr::null_mut());
                libc::syscall(libc::SYS_exit, 0);
            }
            Play::Refork(count) => {
                // Waits for SIGCONT, so that its children are born where the test put it.
                libc::raise(libc::SIGSTOP);
                libc::signal(libc::SIGCHLD, libc::SIG_IGN);
                for _ in 0..count {
                    if libc::fork() == 0 {
                        refork();
                    }
                }
            }
        }
        loop {
            libc::pause();
        }
    }
}

extern "C" fn pause_thread(_: *mut libc::c_void) -> libc::c_int {
    loop {
        #[expect(unsafe_code, reason = "this thread has no runtime of its own")]
        // SAFETY: a system call without arguments.
        unsafe {
            libc::syscall(libc::SYS_pause);
        }
    }
}

/// Forks a successor every 2 ms and exits, 5,000 times (at least 10 s) at most.
#[expect(unsafe_code, reason = "after fork only plain system calls are sound")]
fn refork() -> ! {
    for _ in 0..5_000 {
        // SAFETY: only system calls with constant arguments, in a process of one thread.
        unsafe {
            libc::usleep(2_000);
            if libc::fork() > 0 {
                libc::_exit(0);
            }
        }
    }
    // SAFETY: ends this process.
    unsafe { libc::_exit(0) }
}
