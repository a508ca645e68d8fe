//! A position in the write-ahead log.
//!
//! Invariant: the text form is PostgreSQL's `X/X`, two hexadecimal halves
//! without zero padding, and parsing what was printed gives the same value.

use std::fmt;
use std::str::FromStr;

/// A position in the write-ahead log, in bytes since `0/0`.
///
/// ```
/// use herdsman_pgctl::Lsn;
///
/// let lsn: Lsn = "1/6A0001C8".parse()?;
/// assert_eq!(lsn, Lsn(0x1_6A00_01C8));
/// assert_eq!(lsn.to_string(), "1/6A0001C8");
/// assert_eq!(lsn.bytes_since(Lsn(0x1_6A00_0000)), 0x1C8);
/// # Ok::<(), herdsman_pgctl::ParseValueError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The value PostgreSQL prints for "no position", `0/0`.
    pub const INVALID: Self = Self(0);

    /// Bytes of log between `earlier` and `self`; zero when `self` is not ahead.
    #[must_use]
    pub fn bytes_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl FromStr for Lsn {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseValueError::new("log position", text);
        let (high, low) = text.split_once('/').ok_or_else(error)?;
        let half = |digits: &str| {
            let plain = (1..=8).contains(&digits.len())
                && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !plain {
                return Err(error());
            }
            u64::from_str_radix(digits, 16).map_err(|_| error())
        };
        Ok(Self(half(high)? << 32 | half(low)?))
    }
}

/// A text is not a value of the expected kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind}: {text:?}")]
pub struct ParseValueError {
    kind: &'static str,
    text: String,
}

impl ParseValueError {
    pub(crate) fn new(kind: &'static str, text: &str) -> Self {
        Self {
            kind,
            text: text.chars().take(80).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_positions_have_no_zero_padding() {
        assert_eq!(Lsn(0).to_string(), "0/0");
        assert_eq!(Lsn(0x3000060).to_string(), "0/3000060");
        assert_eq!(Lsn(u64::MAX).to_string(), "FFFFFFFF/FFFFFFFF");
    }

    #[test]
    fn parsing_accepts_padding_and_lower_case() {
        assert_eq!("0/03000060".parse(), Ok(Lsn(0x3000060)));
        assert_eq!("a/b".parse(), Ok(Lsn(0xA_0000_000B)));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "/",
            "1",
            "1/",
            "/1",
            "1/2/3",
            "+1/2",
            " 1/2",
            "1/123456789",
            "x/1",
        ] {
            assert!(text.parse::<Lsn>().is_err(), "{text:?}");
        }
    }
}
