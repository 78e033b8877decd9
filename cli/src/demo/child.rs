//! A service as the demo holds it: its lifeline, and the lines that it tells.

use super::seen::Seen;
use super::service::line;
use super::service::{self, Role};
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

/// How long a service may take to end once its lifeline has; it takes about 1 ms, the supervisor 10 ms more.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// One running service. Dropping it ends its lifeline, upon which it exits.
#[derive(Debug)]
pub struct Service {
    pub role: Role,
    child: Child,
    lifeline: Option<ChildStdin>,
}

impl Service {
    /// Starts a service, and lets `seen` take its lines. Call it on the main thread: a service dies with the thread
    /// that started it.
    ///
    /// # Errors
    /// It cannot be executed.
    pub fn start(role: Role, netns: &Path, seen: Arc<Seen>) -> io::Result<Self> {
        let mut command = service::command(role, netns, None);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take();
        let service = Self { role, lifeline: child.stdin.take(), child };
        let out = out.ok_or(io::ErrorKind::BrokenPipe)?;
        Builder::new().name("rumpus-demo-lines".into()).spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Some(line) = line::parse(&line) {
                    seen.take(role, line);
                }
            }
        })?;
        Ok(service)
    }

    /// Returns whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it, and waits until it is gone.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn end(mut self) -> io::Result<()> {
        drop(self.lifeline.take());
        let until = Instant::now() + GONE_WITHIN;
        while self.child.try_wait()?.is_none() {
            if Instant::now() >= until {
                // Not reaped, so the number is still this child's.
                self.child.kill()?;
                self.child.wait()?;
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}
