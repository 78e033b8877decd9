//! A synchronous netlink socket: requests, dumps and nf_tables transactions.
//!
//! It lives as long as one action: an open socket keeps a deleted pod's network namespace alive. Every answer is
//! matched by its sequence number, and what a refused transaction leaves in the queue is read before the error is
//! returned, so no call ever reads an older call's error.

use super::attr::{Attributes, ne32};
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io;
use std::mem::ManuallyDrop;
use std::thread::Builder;

/// How long an answer may take. The kernel answers within the send itself; only a lost answer takes longer.
const ANSWER_SECONDS: i64 = 5;
/// Send buffer: larger than the largest transaction (10,000 networks are about 1 MB).
const SEND_BUFFER: usize = 8 << 20;
/// The kernel never makes a dump message larger than 32 KiB (`NLMSG_GOODSIZE` and netlink_dump in
/// net/netlink/af_netlink.c, 6.1).
const RECEIVE_BUFFER: usize = 64 << 10;
/// How often a dump is begun again because the kernel's tables changed under it.
const DUMP_ATTEMPTS: u32 = 10;

// include/uapi/linux/netlink.h
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_DUMP: u16 = 0x300;
pub const NLM_F_EXCL: u16 = 0x200;
pub const NLM_F_CREATE: u16 = 0x400;
pub const NLM_F_APPEND: u16 = 0x800;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADER: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    #[error("open a netlink socket")]
    Open(#[source] io::Error),
    #[error("set a netlink socket's {option}")]
    Option { option: &'static str, source: Errno },
    #[error("send {bytes} bytes to the kernel")]
    Send { bytes: usize, source: io::Error },
    #[error("receive the kernel's answer")]
    Receive(#[source] io::Error),
    /// `message` counts from 0; none when the whole transaction was refused.
    #[error("the kernel refused {}", place(*.message))]
    Refused { message: Option<usize>, source: Errno },
    #[error("the kernel's answer is malformed")]
    Malformed,
    #[error("the kernel's tables changed during each of {DUMP_ATTEMPTS} attempts to read them")]
    Unsteady,
    #[error("a message has an attribute of more than 65,531 bytes")]
    TooLong,
}

fn place(message: Option<usize>) -> String {
    message.map_or("the transaction".into(), |index| format!("message {index}"))
}

impl NetlinkError {
    /// Returns the kernel's reason, if it was the kernel that refused.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { source, .. } => Some(*source),
            Self::Open(_)
            | Self::Option { .. }
            | Self::Send { .. }
            | Self::Receive(_)
            | Self::Malformed
            | Self::Unsteady
            | Self::TooLong => None,
        }
    }
}

/// A request: the family's own header, then attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub kind: u16,
    /// `NLM_F_*` besides REQUEST, ACK and DUMP, which the connection sets.
    pub flags: u16,
    pub head: Vec<u8>,
    pub attributes: Attributes,
}

impl Message {
    fn encode(&self, flags: u16, sequence: u32, into: &mut Vec<u8>) -> Result<(), NetlinkError> {
        let length = HEADER + self.head.len() + self.attributes.bytes().len();
        let (Ok(length), false) = (u32::try_from(length), self.attributes.is_too_long()) else {
            return Err(NetlinkError::TooLong);
        };
        into.extend_from_slice(&length.to_ne_bytes());
        into.extend_from_slice(&self.kind.to_ne_bytes());
        into.extend_from_slice(&(self.flags | flags | NLM_F_REQUEST).to_ne_bytes());
        into.extend_from_slice(&sequence.to_ne_bytes());
        into.extend_from_slice(&0_u32.to_ne_bytes());
        into.extend_from_slice(&self.head);
        into.extend_from_slice(self.attributes.bytes());
        into.resize(into.len().next_multiple_of(4), 0);
        Ok(())
    }
}

/// A message from the kernel, without its netlink header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub kind: u16,
    pub body: Vec<u8>,
}

/// Several nf_tables messages that the kernel takes all or none of, encoded.
#[derive(Debug)]
pub struct Transaction {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Transaction {
    /// Encodes messages; the last one is acknowledged, which the kernel does after it has taken all.
    pub fn new(messages: &[Message]) -> Result<Self, NetlinkError> {
        let mut transaction = Self { bytes: Vec::new(), starts: Vec::new() };
        edge(BATCH_BEGIN).encode(0, 0, &mut transaction.bytes)?;
        for (index, message) in messages.iter().enumerate() {
            let flags = if index + 1 == messages.len() { NLM_F_ACK } else { 0 };
            let sequence = u32::try_from(index + 1).map_err(|_too_many| NetlinkError::TooLong)?;
            transaction.starts.push(transaction.bytes.len());
            message.encode(flags, sequence, &mut transaction.bytes)?;
        }
        edge(BATCH_END).encode(0, 0, &mut transaction.bytes)?;
        Ok(transaction)
    }

