//! A real container: runc starts this binary as a victim inside a lab's network namespace.
//!
//! It is deleted by runc when its handle is dropped, and ends by itself after five minutes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::lab::{Lab, Namespace};

/// A container that runs.
#[derive(Debug)]
pub struct Runc {
    folder: PathBuf,
    id: String,
}

impl Runc {
    /// Starts the container `id` (64 hex digits) in the network namespace.
    ///
    /// # Errors
    /// If runc is not here or refuses.
    pub fn start(lab: &Lab, network: &Namespace, id: &str) -> Result<Self> {
        let folder = lab.state_dir().join("runc");
        let container = Self { folder, id: id.to_owned() };
        let bundle = container.folder.join("bundles").join(id);
        fs::create_dir_all(bundle.join("rootfs")).with_context(|| format!("make {}", bundle.display()))?;
        let config = config(network.path(), id)?;
        fs::write(bundle.join("config.json"), config.to_string()).context("write a container's configuration")?;
        let bundle = bundle.display().to_string();
        container.runc(&["run", "--detach", "--bundle", &bundle, "--pid-file", &container.pid_file(), id])?;
        Ok(container)
    }

    fn pid_file(&self) -> String {
        self.folder.join(format!("{}.pid", self.id)).display().to_string()
    }

    /// Returns the id of its first process.
    ///
    /// # Errors
    /// If runc did not write it.
    pub fn pid(&self) -> Result<u32> {
        let text = fs::read_to_string(self.pid_file()).context("read a container's pid")?;
        text.trim().parse().with_context(|| format!("read the pid {text}"))
    }

    /// Returns whether its first process runs; a dead one that nobody has reaped does not.
    ///
    /// # Errors
    /// If its pid is unknown.
    pub fn lives(&self) -> Result<bool> {
        let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", self.pid()?)) else {
            return Ok(false);
        };
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
        Ok(!matches!(state, Some("Z" | "X") | None))
    }

    /// Kills it and takes everything of it away.
    ///
    /// # Errors
    /// If runc fails, or a process is still there.
    pub fn delete(self) -> Result<()> {
        self.runc(&["delete", "--force", &self.id])?;
        let end = Instant::now() + Duration::from_secs(10);
        while self.lives()? {
            ensure!(Instant::now() < end, "the container's process lives on");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn runc(&self, words: &[&str]) -> Result<()> {
        let log = self.folder.join("log");
        let mut command = Command::new("runc");
        command.arg("--root").arg(self.folder.join("root")).arg("--log").arg(&log).args(words);
        // A detached container keeps what it inherits: a pipe would never end.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().context("start runc; is it installed?")?;
        let said = fs::read_to_string(&log).unwrap_or_default();
        ensure!(status.success(), "runc {}: {status}\n{said}", words.join(" "));
        Ok(())
    }
}

impl Drop for Runc {
    fn drop(&mut self) {
        // One that was deleted is not known any more.
        drop(self.runc(&["delete", "--force", &self.id]));
    }
}

/// The least that runc takes: this binary, its libraries where it has any, and namespaces.
fn config(network: &Path, id: &str) -> Result<Value> {
    let program = std::env::current_exe().context("find this binary")?;
    let bind =
        |from: &Path, to: &str| json!({"destination": to, "type": "bind", "source": from, "options": ["rbind", "ro"]});
    let mut mounts = vec![json!({"destination": "/proc", "type": "proc", "source": "proc"}), bind(&program, "/victim")];
    for folder in ["/lib", "/lib64", "/usr/lib"] {
        if Path::new(folder).exists() {
            mounts.push(bind(Path::new(folder), folder));
        }
    }
    Ok(json!({
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["/victim", "victim"], "cwd": "/", "env": ["PATH=/"]},
        "root": {"path": "rootfs"},
        "mounts": mounts,
        "linux": {
            "cgroupsPath": format!("/{id}"),
            "namespaces": [
                {"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"},
                {"type": "network", "path": network},
            ],
        },
    }))
}
