//! The store: keeps one number per key, and answers each line `add KEY` with the new number.

use super::{STORE, STORE_PORT, line, tell};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

/// Longest key that it keeps, and most keys: the demo has one.
const MOST: usize = 64;

type Numbers = Arc<Mutex<BTreeMap<String, u64>>>;

/// Listens, and serves on threads of its own.
///
/// # Errors
/// The port cannot be had.
pub fn start() -> io::Result<()> {
    let listener = TcpListener::bind((STORE, STORE_PORT))?;
    let numbers = Numbers::default();
    Builder::new().spawn(move || {
        for caller in listener.incoming().flatten() {
            let numbers = Arc::clone(&numbers);
            // A thread that cannot be had closes the connection; the api takes that for an unavailable store.
            drop(Builder::new().spawn(move || serve(&caller, &numbers)));
        }
    })?;
    tell(&line::ready());
    Ok(())
}

/// Serves one connection until its end.
fn serve(caller: &TcpStream, numbers: &Numbers) -> io::Result<()> {
    caller.set_nodelay(true)?;
    for line in BufReader::new(caller).lines() {
        let line = line?;
        let answer = match line.strip_prefix("add ") {
            Some(key) if key.len() <= MOST => add(numbers, key).map_or("full\n".into(), |n| format!("{n}\n")),
            Some(_) | None => "what\n".into(),
        };
        (&*caller).write_all(answer.as_bytes())?;
    }
    Ok(())
}

fn add(numbers: &Numbers, key: &str) -> Option<u64> {
    let mut numbers = numbers.lock().unwrap_or_else(PoisonError::into_inner);
    if numbers.len() >= MOST && !numbers.contains_key(key) {
        return None;
    }
    let number = numbers.entry(key.to_owned()).or_default();
    *number += 1;
    Some(*number)
}
