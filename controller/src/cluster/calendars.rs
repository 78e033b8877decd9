//! The calendars that the administrator mounts: a folder with one iCalendar file for each name.

use super::core::Calendars;
use rumpus_model::schedule::ics;
use std::io;
use std::path::Path;

/// Longest file, in bytes: a ConfigMap is never larger.
const LONGEST: u64 = 1024 * 1024;

/// Reads `NAME.ics` for each name. A file that cannot be read is told and is no calendar: nothing of a policy that names it
/// runs.
///
/// # Errors
/// The folder cannot be read.
pub fn read(folder: &Path) -> io::Result<Calendars> {
    let mut calendars = Calendars::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        // What a ConfigMap is made of besides its files begins with two dots.
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(name) = name.strip_suffix(".ics").filter(|name| !name.starts_with('.')) else { continue };
        match one(&path) {
            Ok(days) => {
                tracing::info!(calendar = name, days = days.len(), "A calendar is read.");
                calendars.insert(name.to_owned(), days);
            }
            Err(why) => tracing::error!(calendar = name, %why, "A calendar cannot be read: it is none."),
        }
    }
    Ok(calendars)
}

fn one(path: &Path) -> Result<std::collections::BTreeSet<jiff::civil::Date>, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > LONGEST {
        return Err(format!("it has {size} bytes, and at most {LONGEST} are read"));
    }
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    ics::days(&text).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_file_of_several_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let good = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261225\nEND:VEVENT\nEND:VCALENDAR\n";
        file("de.ics", good);
        file("us.ics", "Christmas");
        file("notes.txt", good);
        file("..2026.ics", good);
        let found = read(folder.path()).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["de"]);
        assert_eq!(found["de"].len(), 1);
        assert!(read(&folder.path().join("missing")).is_err());
    }
}
