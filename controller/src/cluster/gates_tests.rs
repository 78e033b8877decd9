//! Servers of loopback that answer, answer wrongly, send elsewhere and stay silent; and addresses that are never asked.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server that counts who connects and answers each with this.
async fn server(answer: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut buffer = [0; 1024];
            drop(stream.read(&mut buffer).await);
            drop(stream.write_all(answer.as_bytes()).await);
            if answer.is_empty() {
                std::future::pending::<()>().await;
            }
        }
    });
    (address, count)
}

fn probe(host: &str, port: u16) -> HttpProbe {
    HttpProbe { host: host.into(), port, path: "/ok".into(), statuses: Vec::new(), timeout: Duration::from_millis(500) }
}

/// One that may ask loopback, where the servers of these tests are.
fn asker(hosts: &[&str]) -> Asker {
    Asker { forbidden: |_| None, ..Asker::new(hosts.iter().map(|h| (*h).to_owned()).collect(), &[]) }
}

async fn asked(asker: &Asker, probe: HttpProbe) -> Vec<ClosedGate> {
    asker.ask(vec![HttpGate { name: "up".into(), probe }]).await
}

async fn why(asker: &Asker, probe: HttpProbe) -> String {
    asked(asker, probe).await.remove(0).why
}

#[tokio::test]
async fn only_a_status_that_is_named_opens_it() {
    let (good, _) = server("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(asked(&asker(&["127.0.0.1"]), probe("127.0.0.1", good.port())).await, []);
    let (bad, _) = server("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 6\r\n\r\nsecret").await;
    let said = why(&asker(&["127.0.0.1"]), probe("127.0.0.1", bad.port())).await;
    assert!(said.ends_with("/ok has status 503"), "{said}");
    assert!(!said.contains("secret"));
    let (nonsense, _) = server("hello\r\n\r\n").await;
    assert_eq!(asked(&asker(&["127.0.0.1"]), probe("127.0.0.1", nonsense.port())).await.len(), 1);
}

#[tokio::test]
async fn silence_and_nobody_are_a_no() {
    let (silent, _) = server("").await;
    let said = why(&asker(&["127.0.0.1"]), probe("127.0.0.1", silent.port())).await;
    assert!(said.contains("no answer within 500ms"), "{said}");
    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port();
    let said = why(&asker(&["127.0.0.1"]), probe("127.0.0.1", free)).await;
    assert!(said.contains("refused"), "{said}");
    let said = why(&asker(&["nowhere.invalid"]), probe("nowhere.invalid", 80)).await;
    assert!(said.contains("nowhere.invalid"), "{said}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (sink, reached) = server("HTTP/1.1 200 OK\r\n\r\n").await;
    let there = format!("HTTP/1.1 302 Found\r\nlocation: http://{sink}/\r\ncontent-length: 0\r\n\r\n");
    let (first, _) = server(Box::leak(there.into_boxed_str())).await;
    let said = why(&asker(&["127.0.0.1"]), probe("127.0.0.1", first.port())).await;
    assert!(said.ends_with("has status 302"), "{said}");
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_may_not_be_asked_gets_no_packet() {
    let (sink, reached) = server("HTTP/1.1 200 OK\r\n\r\n").await;
    let real = Asker::new(vec!["127.0.0.1".into(), "2130706433".into(), "0x7f.1".into(), "::ffff:7f00:1".into()], &[]);
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "::ffff:7f00:1"] {
        assert_eq!(asked(&real, probe(host, sink.port())).await.len(), 1, "{host}");
    }
    let unlisted = why(&asker(&["status.example.com"]), probe("127.0.0.1", sink.port())).await;
    assert!(unlisted.contains("checks.hosts"), "{unlisted}");
    let server = Asker { forbidden: |_| None, ..Asker::new(vec!["127.0.0.1".into()], &["127.0.0.1".into()]) };
    let said = why(&server, probe("127.0.0.1", sink.port())).await;
    assert!(said.contains("the API server"), "{said}");
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn one_forbidden_address_of_several_is_enough() {
    let (sink, reached) = server("HTTP/1.1 200 OK\r\n\r\n").await;
    let real = Asker::new(vec!["two.example.com".into()], &[]);
    let both = vec![SocketAddr::from(([192, 0, 2, 1], sink.port())), sink];
    let said = real.answer(&probe("two.example.com", sink.port()), |_, _| async { Ok(both) }).await.unwrap_err();
    assert!(said.contains("loopback"), "{said}");
    let none = real.answer(&probe("two.example.com", 80), |_, _| async { Ok(Vec::new()) }).await.unwrap_err();
    assert!(none.contains("no address"), "{none}");
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}
