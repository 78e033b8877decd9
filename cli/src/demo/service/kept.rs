//! Connections to the store that an api process keeps: one that failed is never used again.

use super::{STORE, STORE_PORT};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the api waits for its store, in all.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// Idle connections.
#[derive(Debug, Default)]
pub struct Kept(Mutex<Vec<TcpStream>>);

impl Kept {
    /// Asks the store, on a kept connection or a new one.
    ///
    /// # Errors
    /// It did not answer in time.
    pub fn ask(&self, question: &str) -> io::Result<String> {
        let until = Instant::now() + PATIENCE;
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let store = match kept {
            Some(store) => store,
            None => TcpStream::connect_timeout(&SocketAddr::from((STORE, STORE_PORT)), PATIENCE)?,
        };
        store.set_nodelay(true)?;
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        store.set_read_timeout(Some(left))?;
        (&store).write_all(question.as_bytes())?;
        let mut answer = String::new();
        if BufReader::new(&store).read_line(&mut answer)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(store);
        Ok(answer)
    }
}
