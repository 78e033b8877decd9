//! Names are looked up in the target's network, with the target's files, from a responder of the test's own.

use super::Lab;
use rumpus_agent::observe::names::lookup;
use rumpus_model::target::{ProcessId, Via};
use simple_dns::rdata::{A, AAAA, CNAME, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;

/// What `ip netns exec` would put over /etc, for one lab.
struct Overlay(PathBuf);

impl Overlay {
    fn new(lab: &Lab, resolv: &str, hosts: &str) -> Self {
        let directory = PathBuf::from("/etc/netns").join(&lab.name);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("resolv.conf"), resolv).unwrap();
        fs::write(directory.join("hosts"), hosts).unwrap();
        Self(directory)
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
        // Only if it is empty.
        drop(fs::remove_dir("/etc/netns"));
    }
}

/// Answers on 127.0.0.1:53 of the lab until the test's process ends.
fn respond(lab: &Lab) {
    let (udp, tcp) = lab
        .netns
        .enter(|| (UdpSocket::bind("127.0.0.1:53").unwrap(), TcpListener::bind("127.0.0.1:53").unwrap()))
        .unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            let reply = answer(&buffer[..length], false);
            // A stranger's guess comes first: it has another id.
            let mut forged = reply.clone();
            forged[0] ^= 1;
            udp.send_to(&forged, from).unwrap();
            udp.send_to(&reply, from).unwrap();
        }
    });
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = tcp.accept() {
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut question).unwrap();
            let reply = answer(&question, true);
            let length = u16::try_from(reply.len()).unwrap().to_be_bytes();
            stream.write_all(&[&length, reply.as_slice()].concat()).unwrap();
        }
    });
}

fn answer(question: &[u8], tcp: bool) -> Vec<u8> {
    let question = Packet::parse(question).unwrap();
    let asked = question.questions[0].clone();
    let name = asked.qname.to_string();
    let is_v4 = asked.qtype == QTYPE::TYPE(TYPE::A);
    let mut reply = Packet::new_reply(question.id());
    reply.questions.push(asked);
    let mut push = |owner: &str, data| {
        let owner = Name::new(owner).unwrap().into_owned();
        reply.answers.push(ResourceRecord::new(owner, CLASS::IN, 1, data));
    };
    let v4 = || RData::A(A { address: 0x0a01_0203 });
    match name.as_str() {
        "db.example" if is_v4 => push("db.example", v4()),
        "alias.example" => {
            push("alias.example", RData::CNAME(CNAME(Name::new("DB.example").unwrap().into_owned())));
            let data = if is_v4 { v4() } else { RData::AAAA(AAAA { address: 0xfd77 << 112 | 1 }) };
            push("db.example", data);
        }
        "long.example" if is_v4 && tcp => push("long.example", v4()),
        "long.example" if is_v4 => reply.set_flags(PacketFlag::TRUNCATION),
        "db.example" | "long.example" => {}
        "bad.example" => *reply.rcode_mut() = RCODE::ServerFailure,
        "half.example" if is_v4 => push("half.example", v4()),
        "half.example" => *reply.rcode_mut() = RCODE::Refused,
        _other => *reply.rcode_mut() = RCODE::NameError,
    }
    reply.build_bytes_vec().unwrap()
}

#[test]
fn a_name_is_what_the_targets_resolver_says() {
    let lab = Lab::new();
    let _overlay = Overlay::new(&lab, "nameserver 127.0.0.1\nsearch x.test example\n", "10.9.9.9 cache\n");
    respond(&lab);
    let via = Via::Name(lab.name.clone());
    let addresses = |name: &str| -> Result<Vec<String>, String> {
        Ok(lookup(&lab.netns, &via, name)?.iter().map(ToString::to_string).collect())
    };
    assert_eq!(addresses("10.0.0.1").unwrap(), ["10.0.0.1"]);
    assert_eq!(addresses("Cache").unwrap(), ["10.9.9.9"]);
    assert_eq!(addresses("db.example").unwrap(), ["10.1.2.3"]);
    assert_eq!(addresses("db").unwrap(), ["10.1.2.3"], "through the search list");
    assert_eq!(addresses("alias.example").unwrap(), ["10.1.2.3", "fd77::1"]);
    assert_eq!(addresses("long.example").unwrap(), ["10.1.2.3"], "by TCP");
    let unknown = addresses("gone.example").unwrap_err();
    assert!(unknown.contains("127.0.0.1:53 says of gone.example: there is no such name"), "{unknown}");
    let broken = addresses("bad.example").unwrap_err();
    assert!(broken.contains("127.0.0.1:53") && broken.contains("ServerFailure"), "{broken}");
    // Half an answer is none.
    assert!(addresses("half.example").unwrap_err().contains("Refused"));
    assert!(addresses("not..a name").is_err());
}

#[test]
fn a_resolver_that_is_not_there_is_named() {
    let lab = Lab::new();
    let _overlay = Overlay::new(&lab, "nameserver 127.0.0.1\n", "");
    let why = lookup(&lab.netns, &Via::Name(lab.name.clone()), "db.example").unwrap_err();
    assert!(why.contains("127.0.0.1:53 asked for db.example: Connection refused"), "{why}");
}

#[test]
fn a_process_has_the_files_of_its_own_root() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/hosts"), "10.8.8.8 inside\n").unwrap();
    // It has the host's programs, and an /etc of its own in a mount namespace of its own.
    let script = format!("mount --bind {} /etc && exec sleep 60", root.path().join("etc").display());
    let mut process = std::process::Command::new("unshare").args(["--mount", "sh", "-c", &script]).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let lab = Lab::new();
    let via = Via::Process(ProcessId { pid: i32::try_from(process.id()).unwrap(), start: 0 });
    let found = lookup(&lab.netns, &via, "inside");
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(found.unwrap()[0].to_string(), "10.8.8.8");
}
