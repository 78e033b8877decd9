//! NFQUEUE messages as bytes: builds the three that go to the kernel, reads the two that come back.
//!
//! Everything from the kernel is taken as untrusted: a message that does not hold what it says is skipped or reported,
//! never indexed into. Numbers are from `include/uapi/linux/netfilter/nfnetlink_queue.h` and `linux/netlink.h`, Linux
//! 6.18: <https://elixir.bootlin.com/linux/v6.18/source/include/uapi/linux/netfilter/nfnetlink_queue.h>.

const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLMSG_HEADER: usize = 16;
const NFGENMSG: usize = 4;

const NFNL_SUBSYS_QUEUE: u16 = 3 << 8;
const NFQNL_MSG_PACKET: u16 = NFNL_SUBSYS_QUEUE;
const NFQNL_MSG_VERDICT: u16 = NFNL_SUBSYS_QUEUE | 1;
const NFQNL_MSG_CONFIG: u16 = NFNL_SUBSYS_QUEUE | 2;
const NFQNL_MSG_VERDICT_BATCH: u16 = NFNL_SUBSYS_QUEUE | 3;

const NFQA_PACKET_HDR: u16 = 1;
const NFQA_VERDICT_HDR: u16 = 2;
/// The two top bits of an attribute's type are flags (nested, byte order), not part of the number.
const NLA_TYPE_MASK: u16 = 0x3fff;

const NFQA_CFG_CMD: u16 = 1;
const NFQA_CFG_PARAMS: u16 = 2;
const NFQA_CFG_QUEUE_MAXLEN: u16 = 3;
const NFQA_CFG_MASK: u16 = 4;
const NFQA_CFG_FLAGS: u16 = 5;
const NFQNL_CFG_CMD_BIND: u8 = 1;
const NFQNL_COPY_META: u8 = 1;
/// A packet that does not fit into the queue passes at once instead of being dropped.
const NFQA_CFG_F_FAIL_OPEN: u32 = 1;
/// One large offloaded packet is one entry; without it the kernel cuts it up first.
const NFQA_CFG_F_GSO: u32 = 4;

const NF_ACCEPT: u32 = 1;
const NF_INET_PRE_ROUTING: u8 = 0;
const NF_INET_LOCAL_IN: u8 = 1;

/// Which way a packet was going when it was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Hook prerouting or input.
    In,
    /// Every other hook.
    Out,
}

/// One packet that waits in the kernel for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedPacket {
    /// Counts up by one per packet of this queue and wraps at 2^32.
    pub id: u32,
    pub direction: Direction,
}

/// What one message from the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Packet(QueuedPacket),
    /// The answer to a request: 0 is the acknowledgement, otherwise a positive errno. `sequence` is the request's.
    Answer {
        errno: i32,
        sequence: u32,
    },
    /// Not about a queue, or cut short.
    Unknown,
}

/// Returns the messages of one datagram; stops at the first header that does not fit.
pub(super) fn messages(datagram: &[u8]) -> impl Iterator<Item = Message> + '_ {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(bytes_at(rest, 0)?)).ok()?;
        let kind = u16::from_ne_bytes(bytes_at(rest, 4)?);
        let sequence = u32::from_ne_bytes(bytes_at(rest, 8)?);
        let message = rest.get(NLMSG_HEADER..length)?;
        rest = rest.get(align(length)..).unwrap_or_default();
        Some(read(kind, sequence, message))
    })
}

fn read(kind: u16, sequence: u32, body: &[u8]) -> Message {
    match kind {
        NLMSG_ERROR => bytes_at(body, 0).map_or(Message::Unknown, |code| Message::Answer {
            errno: i32::from_ne_bytes(code).saturating_neg(),
            sequence,
        }),
        NFQNL_MSG_PACKET => packet(body.get(NFGENMSG..).unwrap_or_default()).map_or(Message::Unknown, Message::Packet),
        _ => Message::Unknown,
    }
}

/// Finds `struct nfqnl_msg_packet_hdr { __be32 id; __be16 protocol; __u8 hook; }`, seven bytes.
fn packet(mut attributes: &[u8]) -> Option<QueuedPacket> {
    loop {
        let length = usize::from(u16::from_ne_bytes(bytes_at(attributes, 0)?));
        let kind = u16::from_ne_bytes(bytes_at(attributes, 2)?) & NLA_TYPE_MASK;
        let value = attributes.get(4..length)?;
        if kind == NFQA_PACKET_HDR {
            let id = u32::from_be_bytes(bytes_at(value, 0)?);
            let hook = *value.get(6)?;
            let direction =
                if matches!(hook, NF_INET_PRE_ROUTING | NF_INET_LOCAL_IN) { Direction::In } else { Direction::Out };
            return Some(QueuedPacket { id, direction });
        }
        attributes = attributes.get(align(length)..)?;
    }
}

