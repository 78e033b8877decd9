//! How other commands reach a daemon: hand a run over and follow it, ask what is to come.

use super::report::Report as Scheduled;
use super::talk::{self, Order, Request, Said};
use crate::args::{Global, Output};
use crate::commands::run::Report;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::signals::{self, Asked};
use std::io::{self, BufReader};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::Builder;
use std::time::Duration;

/// How long a daemon may take for its first answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the daemon listens.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SocketFlag {
    /// The daemon's socket (default: up.sock in the state directory)
    #[arg(long, env = "RUMPUS_SOCKET", value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

impl SocketFlag {
    /// Returns the socket's path.
    pub fn of(&self, global: &Global) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| global.state_dir.join(super::socket::NAME))
    }

    /// Connects to the daemon; none where none listens.
    ///
    /// # Errors
    /// There may be one, and it cannot be reached.
    pub fn connect(&self, global: &Global) -> Result<Option<UnixStream>, Failure> {
        let path = self.of(global);
        match UnixStream::connect(&path) {
            Ok(stream) => Ok(Some(stream)),
            // Who names none, and may not look into the state directory, is told that by what comes next.
            Err(error) if self.socket.is_none() && is_nobody(&error) => Ok(None),
            Err(error) => {
                let hint = "see that `rumpus up` runs with this --socket, and that you are root or of its group";
                Err(Failure::refused(format!("reach the daemon at {}: {error}", path.display()), hint))
            }
        }
    }
}

fn is_nobody(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | ConnectionRefused | PermissionDenied)
}

/// What is heard while a run is followed.
enum Heard {
    Said(Box<Said>),
    Asked(Asked),
    Gone(String),
}

/// Hands a run over, and follows it to its end.
///
/// # Errors
/// The daemon refuses, or is gone before the end.
pub fn run(
    global: &Global,
    stream: UnixStream,
    order: Order,
    show: impl Fn(&[rumpus_model::plan::Plan]),
) -> Result<Report, Failure> {
    let (heard, queue) = channel();
    let asked = heard.clone();
    signals::take_over(move |a| drop(asked.send(Heard::Asked(a))))
        .map_err(|e| Failure::refused(format!("take over signals: {e}"), "run it from a shell of its own"))?;
    let mut out = stream.try_clone().map_err(|e| gone(&e.to_string()))?;
    // Who is refused is told so by what is read, whether or not all of his question went through.
    drop(talk::write(&mut out, &Request::Run(Box::new(order))));
    Builder::new()
        .name("rumpus-daemon".into())
        .spawn(move || {
            let mut reader = BufReader::new(stream);
            let last = loop {
                match talk::read::<Said>(&mut reader) {
                    Ok(Some(said)) => drop(heard.send(Heard::Said(Box::new(said)))),
                    Ok(None) => break "it has ended the connection".to_owned(),
                    Err(error) => break error.to_string(),
                }
            };
            drop(heard.send(Heard::Gone(last)));
        })
        .map_err(|e| Failure::refused(format!("start a thread: {e}"), "run it again"))?;
    let mut progress = Progress::new(global.output == Output::Table);
    let (mut taken, mut asked_before) = (false, false);
    loop {
        match queue.recv_timeout(if taken { Duration::from_millis(500) } else { PATIENCE }) {
            Ok(Heard::Said(said)) => match *said {
                Said::Taken { run } => {
                    taken = true;
                    progress.say(&format!("run {run} of the daemon of {}", global.state_dir.display()));
                }
                Said::Planned(plans) => show(&plans),
                Said::Begun(injections) if injections.is_empty() => {}
                Said::Begun(injections) => progress.begin(&injections),
                Said::Attested(attestation) => progress.attested(&attestation),
                Said::Ended(report) => {
                    progress.end();
                    return Ok(*report);
                }
                Said::Failed { what, hint } => return Err(Failure::refused(what, hint)),
                Said::Scheduled(_) => {}
            },
            Ok(Heard::Asked(asked)) => {
                progress.asked(asked, asked_before);
                asked_before = true;
                // A daemon that is gone is heard of by what is read.
                drop(talk::write(&mut out, &Request::Stop { by: asked.by().to_owned() }));
            }
            Ok(Heard::Gone(why)) => return Err(gone(&why)),
            Err(RecvTimeoutError::Timeout) if taken => progress.tick(),
            Err(RecvTimeoutError::Timeout) => return Err(gone("it does not answer")),
            Err(RecvTimeoutError::Disconnected) => return Err(gone("nobody listens")),
        }
    }
}

/// Asks what will happen, and what did.
///
/// # Errors
/// The daemon does not say.
pub fn schedule(mut stream: UnixStream, days: u32, policy: Option<String>) -> Result<Scheduled, Failure> {
    let failed = |why: String| Failure::refused(format!("the daemon does not say: {why}"), HANGS);
    stream.set_read_timeout(Some(PATIENCE)).map_err(|e| failed(e.to_string()))?;
    let asked = talk::write(&mut stream, &Request::Schedule { days, policy });
    // Who is refused is told so, whether or not his question went through.
    let silent = |e: &io::Error| e.kind() == io::ErrorKind::WouldBlock;
    let why =
        |e: io::Error| if silent(&e) { format!("no answer within {} s", PATIENCE.as_secs()) } else { e.to_string() };
    match talk::read::<Said>(&mut BufReader::new(stream)).map_err(|e| failed(why(e)))? {
        Some(Said::Scheduled(report)) => Ok(*report),
        Some(Said::Failed { what, hint }) => Err(Failure::refused(what, hint)),
        Some(_) => Err(failed("it answers something else".into())),
        None => Err(failed(asked.err().map_or_else(|| "it has ended the connection".to_owned(), |e| e.to_string()))),
    }
}

/// What to do about a daemon that hangs.
const HANGS: &str = "`rumpus active` shows what is live, `rumpus halt` ends it also where the daemon hangs";

/// A daemon that is gone in the midst of a run: what became of it is not known here.
fn gone(why: &str) -> Failure {
    Failure::restore(format!("the daemon is gone, and with it what became of the run: {why}"), HANGS)
}
