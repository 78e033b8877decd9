//! A freeze that a namespace's annotations declare: why, and until when. An end that cannot be read is none.

use super::world::{Seconds, Text};
use std::fmt;

/// Annotation by which a namespace is frozen; its value is the reason.
pub const FREEZE: &str = "rumpus.dev/freeze";
/// Annotation that says until when, as RFC 3339 has it. Alone it freezes too.
pub const FREEZE_UNTIL: &str = "rumpus.dev/freeze-until";

/// The longest reason, and the longest end, that is kept.
const KEPT: usize = 200;

/// What a namespace says of a freeze.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    pub reason: Text,
    pub until: Until,
}

/// When a freeze ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// At this second, which is no longer frozen; as it is written.
    At(Seconds, Text),
    /// When the annotation is taken away.
    Lifted,
    /// It is written and cannot be read.
    Unreadable(Text),
}

impl Freeze {
    /// Reads the two annotations.
    pub fn read(reason: Option<&str>, until: Option<&str>) -> Option<Self> {
        let kept = |text: &str| -> Text { text.chars().take(KEPT).collect::<String>().into() };
        let until = match until {
            None => Until::Lifted,
            Some(text) => match text.parse::<jiff::Timestamp>() {
                Ok(at) => Until::At(at.as_second() + i64::from(at.subsec_nanosecond() > 0), kept(text)),
                Err(_) => Until::Unreadable(kept(text)),
            },
        };
        let reason = match (reason, &until) {
            (None, Until::Lifted) => return None,
            (None | Some(""), _) => "no reason is given".into(),
            (Some(reason), _) => kept(reason),
        };
        Some(Self { reason, until })
    }

    /// Returns whether it stands at an instant.
    pub fn stands(&self, now: Seconds) -> bool {
        match self.until {
            Until::At(end, _) => now < end,
            Until::Lifted | Until::Unreadable(_) => true,
        }
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(_, text) => write!(f, "until {text}"),
            Self::Lifted => f.write_str("until that is lifted"),
            Self::Unreadable(text) => write!(f, "and its end cannot be read ({FREEZE_UNTIL} is {text:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Freeze, Until};

    #[test]
    fn a_freeze_stands_until_its_end_and_for_ever_where_that_cannot_be_read() {
        let read = |until: &str| Freeze::read(Some("sale"), Some(until)).unwrap();
        for until in ["1970-01-01T00:16:40Z", "1970-01-01T01:16:40+01:00", "1970-01-01T00:16:39.5Z"] {
            assert_eq!((read(until).stands(999), read(until).stands(1000)), (true, false), "{until}");
        }
        for until in ["", "tomorrow", "1970-01-01", "1970-01-01T00:16:40", "1000"] {
            assert!(matches!(read(until).until, Until::Unreadable(_)) && read(until).stands(i64::MAX), "{until}");
        }
        assert!(Freeze::read(Some("sale"), None).unwrap().stands(i64::MAX));
        assert_eq!(Freeze::read(None, None), None);
        assert_eq!(&*Freeze::read(Some(""), None).unwrap().reason, "no reason is given");
        assert!(Freeze::read(None, Some("2999-01-01T00:00:00Z")).unwrap().stands(0), "an end alone freezes");
    }
}