    /// Overwrites the attributes of message `index` by others of the same length, so that a number can be filled in
    /// right before the send.
    pub fn refill(&mut self, index: usize, head: usize, attributes: &Attributes) -> Result<(), NetlinkError> {
        let start = self.starts.get(index).ok_or(NetlinkError::Malformed)? + HEADER + head;
        let end = start + attributes.bytes().len();
        let place = self.bytes.get_mut(start..end).ok_or(NetlinkError::Malformed)?;
        place.copy_from_slice(attributes.bytes());
        Ok(())
    }
}

// include/uapi/linux/netfilter/nfnetlink.h: NFNL_MSG_BATCH_BEGIN, _END, NFNL_SUBSYS_NFTABLES
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NFTABLES: [u8; 4] = [0, 0, 0, 10];

fn edge(kind: u16) -> Message {
    Message { kind, flags: 0, head: NFTABLES.to_vec(), attributes: Attributes::new() }
}

/// One open socket in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Connection {
    /// Taken only when the connection is dropped.
    socket: ManuallyDrop<Socket>,
    sequence: u32,
    slow_to_close: bool,
}

impl Drop for Connection {
    /// Closes the socket on a thread of its own where that is slow: nobody who ends a fault waits for the kernel to
    /// free what is out of effect already.
    fn drop(&mut self) {
        // SAFETY: The socket is taken here only, and nothing uses it after `drop`.
        #[expect(unsafe_code, reason = "the socket moves to the thread that closes it")]
        let socket = unsafe { ManuallyDrop::take(&mut self.socket) };
        if self.slow_to_close {
            // Without a thread the closure is dropped here, and closes the socket.
            drop(Builder::new().name("rumpus-close".into()).spawn(move || drop(socket)));
        }
    }
}

