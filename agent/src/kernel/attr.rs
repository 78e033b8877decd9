//! Netlink attributes as bytes, both ways.
//!
//! One codec for nf_tables, links and qdiscs. Reading never panics, whatever the bytes are; writing never truncates a
//! length: an attribute that is too long marks the whole message, and [`super::netlink`] refuses to send it.

/// `NLA_F_NESTED`, include/uapi/linux/netlink.h.
const NESTED: u16 = 0x8000;
/// The inverse of `NLA_TYPE_MASK`: nested and byte order flags.
const FLAGS: u16 = 0xc000;
const HEADER: usize = 4;

/// A list of attributes under construction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Attributes {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let Ok(length) = u16::try_from(value.len() + HEADER) else {
            self.too_long = true;
            return self;
        };
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// Adds a text, with the NUL that the kernel wants.
    #[must_use]
    pub fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.with(kind, &bytes)
    }

    /// Adds a number in network byte order, as all of nf_tables.
    #[must_use]
    pub fn be32(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_be_bytes())
    }

    /// Adds a number in network byte order.
    #[must_use]
    pub fn be64(self, kind: u16, value: u64) -> Self {
        self.with(kind, &value.to_be_bytes())
    }

    /// Adds a list of attributes as one attribute.
    #[must_use]
    pub fn nest(self, kind: u16, inner: &Self) -> Self {
        let mut outer = self.with(kind | NESTED, &inner.bytes);
        outer.too_long |= inner.too_long;
        outer
    }

    pub fn is_too_long(&self) -> bool {
        self.too_long
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Walks over the attributes in `bytes`; stops at the first that is malformed.
pub fn walk(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (length, kind) = (number16(bytes.get(..2)?)?, number16(bytes.get(2..4)?)?);
        let value = bytes.get(HEADER..usize::from(length))?;
        bytes = bytes.get(usize::from(length).next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind & !FLAGS, value))
    })
}

/// Returns the first attribute of this kind.
pub fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    walk(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// Returns the attribute at the end of a path of nested ones.
pub fn dig<'a>(bytes: &'a [u8], path: &[u16]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, kind| find(bytes, *kind))
}

/// Returns the text in an attribute, without what follows its NUL.
pub fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

fn number16(value: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(value.try_into().ok()?))
}

/// Returns a number in host byte order.
pub fn ne32(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.get(..4)?.try_into().ok()?))
}

/// Returns a number in network byte order.
pub fn be32(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.get(..4)?.try_into().ok()?))
}

/// Returns a number in network byte order.
pub fn be64(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.get(..8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let inner = Attributes::new().text(1, "eth0").be64(2, 7);
        let all = Attributes::new().be32(9, 5).nest(3, &inner);
        assert_eq!(find(all.bytes(), 9).and_then(be32), Some(5));
        assert_eq!(dig(all.bytes(), &[3, 1]).map(text), Some("eth0".into()));
        assert_eq!(dig(all.bytes(), &[3, 2]).and_then(be64), Some(7));
        assert_eq!(find(all.bytes(), 4), None);
    }

    #[test]
    fn an_attribute_that_does_not_fit_marks_the_message() {
        let big = Attributes::new().with(1, &vec![0; 65_532]);
        assert!(big.is_too_long());
        assert!(Attributes::new().nest(2, &big).is_too_long());
        assert!(!Attributes::new().with(1, &vec![0; 65_531]).is_too_long());
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(bytes: Vec<u8>) {
            for (kind, value) in walk(&bytes) {
                assert!(kind < FLAGS && value.len() <= bytes.len());
            }
        }
    }
}
