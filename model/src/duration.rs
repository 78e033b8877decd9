//! Durations as policies write them: a whole number and one of ms, s, m, h, d.

use std::time::Duration;

/// Reads `100ms`, `30s`, `5m`, `2h`, `1d`.
///
/// # Errors
/// What is wrong with the text.
pub fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(format!("`{text}` is no duration: write a whole number and a unit, like 100ms, 30s or 5m"));
    }
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" => return Err(format!("`{text}` has no unit: write {text}ms, {text}s or {text}m")),
        _ => return Err(format!("`{text}` is no duration: write a whole number and one of ms, s, m, h and d")),
    };
    let count: u64 = number.parse().map_err(|_e| format!("`{text}` is too long"))?;
    count.checked_mul(millis).map(Duration::from_millis).ok_or_else(|| format!("`{text}` is too long"))
}

/// Writes a duration the way [`parse`] reads it, in the largest unit that stays whole.
pub fn show(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

#[cfg(test)]
mod tests {
    use super::{parse, show};
    use std::time::Duration;

    #[test]
    fn what_is_shown_is_read_back() {
        for text in ["1ms", "100ms", "1s", "90s", "5m", "2h", "1d", "1500ms"] {
            assert_eq!(show(parse(text).unwrap()), if text == "90s" { "90s" } else { text });
        }
    }

    #[test]
    fn fractions_signs_and_missing_units_are_refused() {
        for text in ["0.5s", "-1s", "1e9h", "", "5", "s", "1 s", "1w", "99999999999999999999s", "18446744073709551615d"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("10m").unwrap(), Duration::from_secs(600));
    }
}
