//! One bound NFQUEUE: receives the ids of queued packets and tells the kernel to let them go on.
//!
//! It never sees or changes a packet's content, and it never drops one: the only verdict is accept. The socket belongs
//! to the network namespace of the thread that binds it and is closed on exec, because a child that inherited it would
//! keep the queue bound and the rule's bypass off. When the socket closes, the kernel drops what is still queued;
//! [`QueueSocket::release_all`] comes first wherever there is time for it.

mod wire;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use wire::Message;
pub use wire::{Direction, QueuedPacket};

/// Packets that may wait in one queue; what comes on top passes undelayed. Bounds the kernel memory that a fault can
/// pin: about 150 MB of full-size frames.
pub const MAX_LEN: u32 = 65_536;
/// Room for packet notices that were not read yet. The kernel charges about 1 KB each, so this is some 16,000.
const RECEIVE_BUFFER: usize = 16 << 20;
/// A notice without content is below 300 bytes; one with every attribute below 4 KiB.
const DATAGRAM: usize = 8 << 10;
/// Verdicts in one send, 32 bytes each: well below the socket's default send buffer of 208 KiB.
const VERDICTS_PER_SEND: usize = 512;
/// The kernel compares ids as signed differences, so an id this far ahead stands behind every queued packet.
const AHEAD: u32 = 1 << 30;
/// How often a send that the kernel had no memory for is tried again.
const SEND_ATTEMPTS: u32 = 100;

/// Why a queue could not be bound or used.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error("open a netfilter socket")]
    Open(#[source] io::Error),
    #[error("set the receive buffer")]
    Buffer(#[source] Errno),
    /// Another process holds this number in this network namespace.
    #[error("queue {queue} is taken")]
    Taken { queue: u16 },
    #[error("configure queue {queue}")]
    Configure {
        queue: u16,
        #[source]
        source: io::Error,
    },
    #[error("receive from queue {queue}")]
    Receive {
        queue: u16,
        #[source]
        source: io::Error,
    },
    #[error("send a verdict to queue {queue}")]
    Verdict {
        queue: u16,
        #[source]
        source: io::Error,
    },
}

/// What one receive found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Nothing is waiting.
    Empty,
    /// The receive buffer overflowed (ENOBUFS): some packets passed without a notice.
    Overflow,
    Packet(QueuedPacket),
    /// A verdict met none of its packets, this many: the kernel had dropped them. It does so when their device goes,
    /// and for every queue of a namespace when any netfilter hook in it is unregistered (`nf_queue_nf_hook_drop`).
    Gone(u32),
    /// A message that says nothing about a packet.
    Other,
}

/// A queue bound by this process.
pub struct QueueSocket {
    socket: Socket,
    queue: u16,
    receive: Vec<u8>,
    send: Vec<u8>,
}

