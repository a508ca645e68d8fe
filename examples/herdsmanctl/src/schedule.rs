//! When something shall happen, as people write it.
//!
//! A time without an offset is one of this machine's time zone. The invariant: what is sent to
//! members has an offset.

use tz::{DateTime, TimeZone};

use crate::error::Error;

/// When.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Now,
    /// ISO 8601 with an offset.
    At(String),
}

/// A date and a time of the day as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Written {
    year: i32,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    microseconds: u32,
    /// Seconds east of Greenwich, where it is written.
    offset: Option<i32>,
}

/// Reads `now`, or a time such as `2030-01-01T10:00`, `2030-01-01 10:00:30.5+01:00`.
pub(crate) fn parse(text: &str) -> Result<When, Error> {
    parse_in(text, &TimeZone::local().unwrap_or_else(|_| TimeZone::utc()))
}

fn parse_in(text: &str, zone: &TimeZone) -> Result<When, Error> {
    if matches!(text, "" | "now") {
        return Ok(When::Now);
    }
    let at = read(text).and_then(|written| with_offset(written, zone));
    at.map(When::At).ok_or_else(|| {
        Error::Refused(format!(
            "Unable to parse scheduled timestamp ({text}). \
             It should be in an unambiguous format (e.g. ISO 8601)"
        ))
    })
}

/// The time in an hour, as an example of what may be written.
pub(crate) fn in_an_hour() -> String {
    let zone = TimeZone::local().unwrap_or_else(|_| TimeZone::utc());
    let in_an_hour = crate::clock::Instant::now().0.div_euclid(1000) + 3600;
    let Ok(time) = DateTime::from_timespec(in_an_hour, 0, zone.as_ref()) else {
        return "2030-01-01T10:00".to_owned();
    };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}",
        time.year(),
        time.month(),
        time.month_day(),
        time.hour(),
        time.minute()
    )
}

fn read(text: &str) -> Option<Written> {
    let (date, rest) = match text.split_once(['T', ' ']) {
        Some((date, rest)) => (date, rest),
        None => (text, "00:00"),
    };
    let mut date = date.splitn(3, '-');
    let year = digits(date.next()?, 4)?;
    let month = digits(date.next()?, 2)?;
    let day = digits(date.next()?, 2)?;
    let end = rest
        .find(|letter: char| !letter.is_ascii_digit() && !matches!(letter, ':' | '.'))
        .unwrap_or(rest.len());
    let (time, zone) = rest.split_at(end);
    let offset = match zone.trim() {
        "" => None,
        zone => Some(offset(zone)?),
    };
    let (time, microseconds) = match time.split_once('.') {
        Some((time, fraction)) => (time, fraction_of_a_second(fraction)?),
        None => (time, 0),
    };
    let mut time = time.splitn(3, ':');
    let hour = digits(time.next()?, 2)?;
    let minute = digits(time.next()?, 2)?;
    let second = time.next().map_or(Some(0), |text| digits(text, 2))?;
    Some(Written {
        year: i32::try_from(year).ok()?,
        month: u8::try_from(month).ok()?,
        day: u8::try_from(day).ok()?,
        hour: u8::try_from(hour).ok()?,
        minute: u8::try_from(minute).ok()?,
        second: u8::try_from(second).ok()?,
        microseconds,
        offset,
    })
}

fn digits(text: &str, count: usize) -> Option<u32> {
    let is_number = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn fraction_of_a_second(text: &str) -> Option<u32> {
    let is_fraction = (1..=9).contains(&text.len());
    let digits: String = format!("{text:0<6}").chars().take(6).collect();
    is_fraction.then(|| digits.parse().ok()).flatten()
}

/// `Z`, `UTC`, `+01`, `+0130` or `+01:30`.
fn offset(text: &str) -> Option<i32> {
    if matches!(text, "Z" | "z" | "UTC") {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if rest.len() == 4 => rest.split_at(2),
        None => (rest, "00"),
    };
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    let is_offset = hours < 24 && minutes < 60;
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    is_offset.then_some(sign * seconds)
}

/// A time that a change of the clocks leaves out, or repeats, is none: nobody knows which is meant.
fn with_offset(written: Written, zone: &TimeZone) -> Option<String> {
    let Written {
        year,
        month,
        day,
        hour,
        minute,
        second,
        microseconds,
        offset,
    } = written;
    let fixed = match offset {
        Some(offset) => Some(TimeZone::fixed(offset).ok()?),
        None => None,
    };
    let zone = fixed.as_ref().unwrap_or(zone);
    let found = DateTime::find(year, month, day, hour, minute, second, 0, zone.as_ref()).ok()?;
    let offset = found.unique()?.local_time_type().ut_offset();
    let fraction = match microseconds {
        0 => String::new(),
        some => format!(".{some:06}"),
    };
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.abs() / 60;
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}\
         {sign}{:02}:{:02}",
        minutes / 60,
        minutes % 60
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> When {
        let berlin = TimeZone::from_posix_tz("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        parse_in(text, &berlin).unwrap()
    }

    #[test]
    fn times_are_read_with_and_without_an_offset() {
        for (text, read) in [
            ("2030-01-01T10:00Z", "2030-01-01T10:00:00+00:00"),
            ("2030-01-01 10:00:30 UTC", "2030-01-01T10:00:30+00:00"),
            (
                "2030-01-01T10:00:30.25-03",
                "2030-01-01T10:00:30.250000-03:00",
            ),
            ("2030-01-01T10:00+0530", "2030-01-01T10:00:00+05:30"),
            ("2030-01-01T10:00+05:30", "2030-01-01T10:00:00+05:30"),
            ("2030-01-01T10:00", "2030-01-01T10:00:00+01:00"),
            ("2030-07-01T10:00", "2030-07-01T10:00:00+02:00"),
            ("2030-07-01", "2030-07-01T00:00:00+02:00"),
        ] {
            assert_eq!(at(text), When::At(read.to_owned()), "{text}");
        }
        assert_eq!((at("now"), at("")), (When::Now, When::Now));
    }

    #[test]
    fn what_is_ambiguous_or_no_time_is_refused() {
        for text in [
            "tomorrow",
            "10:00",
            "01/02/2030",
            "2030-02-30T10:00Z",
            "2030-01-01T25:00Z",
            "2030-01-01T10:00+25",
            "2030-01-01T10:00 MSK",
            "2030-01-01T10:00:00.",
            // The clocks go forward, and back.
            "2030-03-31T02:30",
            "2030-10-27T02:30",
        ] {
            let berlin = TimeZone::from_posix_tz("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
            let told = parse_in(text, &berlin).unwrap_err().line();
            let begin = format!("Error: Unable to parse scheduled timestamp ({text}).");
            assert!(told.starts_with(&begin), "{told}");
        }
    }
}
