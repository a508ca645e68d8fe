//! A few values of one thing.
//!
//! Invariant: the median of an even number of values is the mean of the two in the middle.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// 1024 * 1024 bytes.
    Mebibytes,
    /// Requests in a minute.
    PerMinute,
}

impl Unit {
    /// How it is written behind a number.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Mebibytes => "MiB",
            Self::PerMinute => "/min",
        }
    }

    const fn digits(self) -> usize {
        match self {
            Self::Seconds => 3,
            Self::Mebibytes | Self::PerMinute => 1,
        }
    }

    /// A number in this unit.
    #[must_use]
    pub fn format(self, value: f64) -> String {
        format!("{value:.*}", self.digits())
    }
}

/// All values of one measurement, in the order of the runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    values: Vec<f64>,
    stuck: Option<usize>,
}

impl Series {
    /// Measures something so often, and tells each value as soon as it is there. A run that does not
    /// end in its time is the last one.
    pub(super) fn of_runs(
        runs: usize,
        what: &str,
        tell: &impl Fn(&str),
        mut measure: impl FnMut() -> Duration,
    ) -> Self {
        let mut series = Self::default();
        for run in 1..=runs {
            let took = match survive(&mut measure) {
                Ok(took) => took,
                Err(why) => {
                    tell(&format!("{what}, run {run} of {runs}: did not end: {why}"));
                    series.stuck = Some(run);
                    return series;
                }
            };
            tell(&format!("{what}, run {run} of {runs}: {took:.3?}"));
            series.push_duration(took);
        }
        series
    }

    /// Adds the value of one run.
    pub fn push(&mut self, value: f64) {
        self.values.push(value);
    }

    /// Adds the value of one run.
    pub fn push_duration(&mut self, value: Duration) {
        self.values.push(value.as_secs_f64());
    }

    /// The value in the middle; nothing without values.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        if sorted.len() % 2 == 1 {
            return Some(upper);
        }
        Some(f64::midpoint(sorted[middle - 1], upper))
    }

    /// `median [least-most]`.
    #[must_use]
    pub fn summary(&self, unit: Unit) -> String {
        let sorted = self.sorted();
        let (Some(median), Some(least), Some(most)) =
            (self.median(), sorted.first(), sorted.last())
        else {
            return "-".to_owned();
        };
        let format = |value| unit.format(value);
        let stuck = self.stuck.map(|run| format!(", run {run} did not end"));
        format!(
            "{} [{}-{}]{}",
            format(median),
            format(*least),
            format(*most),
            stuck.unwrap_or_default()
        )
    }

    /// The run that did not end, after which there are no more.
    #[must_use]
    pub const fn stuck(&self) -> Option<usize> {
        self.stuck
    }

    /// Every value.
    #[must_use]
    pub fn all(&self, unit: Unit) -> String {
        let mut text = String::new();
        for value in &self.values {
            // Writing to a text does not fail.
            let _ = write!(text, " {}", unit.format(*value));
        }
        text.trim_start().to_owned()
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// What a run gives; the reason when it fails, which is not the end of the others.
fn survive(measure: impl FnMut() -> Duration) -> Result<Duration, String> {
    catch_unwind(AssertUnwindSafe(measure)).map_err(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        let text = text.or_else(|| cause.downcast_ref::<&str>().map(|&text| text.to_owned()));
        text.unwrap_or_else(|| "it panicked".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        let mut series = Series::default();
        values.iter().for_each(|value| series.push(*value));
        series
    }

    #[test]
    fn median_is_in_the_middle() {
        assert_eq!(series(&[]).median(), None);
        assert_eq!(series(&[3.0]).median(), Some(3.0));
        assert_eq!(series(&[3.0, 1.0, 2.0]).median(), Some(2.0));
        assert_eq!(series(&[4.0, 1.0, 2.0, 3.0]).median(), Some(2.5));
    }

    #[test]
    fn run_that_does_not_end_ends_its_series_alone() {
        let mut left = [0.2, 0.1].into_iter();
        let measure = || Duration::from_secs_f64(left.next().expect("a third run"));
        let series = Series::of_runs(5, "it", &|_: &str| {}, measure);
        assert_eq!(series.stuck(), Some(3));
        let summary = series.summary(Unit::Seconds);
        assert_eq!(summary, "0.150 [0.100-0.200], run 3 did not end");
    }

    #[test]
    fn summary_has_the_extremes_and_all_has_the_order() {
        let series = series(&[0.3, 0.1, 0.2]);
        assert_eq!(series.summary(Unit::Seconds), "0.200 [0.100-0.300]");
        assert_eq!(series.all(Unit::Mebibytes), "0.3 0.1 0.2");
        assert_eq!(Series::default().summary(Unit::Seconds), "-");
    }
}
