//! Whole numbers as people write them.

use std::str::FromStr;

/// Reads digits, and nothing else: `parse` alone takes a sign. `None` also for what does not fit.
pub(crate) fn whole<T: FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn only_digits_are_a_number() {
        assert_eq!((whole::<u8>("007"), whole::<i64>("12"), whole::<u8>("256")), (Some(7), Some(12), None));
        for text in ["", "+1", "-1", " 1", "1 ", "1.5", "0x1", "\u{661}"] {
            assert_eq!(whole::<i64>(text), None, "{text:?}");
        }
    }
}