impl Connection {
    /// Opens a socket of a `netlink_sys::protocols` protocol, closed on exec.
    pub fn open(protocol: isize) -> Result<Self, NetlinkError> {
        let mut socket = Socket::new(protocol).map_err(NetlinkError::Open)?;
        socket.bind_auto().map_err(NetlinkError::Open)?;
        socket.set_cap_ack(true).map_err(NetlinkError::Open)?;
        let forced = setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER);
        forced.map_err(|source| NetlinkError::Option { option: "send buffer", source })?;
        let timeout = TimeVal::seconds(ANSWER_SECONDS);
        setsockopt(&socket, sockopt::ReceiveTimeout, &timeout)
            .map_err(|source| NetlinkError::Option { option: "receive timeout", source })?;
        let slow_to_close = protocol == NETLINK_NETFILTER;
        Ok(Self { socket: ManuallyDrop::new(socket), sequence: 1, slow_to_close })
    }

    /// Sends one request and waits for its acknowledgement.
    pub fn request(&mut self, message: &Message) -> Result<(), NetlinkError> {
        self.sequence += 1;
        let mut bytes = Vec::new();
        message.encode(NLM_F_ACK, self.sequence, &mut bytes)?;
        self.send(&bytes)?;
        loop {
            for answer in answers(&self.receive(0)?)? {
                if answer.sequence == self.sequence && answer.kind == NLMSG_ERROR {
                    return refusal(&answer.body)?
                        .map_or(Ok(()), |source| Err(NetlinkError::Refused { message: Some(0), source }));
                }
            }
        }
    }

    /// Sends a transaction; an error means that the kernel took none of it.
    ///
    /// The effect begins and ends within this call. Closing the socket afterwards waits for the kernel to free what was
    /// deleted (10 to 20 ms: `nft_rcv_nl_event` in net/netfilter/nf_tables_api.c, 6.1), so that is done elsewhere.
    pub fn commit(&mut self, transaction: &Transaction) -> Result<(), NetlinkError> {
        let last = u32::try_from(transaction.starts.len()).map_err(|_too_many| NetlinkError::TooLong)?;
        self.send(&transaction.bytes)?;
        let (mut refused, mut acknowledged) = (None, false);
        // The kernel queues all answers within the send: the first wait is for safety, the rest only drains.
        let mut flags = 0;
        loop {
            let received = match self.receive(flags) {
                Ok(received) => received,
                Err(NetlinkError::Receive(e)) if flags != 0 && e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            };
            flags = nix::libc::MSG_DONTWAIT;
            for answer in answers(&received)?.into_iter().filter(|answer| answer.kind == NLMSG_ERROR) {
                match refusal(&answer.body)? {
                    Some(source) if refused.is_none() => {
                        let message = answer.sequence.checked_sub(1).and_then(|index| usize::try_from(index).ok());
                        refused = Some(NetlinkError::Refused { message, source });
                    }
                    Some(_) => {}
                    None => acknowledged |= answer.sequence == last,
                }
            }
        }
        match refused {
            Some(refused) => Err(refused),
            None if acknowledged => Ok(()),
            None => Err(NetlinkError::Malformed),
        }
    }

    /// Reads a whole table of the kernel, again from the start if it changed meanwhile.
    pub fn dump(&mut self, message: &Message) -> Result<Vec<Reply>, NetlinkError> {
        for _attempt in 0..DUMP_ATTEMPTS {
            if let Some(replies) = self.dump_once(message)? {
                return Ok(replies);
            }
        }
        Err(NetlinkError::Unsteady)
    }

    fn dump_once(&mut self, message: &Message) -> Result<Option<Vec<Reply>>, NetlinkError> {
        self.sequence += 1;
        let mut bytes = Vec::new();
        message.encode(NLM_F_DUMP, self.sequence, &mut bytes)?;
        self.send(&bytes)?;
        let (mut replies, mut steady) = (Vec::new(), true);
        loop {
            for answer in answers(&self.receive(0)?)? {
                if answer.sequence != self.sequence {
                    continue;
                }
                steady &= answer.flags & NLM_F_DUMP_INTR == 0;
                if answer.kind == NLMSG_DONE || answer.kind == NLMSG_ERROR {
                    return match refusal(&answer.body)? {
                        Some(source) => Err(NetlinkError::Refused { message: Some(0), source }),
                        None => Ok(steady.then_some(replies)),
                    };
                }
                replies.push(Reply { kind: answer.kind, body: answer.body });
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), NetlinkError> {
        let sent = self.socket.send(bytes, 0);
        sent.map(drop).map_err(|source| NetlinkError::Send { bytes: bytes.len(), source })
    }

    fn receive(&self, flags: i32) -> Result<Vec<u8>, NetlinkError> {
        loop {
            let mut buffer = Vec::with_capacity(RECEIVE_BUFFER);
            match self.socket.recv_from(&mut buffer, flags | nix::libc::MSG_TRUNC) {
                Ok((length, _)) if length > buffer.len() => return Err(NetlinkError::Malformed),
                // Only the kernel is port 0; a process could send here as well.
                Ok((_, sender)) if sender.port_number() == 0 => return Ok(buffer),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(NetlinkError::Receive(e)),
            }
        }
    }
}

struct Answer {
    kind: u16,
    flags: u16,
    sequence: u32,
    body: Vec<u8>,
}

fn answers(mut bytes: &[u8]) -> Result<Vec<Answer>, NetlinkError> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let short = |at: usize| bytes.get(at..at + 2).and_then(|two| Some(u16::from_ne_bytes(two.try_into().ok()?)));
        let (Some(length), Some(kind), Some(flags)) = (ne32(bytes), short(4), short(6)) else {
            return Err(NetlinkError::Malformed);
        };
        let sequence = bytes.get(8..).and_then(ne32).ok_or(NetlinkError::Malformed)?;
        let length = usize::try_from(length).map_err(|_too_long| NetlinkError::Malformed)?;
        let body = bytes.get(HEADER..length).ok_or(NetlinkError::Malformed)?.to_vec();
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        all.push(Answer { kind, flags, sequence, body });
    }
    Ok(all)
}

/// Reads the error number that an error message and a DONE message begin with.
fn refusal(body: &[u8]) -> Result<Option<Errno>, NetlinkError> {
    let code = body.get(..4).and_then(|four| Some(i32::from_ne_bytes(four.try_into().ok()?)));
    match code.ok_or(NetlinkError::Malformed)? {
        0 => Ok(None),
        code => Ok(Some(Errno::from_raw(code.wrapping_neg()))),
    }
}