/// Appends one message that binds `queue`, asks for packet ids only, and sets its length and flags. The kernel handles
/// the attributes in this order within one call, so no packet meets a queue that is half set up.
pub(super) fn bind(buffer: &mut Vec<u8>, queue: u16, max_len: u32) {
    let flags = NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO;
    message(buffer, NFQNL_MSG_CONFIG, NLM_F_REQUEST | NLM_F_ACK, 0, queue, |buffer| {
        attribute(buffer, NFQA_CFG_CMD, &[NFQNL_CFG_CMD_BIND, 0, 0, 0]);
        attribute(buffer, NFQA_CFG_PARAMS, &[0, 0, 0, 0, NFQNL_COPY_META]);
        attribute(buffer, NFQA_CFG_QUEUE_MAXLEN, &max_len.to_be_bytes());
        attribute(buffer, NFQA_CFG_MASK, &flags.to_be_bytes());
        attribute(buffer, NFQA_CFG_FLAGS, &flags.to_be_bytes());
    });
}

/// Appends one message that changes the length of `queue`.
pub(super) fn set_max_len(buffer: &mut Vec<u8>, queue: u16, max_len: u32) {
    message(buffer, NFQNL_MSG_CONFIG, NLM_F_REQUEST | NLM_F_ACK, 0, queue, |buffer| {
        attribute(buffer, NFQA_CFG_QUEUE_MAXLEN, &max_len.to_be_bytes());
    });
}

/// Appends the verdict that lets the packet `id` go on.
pub(super) fn accept(buffer: &mut Vec<u8>, queue: u16, id: u32) {
    verdict(buffer, NFQNL_MSG_VERDICT, 1, queue, id);
}

/// Appends the verdict that lets every packet up to and including `id` go on, in order; they should be `count`.
pub(super) fn accept_through(buffer: &mut Vec<u8>, queue: u16, id: u32, count: u32) {
    verdict(buffer, NFQNL_MSG_VERDICT_BATCH, count, queue, id);
}

/// The sequence number is ours to choose and comes back with an error: it says how many packets the verdict was for.
fn verdict(buffer: &mut Vec<u8>, kind: u16, count: u32, queue: u16, id: u32) {
    let mut value = [0; 8];
    value[..4].copy_from_slice(&NF_ACCEPT.to_be_bytes());
    value[4..].copy_from_slice(&id.to_be_bytes());
    message(buffer, kind, NLM_F_REQUEST, count, queue, |buffer| attribute(buffer, NFQA_VERDICT_HDR, &value));
}

fn message(buffer: &mut Vec<u8>, kind: u16, flags: u16, sequence: u32, queue: u16, body: impl FnOnce(&mut Vec<u8>)) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(&kind.to_ne_bytes());
    buffer.extend_from_slice(&flags.to_ne_bytes());
    buffer.extend_from_slice(&sequence.to_ne_bytes());
    buffer.extend_from_slice(&[0; 4]);
    // struct nfgenmsg: family AF_UNSPEC, version 0, and the queue's number.
    buffer.extend_from_slice(&[0, 0]);
    buffer.extend_from_slice(&queue.to_be_bytes());
    body(buffer);
    let length = u32::try_from(buffer.len() - start).unwrap_or(u32::MAX);
    buffer[start..start + 4].copy_from_slice(&length.to_ne_bytes());
}

fn attribute(buffer: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    buffer.extend_from_slice(&length.to_ne_bytes());
    buffer.extend_from_slice(&kind.to_ne_bytes());
    buffer.extend_from_slice(value);
    buffer.resize(align(buffer.len()), 0);
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

fn align(length: usize) -> usize {
    length.saturating_add(3) & !3
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the kernel sends for a packet, without the attributes that are not read.
    fn packet_message(id: u32, hook: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        message(&mut bytes, NFQNL_MSG_PACKET, 0, 0, 7, |buffer| {
            attribute(buffer, 9, &[1, 2, 3]);
            let mut header = id.to_be_bytes().to_vec();
            header.extend_from_slice(&[0x08, 0x00, hook]);
            attribute(buffer, NFQA_PACKET_HDR, &header);
        });
        bytes
    }

    #[test]
    fn a_packet_is_read_behind_attributes_that_are_not_needed() {
        let mut bytes = packet_message(0x0102_0304, NF_INET_PRE_ROUTING);
        bytes.extend(packet_message(9, 4));
        let read: Vec<_> = messages(&bytes).collect();
        assert_eq!(
            read,
            [
                Message::Packet(QueuedPacket { id: 0x0102_0304, direction: Direction::In }),
                Message::Packet(QueuedPacket { id: 9, direction: Direction::Out }),
            ]
        );
    }

    #[test]
    fn a_packet_that_is_cut_anywhere_is_never_read_as_another() {
        let whole = packet_message(77, 0);
        for length in 0..whole.len() - 1 {
            for message in messages(&whole[..length]) {
                assert_eq!(message, Message::Unknown, "{length} bytes");
            }
        }
    }

    #[test]
    fn a_verdict_has_the_bytes_that_the_kernel_expects() {
        let mut bytes = Vec::new();
        accept(&mut bytes, 7, 0x0a0b_0c0d);
        let expected = [
            32, 0, 0, 0, 0x01, 0x03, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 12, 0, 2, 0, 0, 0, 0, 1, 0xa, 0xb, 0xc,
            0xd,
        ];
        assert_eq!(bytes, expected);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(messages(&bytes).count() <= bytes.len());
        }
    }
}
