//! The API server's audit log: who asked for what, and when, to the microsecond of the API server's clock.
//!
//! A line is written when a call is done, which may be a moment after others can see what it did: read late.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use rumpus_agent::kernel::timer::boottime;

/// An instant on both clocks: probes know the one, the API server the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Of CLOCK_BOOTTIME.
    pub boot: Duration,
    /// Since 1970.
    pub wall: Duration,
}

impl Moment {
    pub(super) fn now() -> Result<Self> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
        Ok(Self { boot: boottime(), wall })
    }
}

/// The log.
#[derive(Debug)]
pub(super) struct Audit(PathBuf);

/// A place in the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark(u64);

/// A call that was carried out.
#[derive(Debug)]
pub(super) struct Call {
    pub user: String,
    pub verb: String,
    /// With its subresource: `chaosruns`, `chaosruns/status`.
    pub resource: String,
    pub namespace: String,
    pub name: String,
    /// When the answer was ready, since 1970.
    pub done: Duration,
    /// What was sent, of kinds of ours.
    pub sent: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    verb: String,
    user: User,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    response_status: Status,
    #[serde(default)]
    request_object: Value,
    stage_timestamp: String,
}

#[derive(Debug, Deserialize)]
struct User {
    username: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Object {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
}

impl Audit {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let audit = Self(path.to_owned());
        audit.mark()?;
        Ok(audit)
    }

    /// Remembers where the log ends now.
    pub(super) fn mark(&self) -> Result<Mark> {
        let data = fs::metadata(&self.0).with_context(|| format!("look at the audit log {}", self.0.display()))?;
        Ok(Mark(data.len()))
    }

    /// Returns the calls since then that were carried out and whose lines contain any of these texts, oldest first.
    pub(super) fn since(&self, mark: Mark, any: &[&str]) -> Result<Vec<Call>> {
        let Mark(end) = self.mark()?;
        ensure!(end >= mark.0, "the audit log was rotated meanwhile");
        let mut file = File::open(&self.0).context("open the audit log")?;
        file.seek(SeekFrom::Start(mark.0)).context("find the place in the audit log")?;
        let (mut reader, mut calls, mut line) = (BufReader::new(file), Vec::new(), Vec::new());
        while reader.read_until(b'\n', &mut line).context("read the audit log")? > 0 {
            let text = String::from_utf8_lossy(&line);
            // The last line may be on its way.
            if text.ends_with('\n') && any.iter().any(|one| text.contains(one)) {
                calls.extend(call(&text)?);
            }
            line.clear();
        }
        calls.sort_by_key(|call| call.done);
        Ok(calls)
    }
}

fn call(text: &str) -> Result<Option<Call>> {
    let line: Line = serde_json::from_str(text).context("read a line of the audit log")?;
    if line.stage != "ResponseComplete" || !(200..300).contains(&line.response_status.code) {
        return Ok(None);
    }
    let Object { mut resource, subresource, namespace, name } = line.object_ref;
    if !subresource.is_empty() {
        resource = format!("{resource}/{subresource}");
    }
    let done: Timestamp = line.stage_timestamp.parse().context("read an instant of the audit log")?;
    let done = Duration::from_micros(done.as_microsecond().try_into().context("an instant before 1970")?);
    let (user, verb, sent) = (line.user.username, line.verb, object(line.request_object));
    Ok(Some(Call { user, verb, resource, namespace, name, done, sent }))
}

/// What the steps of a JSON patch put somewhere, as an object.
fn object(sent: Value) -> Value {
    let Value::Array(steps) = sent else { return sent };
    let put = steps.into_iter().filter(|step| step["op"] == "add");
    put.filter_map(|step| Some((step["path"].as_str()?.strip_prefix('/')?.to_owned(), step["value"].clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"stage":"ResponseComplete","verb":"patch","user":{"username":"a"},"objectRef":{"resource":"chaosruns","namespace":"n","name":"r","subresource":"status"},"responseStatus":{"code":200},"requestObject":{"status":{"state":"Running"}},"stageTimestamp":"2026-11-29T12:00:00.000123Z"}"#;

    #[test]
    fn a_line_is_a_call_with_its_subresource_and_microseconds() {
        let call = call(LINE).unwrap().unwrap();
        assert_eq!(
            (call.resource.as_str(), call.sent["status"]["state"].as_str()),
            ("chaosruns/status", Some("Running"))
        );
        assert_eq!(call.done.subsec_micros(), 123);
    }

    #[test]
    fn what_a_patch_puts_there_is_what_was_sent() {
        let patch = r#"[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"add","path":"/status","value":{"state":"Running"}}]"#;
        let call = call(&LINE.replace(r#"{"status":{"state":"Running"}}"#, patch)).unwrap().unwrap();
        assert_eq!(call.sent, serde_json::json!({"status": {"state": "Running"}}));
    }

    #[test]
    fn what_was_refused_or_has_only_begun_is_no_call() {
        assert!(call(&LINE.replace("200", "409")).unwrap().is_none());
        assert!(call(&LINE.replace("ResponseComplete", "ResponseStarted")).unwrap().is_none());
    }
}
