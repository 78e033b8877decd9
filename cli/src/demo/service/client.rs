//! The client: a request each 20 ms, whatever became of those before it, and one line per answer.
//!
//! The rate is fixed on purpose: a client that waited for each answer would send less while the service is slow, and
//! so hide the fault.

use super::api::UNAVAILABLE;
use super::line::{Answer, Sample};
use super::{API, API_PORTS, line, tell};
use rumpus_agent::kernel::timer::boottime;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{Builder, sleep};
use std::time::{Duration, Instant};

/// From one request to the next.
pub const PERIOD: Duration = Duration::from_millis(20);
/// Longer than the api waits for its store, so that it can say that the store is unavailable.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Calls the api processes in turn, from threads of its own.
///
/// # Errors
/// No thread can be had.
pub fn start() -> io::Result<()> {
    Builder::new().spawn(|| {
        let mut due = Instant::now();
        for port in API_PORTS.into_iter().cycle() {
            sleep(due.saturating_duration_since(Instant::now()));
            due += PERIOD;
            if Builder::new().spawn(move || call(port)).is_err() {
                tell(&line::failed("start a thread"));
            }
        }
    })?;
    tell(&line::ready());
    Ok(())
}

fn call(port: u16) {
    let at = boottime();
    let answer = ask(port).unwrap_or(Answer::NoApi);
    tell(&line::sample(&Sample { at, took: boottime().saturating_sub(at), answer }));
}

fn ask(port: u16) -> io::Result<Answer> {
    let api = TcpStream::connect_timeout(&SocketAddr::from((API, port)), PATIENCE)?;
    api.set_nodelay(true)?;
    api.set_read_timeout(Some(PATIENCE))?;
    (&api).write_all(b"get\n")?;
    let mut answer = String::new();
    BufReader::new(&api).read_line(&mut answer)?;
    match answer.trim_end() {
        UNAVAILABLE => Ok(Answer::StoreUnavailable),
        ok if ok.starts_with("ok ") => Ok(Answer::Good),
        _neither => Ok(Answer::NoApi),
    }
}
