//! Toxiproxy as a peer: its server inside the lab, driven through its HTTP API.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::kernel::lab::Namespace;

const API: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8474);

/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server; dropping it ends it.
#[derive(Debug)]
pub(super) struct Toxiproxy<'a> {
    child: Child,
    namespace: &'a Namespace,
}

impl<'a> Toxiproxy<'a> {
    pub(super) fn start(server: &Path, namespace: &'a Namespace) -> Result<Self> {
        let mut command = Command::new(server);
        command.args(["-host", "127.0.0.1", "-port", "8474"]).env("LOG_LEVEL", "error");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = namespace.spawn(&mut command).with_context(|| format!("start {}", server.display()))?;
        let this = Self { child, namespace };
        let end = Instant::now() + PATIENCE;
        while this.ask("GET", "/version", None).is_err() {
            ensure!(Instant::now() < end, "the server of Toxiproxy does not answer");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(this)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Makes a proxy that listens on this port of loopback, with a toxic of latency 0.
    pub(super) fn proxy(&self, name: &str, port: u16, upstream: SocketAddr) -> Result<SocketAddr> {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let proxy =
            json!({"name": name, "listen": listen.to_string(), "upstream": upstream.to_string(), "enabled": true});
        self.ask("POST", "/proxies", Some(&proxy))?;
        let toxic =
            json!({"name": "late", "type": "latency", "stream": "upstream", "attributes": {"latency": 0, "jitter": 0}});
        self.ask("POST", &format!("/proxies/{name}/toxics"), Some(&toxic))?;
        Ok(listen)
    }

    /// Sets the latency of a proxy's toxic.
    pub(super) fn latency(&self, name: &str, delay: Duration) -> Result<()> {
        let toxic = json!({"attributes": {"latency": u64::try_from(delay.as_millis())?, "jitter": 0}});
        self.ask("POST", &format!("/proxies/{name}/toxics/late"), Some(&toxic))
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<()> {
        self.namespace.run(|| {
            let body = body.map(Value::to_string).unwrap_or_default();
            let mut stream = TcpStream::connect_timeout(&API, PATIENCE).context("connect to Toxiproxy")?;
            stream.set_read_timeout(Some(PATIENCE)).context("limit a wait")?;
            write!(
                stream,
                "{method} {path} HTTP/1.1\r\nHost: {API}\r\nUser-Agent: bench\r\nConnection: close\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .context("ask Toxiproxy")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).context("hear Toxiproxy")?;
            if answer.starts_with("HTTP/1.1 20") {
                return Ok(());
            }
            bail!("Toxiproxy answers {method} {path} by {}", answer.lines().next().unwrap_or_default())
        })
    }
}

impl Drop for Toxiproxy<'_> {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
