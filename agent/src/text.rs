//! Small texts for people and other programs.

use herdsman_ha_core::Wall;

/// An instant in UTC as ISO 8601 with milliseconds, such as `2026-11-20T15:04:05.678+00:00`.
pub(crate) fn iso_8601(wall: Wall) -> String {
    let millis = wall.0.rem_euclid(1000);
    let seconds = wall.0.div_euclid(1000);
    let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (
        second_of_day / 3600,
        second_of_day / 60 % 60,
        second_of_day % 60,
    );
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}+00:00")
}

/// The civil date of a number of days since 1970-01-01, in the proleptic Gregorian calendar.
///
/// Counted in eras of 400 years that begin on the first of March, so that leap days come last.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_print_as_dates() {
        assert_eq!(iso_8601(Wall(0)), "1970-01-01T00:00:00.000+00:00");
        assert_eq!(
            iso_8601(Wall(951_782_400_000)),
            "2000-02-29T00:00:00.000+00:00"
        );
        assert_eq!(
            iso_8601(Wall(1_795_000_000_123)),
            "2026-11-18T11:06:40.123+00:00"
        );
        assert_eq!(iso_8601(Wall(-1)), "1969-12-31T23:59:59.999+00:00");
    }
}
