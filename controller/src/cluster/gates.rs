//! Asks gates over HTTP: whatever is no clear yes, in time and from where it may come, is a no with its reason.
//!
//! Who may write a policy must not reach, through the controller, what only the controller can reach: hosts are the
//! administrator's list, a name is looked up once, each of its addresses is judged, and the connection goes to one that
//! was judged. No redirect is followed, no proxy is used, nothing of the answer but its status is read or told.

use super::core::event::{ClosedGate, HttpGate};
use axum::body::Body;
use futures_util::future::join_all;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rumpus_model::duration;
use rumpus_model::gate::{self, HttpProbe};
use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// The most that the head of an answer may have, in bytes.
const HEAD: usize = 64 * 1024;

/// Who may be asked.
#[derive(Clone, Debug)]
pub struct Asker {
    /// As in [`gate::is_listed`].
    pub hosts: Vec<String>,
    /// Addresses that are never asked, whatever their name: the API server's.
    pub never: BTreeSet<IpAddr>,
    /// What an address is, if it may not be asked.
    pub forbidden: fn(IpAddr) -> Option<&'static str>,
}

impl Asker {
    /// Returns one that asks these hosts, and never this API server.
    pub fn new(hosts: Vec<String>, api_server: &[String]) -> Self {
        let never = api_server.iter().filter_map(|text| text.parse().ok()).collect();
        Self { hosts, never, forbidden: gate::forbidden }
    }

    /// Asks all of them at once, and returns those that are closed.
    pub async fn ask(&self, gates: Vec<HttpGate>) -> Vec<ClosedGate> {
        let asked = gates.into_iter().map(|gate| async move {
            let HttpGate { name, probe } = gate;
            let answer = self.answer(&probe, |host, port| async move { resolve(&host, port).await }).await;
            answer.err().map(|why| ClosedGate { name, why })
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    async fn answer<F: Future<Output = io::Result<Vec<SocketAddr>>>>(
        &self,
        probe: &HttpProbe,
        resolve: impl FnOnce(String, u16) -> F,
    ) -> Result<(), String> {
        if !gate::is_listed(&probe.host, &self.hosts) {
            return Err(format!("{} is none of the hosts that checks may ask (checks.hosts of the chart)", probe.host));
        }
        let asking = async {
            let found = resolve(probe.host.clone(), probe.port).await;
            let addresses = found.map_err(|e| format!("{} was not found: {e}", probe.host))?;
            let address = self.judged(&probe.host, &addresses)?;
            let status = get(address, probe).await.map_err(|e| format!("{probe}: {e}"))?;
            if probe.accepts(status) { Ok(()) } else { Err(format!("{probe} has status {status}")) }
        };
        let late = format!("{probe} has no answer within {}", duration::show(probe.timeout));
        timeout(probe.timeout, asking).await.unwrap_or(Err(late))
    }

    /// Returns an address to ask, if none of them is forbidden.
    fn judged(&self, host: &str, addresses: &[SocketAddr]) -> Result<SocketAddr, String> {
        for address in addresses {
            let ip = address.ip().to_canonical();
            let what = (self.forbidden)(ip).or_else(|| self.never.contains(&ip).then_some("the API server"));
            if let Some(what) = what {
                return Err(format!("{host} is {}, which is {what}: checks may not ask it", address.ip()));
            }
        }
        addresses.first().copied().ok_or_else(|| format!("{host} has no address"))
    }
}

async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(lookup_host((host, port)).await?.collect())
}

/// Returns the status of one GET to this very address.
async fn get(address: SocketAddr, probe: &HttpProbe) -> Result<u16, String> {
    let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    // It ends with the sender, or with the answer.
    let connection = tokio::spawn(connection);
    let request = http::Request::get(&probe.path)
        .header(http::header::HOST, probe.authority())
        .header(http::header::USER_AGENT, concat!("rumpus/", env!("CARGO_PKG_VERSION")))
        .body(Body::empty())
        .map_err(|e| e.to_string())?;
    let answer = sender.send_request(request).await.map(|answer| answer.status().as_u16()).map_err(|e| e.to_string());
    connection.abort();
    answer
}

#[cfg(test)]
#[path = "gates_tests.rs"]
mod tests;
