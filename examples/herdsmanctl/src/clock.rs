//! The time of day, in UTC: this program knows no time zones, so it writes the offset.

use herdsman_agent::Clock;

const SECONDS_PER_DAY: i64 = 86_400;

/// Milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(pub(crate) i64);

impl Instant {
    /// Reads the clock.
    pub(crate) fn now() -> Self {
        Self(Clock::default().now().wall.0)
    }

    /// As `2024-08-28 19:39:26+00:00`.
    pub(crate) fn to_the_second(self) -> String {
        format!("{}+00:00", self.date_and_time())
    }

    /// As `2024-08-28 19:39:26.352+00:00`.
    pub(crate) fn to_the_millisecond(self) -> String {
        let millis = self.0.rem_euclid(1000);
        format!("{}.{millis:03}+00:00", self.date_and_time())
    }

    fn date_and_time(self) -> String {
        let seconds = self.0.div_euclid(1000);
        let (year, month, day) = date(seconds.div_euclid(SECONDS_PER_DAY));
        let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }

    /// Reads `2024-08-28T19:39:26.352Z`, the one form in which members tell it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let (time, millis) = match time.split_once('.') {
            Some((time, millis)) if millis.len() == 3 => (time, number(millis)?),
            Some(_) => return None,
            None => (time, 0),
        };
        let date: Vec<i64> = date.split('-').map(number).collect::<Option<_>>()?;
        let time: Vec<i64> = time.split(':').map(number).collect::<Option<_>>()?;
        let (&[year, month, day], &[hour, minute, second]) = (date.as_slice(), time.as_slice())
        else {
            return None;
        };
        let is_date = (1..=12).contains(&month) && (1..=31).contains(&day) && year < 10_000;
        let is_time = hour < 24 && minute < 60 && second < 61;
        let seconds = days(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
        (is_date && is_time).then_some(Self(seconds * 1000 + millis))
    }

    /// How long ago `earlier` was, for people: the two largest units.
    pub(crate) fn age_of(self, earlier: Self) -> String {
        // Clocks of two machines differ: what seems to come is now.
        let seconds = (self.0 - earlier.0).max(0) / 1000;
        match seconds {
            0..60 => format!("{seconds} s"),
            60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
            3600..SECONDS_PER_DAY => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
            _ => {
                let (days, hours) = (seconds / SECONDS_PER_DAY, seconds / 3600 % 24);
                format!("{days} d {hours} h")
            }
        }
    }
}

/// Digits only: `parse` alone would take a sign as well.
fn number(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Days in a cycle of 400 years.
const CYCLE: i64 = 146_097;
/// Days from March 1 of the year 0 to 1970.
const EPOCH: i64 = 719_468;

/// Days since 1970. Years begin in March here, so that a leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leaps + (153 * month + 2) / 5 + day - 1 - EPOCH
}

/// Year, month and day of a number of days since 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let day = (days + EPOCH).rem_euclid(CYCLE);
    let year = (day - day / 1460 + day / 36_524 - day / (CYCLE - 1)) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let year = (days + EPOCH).div_euclid(CYCLE) * 400 + year;
    if month < 10 {
        (year, month + 3, day_of_month)
    } else {
        (year + 1, month - 9, day_of_month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_with_their_offset() {
        for (millis, text) in [
            (0, "1970-01-01 00:00:00.000+00:00"),
            (-1, "1969-12-31 23:59:59.999+00:00"),
            (951_868_799_999, "2000-02-29 23:59:59.999+00:00"),
            (1_724_873_966_352, "2024-08-28 19:39:26.352+00:00"),
        ] {
            assert_eq!(Instant(millis).to_the_millisecond(), text);
        }
        let instant = Instant(1_724_873_966_352);
        assert_eq!(instant.to_the_second(), "2024-08-28 19:39:26+00:00");
    }

    #[test]
    fn what_members_write_is_read() {
        let read = |text| Instant::parse(text).map(|instant| instant.0);
        assert_eq!(read("2024-08-28T19:39:26.352Z"), Some(1_724_873_966_352));
        assert_eq!(read("1970-01-01T00:00:01Z"), Some(1000));
        for wrong in [
            "",
            "2024-08-28 19:39:26.352Z",
            "2024-08-28T19:39:26.352",
            "2024-08-28T19:39Z",
            "2024-13-28T19:39:26Z",
            "2024-08-28T19:39:26.35Z",
            "+024-08-28T19:39:26Z",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn days_and_dates_are_each_others_inverse() {
        for day in -CYCLE..CYCLE {
            let (year, month, of_month) = date(day);
            assert_eq!(days(year, month, of_month), day);
        }
    }

    #[test]
    fn ages_show_their_two_largest_units() {
        let age = |seconds: i64| Instant(seconds * 1000).age_of(Instant(0));
        assert_eq!(age(-5), "0 s");
        assert_eq!(age(59), "59 s");
        assert_eq!(age(61), "1 min 1 s");
        assert_eq!(age(3 * 3600 + 125), "3 h 2 min");
        assert_eq!(age(49 * 3600), "2 d 1 h");
    }
}
