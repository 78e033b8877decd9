//! The nf_tables expressions that our rules are made of.
//!
//! A rule is a list of them; all load into register 1 and compare there. Numbers are those of
//! include/uapi/linux/netfilter/nf_tables.h (6.1).

use crate::kernel::attr::Attributes;

/// `NFT_REG_1`: 16 bytes.
const REGISTER: u32 = 1;
/// `NFT_REG_VERDICT`.
const VERDICT: u32 = 0;

/// What a packet carries beside its bytes (`enum nft_meta_keys`).
#[derive(Clone, Copy, Debug)]
pub(super) enum Meta {
    /// The ether type, 2 bytes in network order.
    Protocol = 1,
    InputName = 6,
    OutputName = 7,
    NfProto = 15,
    L4Proto = 16,
}

/// Which header an offset counts from (`enum nft_payload_bases`).
#[derive(Clone, Copy, Debug)]
pub(super) enum Base {
    Network = 1,
    Transport = 2,
}

/// `enum nft_cmp_ops`; bytes compare as big-endian numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operator {
    Equal = 0,
    Unequal = 1,
    Less = 2,
    AtMost = 3,
    AtLeast = 5,
}

/// A rule's expressions in the order in which the kernel evaluates them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expressions(Attributes);

impl Expressions {
    pub(super) fn list(&self) -> &Attributes {
        &self.0
    }

    fn push(self, name: &str, data: &Attributes) -> Self {
        Self(self.0.nest(1, &Attributes::new().text(1, name).nest(2, data)))
    }

    /// Loads a packet's `key`.
    pub(super) fn meta(self, key: Meta) -> Self {
        self.push("meta", &Attributes::new().be32(1, REGISTER).be32(2, key as u32))
    }

    /// Loads `length` bytes of a header.
    pub(super) fn payload(self, base: Base, offset: u32, length: u32) -> Self {
        let data = Attributes::new().be32(1, REGISTER).be32(2, base as u32).be32(3, offset).be32(4, length);
        self.push("payload", &data)
    }

    /// Goes on if what is loaded compares with `value`.
    pub(super) fn compare(self, operator: Operator, value: &[u8]) -> Self {
        let value = Attributes::new().with(1, value);
        self.push("cmp", &Attributes::new().be32(1, REGISTER).be32(2, operator as u32).nest(3, &value))
    }

    /// Goes on if what is loaded is in `set` of the same table.
    pub(super) fn lookup(self, set: &str) -> Self {
        self.push("lookup", &Attributes::new().text(1, set).be32(2, REGISTER))
    }

    /// Goes on with `per_million` of a million packets, drawn independently of each other.
    pub(super) fn draw(self, per_million: u32) -> Self {
        // numgen random mod 1000000 < PER_MILLION: numgen yields host order, cmp compares big-endian.
        let numgen = Attributes::new().be32(1, REGISTER).be32(2, 1_000_000).be32(3, 1).be32(4, 0);
        let to_network = Attributes::new().be32(1, REGISTER).be32(2, REGISTER).be32(3, 1).be32(4, 4).be32(5, 4);
        self.push("numgen", &numgen).push("byteorder", &to_network).compare(Operator::Less, &per_million.to_be_bytes())
    }

    /// Counts the packets that come this far.
    pub(super) fn counter(self) -> Self {
        self.push("counter", &Attributes::new().be64(1, 0).be64(2, 0))
    }

    pub(super) fn accept(self) -> Self {
        self.verdict(&Attributes::new().be32(1, 1))
    }

    pub(super) fn drop(self) -> Self {
        self.verdict(&Attributes::new().be32(1, 0))
    }

    pub(super) fn jump(self, chain: &str) -> Self {
        // NFT_JUMP is -3
        self.verdict(&Attributes::new().with(1, &(-3_i32).to_be_bytes()).text(2, chain))
    }

    fn verdict(self, verdict: &Attributes) -> Self {
        let data = Attributes::new().nest(2, verdict);
        self.push("immediate", &Attributes::new().be32(1, VERDICT).nest(2, &data))
    }

    /// Hands the packet to another device, as if that were to send it.
    pub(super) fn forward(self, ifindex: u32) -> Self {
        let data = Attributes::new().with(1, &ifindex.to_ne_bytes());
        self.push("immediate", &Attributes::new().be32(1, REGISTER).nest(2, &data))
            .push("fwd", &Attributes::new().be32(1, REGISTER))
    }

    pub(super) fn reject_by_reset(self) -> Self {
        // NFT_REJECT_TCP_RST
        self.push("reject", &Attributes::new().be32(1, 1).with(2, &[0]))
    }

    pub(super) fn reject_as_prohibited(self) -> Self {
        // NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED
        self.push("reject", &Attributes::new().be32(1, 2).with(2, &[3]))
    }

    /// `-j NFQUEUE --queue-num NUMBER --queue-bypass`, for kernels without nft's own `queue`.
    pub(super) fn queue(self, number: u16) -> Self {
        // struct xt_NFQ_info_v3 { queuenum, queues_total, flags } and 2 bytes up to XT_ALIGN;
        // flag 1 is NFQ_FLAG_BYPASS (include/uapi/linux/netfilter/xt_NFQUEUE.h).
        let info: Vec<u8> = [number, 1, 1, 0].into_iter().flat_map(u16::to_ne_bytes).collect();
        self.push("target", &Attributes::new().text(1, "NFQUEUE").be32(2, 3).with(3, &info))
    }
}
