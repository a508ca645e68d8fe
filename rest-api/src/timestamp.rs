//! Instants as the two texts that readers of this interface expect.
//!
//! The calendar is proleptic Gregorian in UTC; no clock is read and no zone is known.

use herdsman_ha_core::Wall;

/// As a date and time of PostgreSQL's clients: `2024-08-28 19:39:26.352000+00:00`, the fraction
/// left out when there is none.
pub(crate) fn with_space(wall: Wall) -> String {
    let Parts { date, time, millis } = Parts::of(wall);
    if millis == 0 {
        return format!("{date} {time}+00:00");
    }
    format!("{date} {time}.{millis:03}000+00:00")
}

/// As ISO 8601: `2024-08-28T19:39:26.352Z`.
pub(crate) fn iso(wall: Wall) -> String {
    let Parts { date, time, millis } = Parts::of(wall);
    format!("{date}T{time}.{millis:03}Z")
}

/// Whole seconds since 1970.
pub(crate) fn seconds(wall: Wall) -> i64 {
    wall.0.div_euclid(1000)
}

struct Parts {
    date: String,
    time: String,
    millis: i64,
}

impl Parts {
    fn of(wall: Wall) -> Self {
        let seconds = seconds(wall);
        let of_day = seconds.rem_euclid(86_400);
        let (year, month, day) = date(seconds.div_euclid(86_400));
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        Self {
            date: format!("{year:04}-{month:02}-{day:02}"),
            time: format!("{hour:02}:{minute:02}:{second:02}"),
            millis: wall.0.rem_euclid(1000),
        }
    }
}

/// Year, month and day of a number of days since 1970.
///
/// Years are counted from March, so that a leap day is the last of its year and months before it
/// have fixed lengths.
fn date(days: i64) -> (i64, i64, i64) {
    const CYCLE: i64 = 146_097;
    let from_march_of_year_0 = days + 719_468;
    let cycle = from_march_of_year_0.div_euclid(CYCLE);
    let day = from_march_of_year_0.rem_euclid(CYCLE);
    let year = (day - day / 1460 + day / 36_524 - day / (CYCLE - 1)) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (cycle * 400 + year + later, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_become_dates() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (1_724_873_966_352, "2024-08-28T19:39:26.352Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(iso(Wall(millis)), text);
        }
    }

    #[test]
    fn a_fraction_has_six_digits_or_is_left_out() {
        assert_eq!(
            with_space(Wall(1_724_873_966_352)),
            "2024-08-28 19:39:26.352000+00:00"
        );
        assert_eq!(
            with_space(Wall(1_724_873_966_000)),
            "2024-08-28 19:39:26+00:00"
        );
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let mut before = date(-1);
        for day in 0..146_097 {
            let this = date(day);
            let is_next = this.0 == before.0 && this.1 == before.1 && this.2 == before.2 + 1
                || this.0 == before.0 && this.1 == before.1 + 1 && this.2 == 1
                || this.0 == before.0 + 1 && (this.1, this.2) == (1, 1);
            assert!(is_next, "{before:?} {this:?}");
            before = this;
        }
        assert_eq!(before, (2369, 12, 31));
    }
}
