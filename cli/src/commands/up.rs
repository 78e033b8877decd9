//! `rumpus up`: its command line. The daemon itself is in `up/`.

use crate::up::call::SocketFlag;
use std::path::PathBuf;

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rumpus up --policies /etc/rumpus/policies
  rumpus up --policies DIR --calendar freeze=/etc/rumpus/freeze.ics --calendar de=/etc/rumpus/de.ics
  rumpus schedule                                what it will do, and what it did
  rumpus run FILE --arm                          by hand, through the daemon
  rumpus halt                                    ends everything of it, and lets nothing begin

It runs until SIGTERM or Ctrl-C, ends every fault then, and says so. Files of the folder are read
again when they change; one that makes no sense is told by its name, and nothing of it runs. A policy
acts by itself if it has a schedule and says `mode: Armed`.")]
pub struct Args {
    /// Folder with the policies, *.yaml and *.yml
    #[arg(long, value_name = "DIR")]
    pub policies: PathBuf,
    /// Days off, as an iCalendar file; those of `freeze` are nobody's work days
    #[arg(long = "calendar", value_name = "NAME=FILE", value_parser = calendar)]
    pub calendars: Vec<(String, PathBuf)>,
    #[command(flatten)]
    pub socket: SocketFlag,
}

fn calendar(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        Some(_) | None => Err("write NAME=FILE, like de=/etc/rumpus/de.ics".to_owned()),
    }
}
