//! Instants as people and other programs write them: ISO 8601 with a time zone.
//!
//! A text without a zone is refused rather than guessed: two members may have different ones.

use alloc::format;
use alloc::string::String;

use crate::time::Wall;

/// Why a text is no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadMoment {
    /// It is one, but nothing says in which time zone.
    NoZone,
    /// It cannot be read.
    Unreadable,
}

impl Wall {
    /// Reads `2030-01-31T12:00:00+01:00` and its usual variants: a space for the `T`, seconds and
    /// their fraction left out, `Z` or `UTC` for the zone, no colon in it.
    ///
    /// # Errors
    ///
    /// When the zone is missing, or anything else is wrong.
    pub fn parse(text: &str) -> Result<Self, BadMoment> {
        let text = text.trim();
        if !text.is_ascii() || text.len() < 16 {
            return Err(BadMoment::Unreadable);
        }
        let (date, rest) = text.split_at(10);
        let clock = rest
            .strip_prefix(['T', 't', ' '])
            .ok_or(BadMoment::Unreadable)?
            .trim_start();
        let days = day_number(date).ok_or(BadMoment::Unreadable)?;
        let end = clock
            .find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.'))
            .unwrap_or(clock.len());
        let (clock, zone) = clock.split_at(end);
        let millis = millis_of_day(clock).ok_or(BadMoment::Unreadable)?;
        let zone = zone.trim();
        if zone.is_empty() {
            return Err(BadMoment::NoZone);
        }
        let offset = zone_minutes(zone).ok_or(BadMoment::Unreadable)?;
        Ok(Self(days * 86_400_000 + millis - offset * 60_000))
    }

    /// The instant as ISO 8601 text in UTC, to the second.
    #[must_use]
    pub fn iso(self) -> String {
        let seconds = self.0.div_euclid(1000);
        let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = date_of(day);
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}+00:00",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }
}

fn number(text: &str) -> Option<i64> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok()).flatten()
}

/// Days since 1970 of `YYYY-MM-DD`.
fn day_number(date: &str) -> Option<i64> {
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    if !(1..=12).contains(&month) || day < 1 || year < 1 {
        return None;
    }
    let days = days_before(year, month) + day - 1;
    // A day that its month does not have would be one of the next.
    (date_of(days) == (year, month, day)).then_some(days)
}

/// Days from 1970 to the first of a month, in the Gregorian calendar.
fn days_before(year: i64, month: i64) -> i64 {
    // Years that begin in March end with the day that leap years add.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month + 2) / 5 - 719_468
}

/// Year, month and day of a number of days since 1970.
fn date_of(days: i64) -> (i64, i64, i64) {
    let mut year = 1970 + days.div_euclid(366);
    while days_before(year + 1, 1) <= days {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days_before(year, month + 1) <= days {
        month += 1;
    }
    (year, month, days - days_before(year, month) + 1)
}

/// Milliseconds since midnight of `HH:MM[:SS[.fraction]]`.
fn millis_of_day(clock: &str) -> Option<i64> {
    let mut parts = clock.split(':');
    let two = |part: &str| number(part).filter(|_| part.len() == 2);
    let hours = two(parts.next()?)?;
    let minutes = two(parts.next()?)?;
    let (seconds, millis) = match parts.next() {
        None => (0, 0),
        Some(part) => {
            let (whole, fraction) = part.split_once('.').unwrap_or((part, "0"));
            let three = format!("{fraction:0<3}");
            number(fraction)?;
            (two(whole)?, number(three.get(..3)?)?)
        }
    };
    let is_clock = hours < 24 && minutes < 60 && seconds < 60 && parts.next().is_none();
    is_clock.then_some(((hours * 60 + minutes) * 60 + seconds) * 1000 + millis)
}

/// Minutes east of Greenwich.
fn zone_minutes(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z" | "UTC" | "GMT") {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let digits: String = rest.chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match digits.len() {
        2 => (number(&digits)?, 0),
        4 => (number(digits.get(..2)?)?, number(digits.get(2..)?)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;

    #[test]
    fn instants_are_read_in_their_usual_forms() {
        let noon = 1_893_499_200_000;
        for text in [
            "2030-01-01T12:00:00+00:00",
            "2030-01-01T12:00:00Z",
            "2030-01-01 12:00:00 UTC",
            "2030-01-01T12:00Z",
            "2030-01-01T13:00:00+01:00",
            "2030-01-01T13:00:00+0100",
            "2030-01-01T13:00:00+01",
            "2030-01-01T06:30:00.000-05:30",
            "2030-01-01T12:00:00.000400+00:00",
        ] {
            assert_eq!(Wall::parse(text), Ok(Wall(noon)), "{text}");
        }
        assert_eq!(Wall::parse("2030-01-01T12:00:00.25Z"), Ok(Wall(noon + 250)));
    }

    #[test]
    fn a_missing_zone_is_told_apart_from_nonsense() {
        for text in ["2030-01-01T12:00:00", "2030-01-01 12:00"] {
            assert_eq!(Wall::parse(text), Err(BadMoment::NoZone), "{text}");
        }
        for text in [
            "",
            "tomorrow at noon, please",
            "2030-13-01T12:00:00Z",
            "2030-02-30T12:00:00Z",
            "2030-01-01T25:00:00Z",
            "2030-01-01T12:00:00+25:00",
            "2030-01-01T12:00:00 Mars",
            "2030-01-01T12Z-12-12",
            "2030-01-01",
            "2030-01-01T12:00:0\u{e9}Z",
        ] {
            assert_eq!(Wall::parse(text), Err(BadMoment::Unreadable), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for millis in [
            0,
            951_782_400_000,
            1_709_164_800_000,
            4_102_444_799_000,
            -86_400_000,
        ] {
            let text = Wall(millis).iso();
            assert_eq!(Wall::parse(&text), Ok(Wall(millis)), "{text}");
        }
        assert_eq!(
            Wall(951_782_400_000).iso(),
            "2000-02-29T00:00:00+00:00".to_owned()
        );
    }
}
