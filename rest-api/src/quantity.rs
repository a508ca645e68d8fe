//! Numbers of bytes as PostgreSQL writes them: `16MB`, `0x1000`, `1.5GB`, `8192`.
//!
//! What is no such number is `None`; the caller has a default for that.

/// The units, each 1024 of the one after it.
const UNITS: [&str; 5] = ["TB", "GB", "MB", "kB", "B"];

/// Reads a number of bytes. Without a unit it counts bytes.
pub(crate) fn bytes(text: &str) -> Option<i64> {
    let text = text.trim();
    let (number, unit) = split(text)?;
    let unit = unit.trim();
    if unit.is_empty() {
        return whole(number.round_ties_even());
    }
    let place = UNITS.iter().rev().position(|known| *known == unit)?;
    let size = 1024_f64.powi(i32::try_from(place).ok()?);
    // A fraction of a unit is a whole number of the next smaller one.
    let step = (size / 1024.0).max(1.0);
    whole((number * size / step).round_ties_even() * step)
}

fn whole(number: f64) -> Option<i64> {
    // Beyond 2^53 neighbours are lost, which is far beyond any distance between two positions.
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    number.is_finite().then_some(number as i64)
}

/// The number at the beginning, and the rest.
fn split(text: &str) -> Option<(f64, &str)> {
    let unsigned = text.trim_start_matches(['+', '-']);
    let sign_length = text.len() - unsigned.len();
    if sign_length > 1 {
        return None;
    }
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let (number, rest) = split_unsigned(unsigned)?;
    Some((sign * number, rest))
}

fn split_unsigned(text: &str) -> Option<(f64, &str)> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return integer(digits, 16);
    }
    let decimal = length(text, |letter| letter.is_ascii_digit());
    if decimal_point_or_exponent(&text[decimal..]) {
        let end = length(text, |letter| {
            letter.is_ascii_digit() || matches!(letter, '.' | 'e' | 'E' | '+' | '-')
        });
        return Some((text[..end].parse().ok()?, &text[end..]));
    }
    match text.strip_prefix('0') {
        Some(digits) if digits.starts_with(|letter: char| letter.is_ascii_digit()) => {
            integer(digits, 8)
        }
        Some(_) | None => integer(text, 10),
    }
}

fn decimal_point_or_exponent(rest: &str) -> bool {
    let mut letters = rest.chars();
    match letters.next() {
        Some('.') => true,
        Some('e' | 'E') => letters
            .next()
            .is_some_and(|letter| letter.is_ascii_digit() || letter == '+' || letter == '-'),
        Some(_) | None => false,
    }
}

fn integer(text: &str, radix: u32) -> Option<(f64, &str)> {
    let end = length(text, |letter| letter.is_digit(radix));
    let number = u64::from_str_radix(&text[..end], radix).ok()?;
    #[expect(clippy::cast_precision_loss, reason = "see `whole`")]
    Some((number as f64, &text[end..]))
}

fn length(text: &str, is_part: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !is_part(letter)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_postgresql_reads_them() {
        for (text, value) in [
            ("0", Some(0)),
            ("100", Some(100)),
            (" 100 ", Some(100)),
            ("+7", Some(7)),
            ("-7", Some(-7)),
            ("010", Some(8)),
            ("0x10", Some(16)),
            ("1.5", Some(2)),
            ("2.5", Some(2)),
            ("1e3", Some(1000)),
            (".5", Some(0)),
            ("00", Some(0)),
            ("1B", Some(1)),
            ("1.5B", Some(2)),
            ("0.5kB", Some(512)),
            ("0.0001kB", Some(0)),
            ("1e3kB", Some(1_024_000)),
            (" .5MB", Some(512 << 10)),
            ("5 kB ", Some(5120)),
            ("1kB", Some(1024)),
            ("10 MB", Some(10 << 20)),
            ("1.5GB", Some(1536 << 20)),
            ("0.3MB", Some(307 << 10)),
            ("2TB", Some(2 << 40)),
            ("1e30", Some(i64::MAX)),
            ("1mb", None),
            ("1KB", None),
            ("08", None),
            ("09kB", None),
            ("0x", None),
            ("0x1G", None),
            ("1e", None),
            ("1_000", None),
            ("1s", None),
            ("MB", None),
            ("", None),
            ("--1", None),
            ("1.2.3", None),
            ("ten", None),
        ] {
            assert_eq!(bytes(text), value, "{text:?}");
        }
    }
}
