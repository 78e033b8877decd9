//! Waits for parts of the testbed to become ready, and says why one did not.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// Between two looks: a person does not notice it, and a busy machine is not made busier.
const PAUSE: Duration = Duration::from_millis(250);

/// The longest that one answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Looks until `ready` is content; fails with what it said last, or at once when `alive` fails.
pub(crate) fn until(
    limit: Duration,
    what: &str,
    alive: impl Fn() -> Result<()>,
    mut ready: impl FnMut() -> Result<()>,
) -> Result<()> {
    let started = Instant::now();
    loop {
        match ready() {
            Ok(()) => {
                println!("   {what} after {:.1} s", started.elapsed().as_secs_f64());
                return Ok(());
            }
            Err(error) if started.elapsed() > limit => {
                return Err(error).with_context(|| format!("waited {} s until {what}", limit.as_secs()));
            }
            Err(_) => alive().with_context(|| format!("cannot wait until {what}"))?,
        }
        sleep(PAUSE);
    }
}

/// Asks over plain HTTP; anything but status 200 is an error.
pub(crate) fn http_ok(address: &str, path: &str) -> Result<()> {
    let peer: SocketAddr = address.parse().with_context(|| format!("read the address {address}"))?;
    let mut stream = TcpStream::connect_timeout(&peer, ANSWER).with_context(|| format!("connect to {address}"))?;
    stream.set_read_timeout(Some(ANSWER)).context("bound the wait for an answer")?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).with_context(|| format!("ask {address}"))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("hear {address}"))?;
    let status = answer.lines().next().unwrap_or_default();
    ensure!(status.contains(" 200 "), "{address}{path} answers {status}");
    Ok(())
}
