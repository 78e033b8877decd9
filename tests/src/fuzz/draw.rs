//! Choices drawn from the bytes of a fuzzer.
//!
//! The same bytes always give the same choices, and used-up bytes give zeros: a corpus means what it meant when it was
//! kept only for as long as the draws come in the same order.

/// Bytes to draw from.
#[derive(Clone, Debug)]
pub(super) struct Draw<'b> {
    bytes: &'b [u8],
}

impl<'b> Draw<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    /// Draws two bytes.
    pub(super) fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// Draws eight bytes.
    pub(super) fn long(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    pub(super) fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    /// Draws a number below `count`: of one byte where that is enough, else of two. Of none it is zero.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let drawn = if count <= 256 { usize::from(self.byte()) } else { usize::from(self.short()) };
        drawn.checked_rem(count).unwrap_or(0)
    }

    /// Draws one of several.
    pub(super) fn of<T: Clone, const N: usize>(&mut self, choices: [T; N]) -> T {
        let at = self.below(N);
        choices[at].clone()
    }

    /// Draws text: a length below `most`, then that many bytes, of which what is no UTF-8 is replaced.
    pub(super) fn text(&mut self, most: usize) -> String {
        let len = self.below(most).min(self.bytes.len());
        let (text, rest) = self.bytes.split_at(len);
        self.bytes = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    /// Returns everything that is left.
    pub(super) fn rest(self) -> &'b [u8] {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_take_bytes_in_order_and_then_zeros() {
        let mut draw = Draw::new(&[7, 1, 2, 3, b'a', 0xff, b'b', 9]);
        assert_eq!((draw.below(5), draw.short(), draw.text(10)), (2, 0x0201, "a\u{fffd}b".to_owned()));
        assert_eq!((draw.clone().rest(), draw.is_used_up()), (&[9][..], false));
        assert_eq!((draw.byte(), draw.long(), draw.below(0), draw.of(["x", "y"])), (9, 0, 0, "x"));
        assert!(draw.is_used_up());
    }
}
