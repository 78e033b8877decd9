//! The api: answers each request by asking the store; a store that does not answer in time becomes an error answer,
//! not silence.

use super::kept::Kept;
use super::{API, line, tell};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

/// What it answers when the store does not.
pub const UNAVAILABLE: &str = "store unavailable";
/// How long a caller may take to ask.
const ASKED_WITHIN: Duration = Duration::from_secs(2);

/// Listens, and serves on threads of its own.
///
/// # Errors
/// The port cannot be had.
pub fn start(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((API, port))?;
    let store = Arc::new(Kept::default());
    Builder::new().spawn(move || {
        for caller in listener.incoming().flatten() {
            let store = Arc::clone(&store);
            // A thread that cannot be had closes the connection, which the client counts as a failure.
            drop(Builder::new().spawn(move || serve(&caller, &store)));
        }
    })?;
    tell(&line::ready());
    Ok(())
}

/// Serves one request, one line.
fn serve(caller: &TcpStream, store: &Kept) -> io::Result<()> {
    caller.set_nodelay(true)?;
    caller.set_read_timeout(Some(ASKED_WITHIN))?;
    let mut request = String::new();
    BufReader::new(caller).read_line(&mut request)?;
    let answer = match store.ask("add requests\n") {
        Ok(number) => format!("ok {number}"),
        Err(_no_answer) => format!("{UNAVAILABLE}\n"),
    };
    (&*caller).write_all(answer.as_bytes())
}