impl std::fmt::Debug for QueueSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueueSocket").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl QueueSocket {
    /// Binds `queue` in the calling thread's network namespace; packets that do not fit into it pass.
    ///
    /// # Errors
    /// [`QueueError::Taken`] if another process holds the number.
    pub fn bind(queue: u16) -> Result<Self, QueueError> {
        let mut socket = Socket::new(NETLINK_NETFILTER).map_err(QueueError::Open)?;
        socket.bind_auto().map_err(QueueError::Open)?;
        setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).map_err(QueueError::Buffer)?;
        socket.set_non_blocking(true).map_err(QueueError::Open)?;
        let mut bound = Self {
            socket,
            queue,
            receive: Vec::with_capacity(DATAGRAM),
            send: Vec::with_capacity(32 * VERDICTS_PER_SEND),
        };
        wire::bind(&mut bound.send, queue, MAX_LEN);
        bound.configure(&mut |_| {})?;
        Ok(bound)
    }

    /// Reads at most one packet; never blocks.
    ///
    /// # Errors
    /// [`QueueError::Receive`]; overflow is not an error.
    pub fn receive(&mut self) -> Result<Received, QueueError> {
        match self.datagram() {
            Ok(()) => {}
            Err(error) => {
                return match error.raw_os_error() {
                    Some(libc::EAGAIN) => Ok(Received::Empty),
                    Some(libc::ENOBUFS) => Ok(Received::Overflow),
                    Some(libc::EINTR) => Ok(Received::Other),
                    Some(_) | None => Err(QueueError::Receive { queue: self.queue, source: error }),
                };
            }
        }
        // The kernel sends one notice per datagram (nfqnl_enqueue_packet unicasts each).
        Ok(match wire::messages(&self.receive).next() {
            Some(Message::Packet(packet)) => Received::Packet(packet),
            Some(Message::Answer { errno: libc::ENOENT, sequence }) => Received::Gone(sequence),
            Some(Message::Answer { .. } | Message::Unknown) | None => Received::Other,
        })
    }

    /// Lets the packets `ids` go on, in this order.
    ///
    /// # Errors
    /// [`QueueError::Verdict`] if the kernel took no message.
    pub fn accept(&mut self, ids: &[u32]) -> Result<(), QueueError> {
        for chunk in ids.chunks(VERDICTS_PER_SEND) {
            self.send.clear();
            for id in chunk {
                wire::accept(&mut self.send, self.queue, *id);
            }
            self.send().map_err(|source| QueueError::Verdict { queue: self.queue, source })?;
        }
        Ok(())
    }

    /// Lets every queued packet up to and including `id` go on, in the order in which they came. `count` is how many
    /// they are, for [`Received::Gone`].
    ///
    /// # Errors
    /// [`QueueError::Verdict`] if the kernel did not take the message.
    pub fn accept_through(&mut self, id: u32, count: usize) -> Result<(), QueueError> {
        self.send.clear();
        wire::accept_through(&mut self.send, self.queue, id, u32::try_from(count).unwrap_or(u32::MAX));
        self.send().map_err(|source| QueueError::Verdict { queue: self.queue, source })
    }

    /// Closes the queue to new packets, which then pass at once. `late` gets what was on its way.
    ///
    /// # Errors
    /// [`QueueError::Configure`] if the kernel refuses.
    pub fn admit_no_more(&mut self, late: &mut dyn FnMut(Received)) -> Result<(), QueueError> {
        self.send.clear();
        // With the flag FAIL_OPEN a packet that meets a full queue is accepted, and a queue of length 0 is always full.
        wire::set_max_len(&mut self.send, self.queue, 0);
        self.configure(late)
    }

    /// Closes the queue to new packets and lets every queued one go on, whether its notice was read or not.
    /// `last_id` is the newest id that was read, 0 if there was none; `count` is how many packets are held.
    ///
    /// # Errors
    /// Tries both steps and returns the first error.
    pub fn release_all(
        &mut self,
        last_id: u32,
        count: usize,
        late: &mut dyn FnMut(Received),
    ) -> Result<(), QueueError> {
        let closed = self.admit_no_more(late);
        let released = self.accept_through(last_id.wrapping_add(AHEAD), count);
        closed.and(released)
    }

    /// Sends what stands in the send buffer and waits for its answer.
    fn configure(&mut self, late: &mut dyn FnMut(Received)) -> Result<(), QueueError> {
        let queue = self.queue;
        let failed = |source| QueueError::Configure { queue, source };
        self.send().map_err(failed)?;
        // The kernel answers within the send; only packets that were queued before can stand in front of the answer.
        loop {
            match self.datagram() {
                Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::ENOBUFS)) => continue,
                other => other.map_err(failed)?,
            }
            for message in wire::messages(&self.receive) {
                match message {
                    Message::Answer { errno: 0, .. } => return Ok(()),
                    Message::Answer { errno: libc::EPERM | libc::EBUSY, .. } => {
                        return Err(QueueError::Taken { queue });
                    }
                    Message::Answer { errno: libc::ENOENT, sequence } => late(Received::Gone(sequence)),
                    Message::Answer { errno, .. } => return Err(failed(io::Error::from_raw_os_error(errno))),
                    Message::Unknown => {}
                    Message::Packet(packet) => late(Received::Packet(packet)),
                }
            }
        }
    }

    /// Reads one datagram of the kernel into the receive buffer; others' are read as empty.
    fn datagram(&mut self) -> io::Result<()> {
        self.receive.clear();
        let (_, sender) = self.socket.recv_from(&mut self.receive, 0)?;
        if sender != SocketAddr::new(0, 0) {
            self.receive.clear();
        }
        Ok(())
    }

    fn send(&self) -> io::Result<()> {
        let mut attempt = 0;
        loop {
            match self.socket.send(&self.send, 0) {
                Ok(_) => return Ok(()),
                Err(error) => {
                    attempt += 1;
                    let again =
                        matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM));
                    if !again || attempt == SEND_ATTEMPTS {
                        return Err(error);
                    }
                }
            }
        }
    }
}

impl AsFd for QueueSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
