//! One question to the resolvers of the calling thread's network namespace.
//!
//! An answer counts only if it comes from the server that was asked and repeats the random id and the question.

use rustix::rand::{GetRandomFlags, getrandom};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// How long one server has for one answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How often the list of servers is gone through.
const ROUNDS: u32 = 2;
/// Aliases that are followed within one answer.
const MOST_ALIASES: u32 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    A,
    Aaaa,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Addresses(Vec<IpAddr>),
    /// The name does not exist, or has no address of this kind.
    None {
        server: SocketAddr,
        why: String,
    },
}

/// Asks each server in order, twice, until one knows.
pub(super) fn ask(servers: &[SocketAddr], name: &str, kind: Kind) -> Result<Answer, String> {
    let mut said = Vec::new();
    for _round in 0..ROUNDS {
        for server in servers {
            match one(*server, name, kind) {
                Ok(answer) => return Ok(answer),
                Err(why) => said.push(format!("{server} asked for {name}: {why}")),
            }
        }
    }
    said.sort();
    said.dedup();
    Err(said.join("; "))
}

fn one(server: SocketAddr, name: &str, kind: Kind) -> Result<Answer, String> {
    let id = random()?;
    let question = encode(id, name, kind)?;
    let reply = by_udp(server, &question, id)?;
    let truncated = simple_dns::header_buffer::has_flags(&reply, PacketFlag::TRUNCATION).map_err(|e| e.to_string())?;
    let reply = if truncated { by_tcp(server, &question).map_err(|e| text(&e))? } else { reply };
    decode(&reply, id, name, kind, server)
}

fn encode(id: u16, name: &str, kind: Kind) -> Result<Vec<u8>, String> {
    let name = Name::new(name).map_err(|e| format!("not a name: {e}"))?;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(name, wire(kind), QCLASS::CLASS(CLASS::IN), false));
    packet.build_bytes_vec().map_err(|e| e.to_string())
}

fn wire(kind: Kind) -> QTYPE {
    match kind {
        Kind::A => QTYPE::TYPE(TYPE::A),
        Kind::Aaaa => QTYPE::TYPE(TYPE::AAAA),
    }
}

fn by_udp(server: SocketAddr, question: &[u8], id: u16) -> Result<Vec<u8>, String> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let until = Instant::now() + TIMEOUT;
    let exchange = || -> io::Result<Vec<u8>> {
        let socket = UdpSocket::bind((any, 0))?;
        // The kernel then drops what comes from elsewhere.
        socket.connect(server)?;
        socket.send(question)?;
        let mut buffer = [0; 4096];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            socket.set_read_timeout(Some(left))?;
            let length = socket.recv(&mut buffer)?;
            let reply = buffer.get(..length).unwrap_or_default();
            if simple_dns::header_buffer::id(reply) == Ok(id) {
                return Ok(reply.to_vec());
            }
        }
    };
    exchange().map_err(|e| text(&e))
}

fn by_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let length = u16::try_from(question.len()).map_err(|_too_long| io::Error::from(io::ErrorKind::InvalidInput))?;
    stream.write_all(&[&length.to_be_bytes(), question].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}

fn decode(reply: &[u8], id: u16, name: &str, kind: Kind, server: SocketAddr) -> Result<Answer, String> {
    let packet = Packet::parse(reply).map_err(|e| format!("its answer cannot be read: {e}"))?;
    let asked = packet.questions.first().is_some_and(|q| same(&q.qname, name) && q.qtype == wire(kind));
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) || !asked {
        return Err("its answer is to another question".into());
    }
    let code = packet.rcode();
    if code == RCODE::NameError {
        return Ok(Answer::None { server, why: "there is no such name".into() });
    }
    if code != RCODE::NoError {
        return Err(format!("{code:?}"));
    }
    let mut owner = name.to_ascii_lowercase();
    for _alias in 0..MOST_ALIASES {
        let mine = || packet.answers.iter().filter(|record| same(&record.name, &owner));
        let addresses: Vec<IpAddr> = mine().filter_map(|record| address(&record.rdata, kind)).collect();
        if !addresses.is_empty() {
            return Ok(Answer::Addresses(addresses));
        }
        let alias = mine().find_map(|record| {
            let RData::CNAME(target) = &record.rdata else { return None };
            Some(target.0.to_string().to_ascii_lowercase())
        });
        match alias {
            Some(next) => owner = next,
            None => return Ok(Answer::None { server, why: format!("no {kind:?} record") }),
        }
    }
    Err("its aliases do not end".into())
}

fn address(data: &RData<'_>, kind: Kind) -> Option<IpAddr> {
    match (data, kind) {
        (RData::A(a), Kind::A) => Some(Ipv4Addr::from(a.address).into()),
        (RData::AAAA(a), Kind::Aaaa) => Some(Ipv6Addr::from(a.address).into()),
        (_other_types, _) => None,
    }
}

fn same(name: &Name<'_>, text: &str) -> bool {
    name.to_string().trim_end_matches('.').eq_ignore_ascii_case(text.trim_end_matches('.'))
}

fn text(error: &io::Error) -> String {
    let late = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
    if late { format!("no answer in {} s", TIMEOUT.as_secs()) } else { error.to_string() }
}

fn random() -> Result<u16, String> {
    let mut bytes = [0; 2];
    let filled = getrandom(&mut bytes, GetRandomFlags::empty()).map_err(|e| format!("draw an id: {e}"))?;
    if filled == bytes.len() { Ok(u16::from_ne_bytes(bytes)) } else { Err("draw an id: too few bytes".into()) }
}
