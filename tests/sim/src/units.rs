//! Numbers with units as words: seconds, bytes and instants, written and read without loss.

use std::fmt;
use std::time::Duration;

use crate::ids::{At, Node};

/// A duration as seconds with the decimals that are there: `40`, `0.25`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_secs())?;
        let nanos = self.0.subsec_nanos();
        if nanos == 0 {
            return Ok(());
        }
        let decimals = format!("{nanos:09}");
        write!(f, ".{}", decimals.trim_end_matches('0'))
    }
}

/// Reads seconds; an `s` may follow.
///
/// # Errors
///
/// What is no number of seconds, or finer than a nanosecond.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text);
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > 9 {
        return Err(format!("{text} is no number of seconds"));
    }
    let nanos = format!("{decimals:0<9}").parse();
    match (whole.parse(), nanos) {
        (Ok(whole), Ok(nanos)) => Ok(Duration::new(whole, nanos)),
        _ => Err(format!("{text} is too long a time")),
    }
}

/// An instant with all its digits, where its `Display` ends at milliseconds.
#[must_use]
pub fn exact(at: At) -> String {
    format!("T+{}", Seconds(Duration::from_nanos(at.0)))
}

/// Reads an instant: `T+20.1`.
///
/// # Errors
///
/// What is no instant.
pub fn instant(text: &str) -> Result<At, String> {
    let number = text.strip_prefix("T+");
    let number = number.ok_or_else(|| format!("{text} does not begin with T+"))?;
    Ok(At::default().plus(seconds(number)?))
}

const UNITS: [(&str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];

/// A number of bytes in the largest unit that divides it: `18MiB`, `600B`.
#[must_use]
pub fn bytes(number: u64) -> String {
    let fitting = |(_, bits): &&(&str, u32)| number != 0 && number.trailing_zeros() >= *bits;
    match UNITS.iter().find(fitting) {
        Some((unit, bits)) => format!("{}{unit}", number >> bits),
        None => format!("{number}B"),
    }
}

/// Reads a number of bytes.
///
/// # Errors
///
/// What is no number of bytes.
pub fn parsed_bytes(text: &str) -> Result<u64, String> {
    let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
    let (number, bits) = match unit {
        Some((unit, bits)) => (text.trim_end_matches(unit), *bits),
        None => (text.strip_suffix('B').unwrap_or(text), 0),
    };
    let number = number.parse::<u64>().ok();
    let number = number.and_then(|number| number.checked_mul(1 << bits));
    number.ok_or_else(|| format!("{text} is no number of bytes"))
}

/// Reads a member's letter.
///
/// # Errors
///
/// What is no single letter.
pub fn node(text: &str) -> Result<Node, String> {
    match text.as_bytes() {
        [letter @ b'a'..=b'z'] => Ok(Node(letter - b'a')),
        _ => Err(format!("{text} is no member: members are single letters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_as_they_are_written() {
        for millis in [0, 1, 250, 1000, 40_000, 1_234_567] {
            let duration = Duration::from_millis(millis);
            assert_eq!(seconds(&Seconds(duration).to_string()), Ok(duration));
        }
        let fine = Duration::from_nanos(1_000_000_001);
        assert_eq!(Seconds(fine).to_string(), "1.000000001");
        assert_eq!(seconds("1.000000001"), Ok(fine));
        assert_eq!(seconds("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(instant(&exact(At(20_100_000_001))), Ok(At(20_100_000_001)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "s", "-1", "1.", ".5", "1.0000000001", "1e3", "a"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert!(instant("20").is_err());
    }

    #[test]
    fn bytes_are_read_as_they_are_written() {
        for number in [0, 600, 1024, 18 << 20, 1 << 30, (1 << 20) + 1] {
            assert_eq!(parsed_bytes(&bytes(number)), Ok(number));
        }
        assert_eq!(bytes(18 << 20), "18MiB");
        assert!(parsed_bytes("MiB").is_err());
        assert!(parsed_bytes("99999999999GiB").is_err());
    }
}
