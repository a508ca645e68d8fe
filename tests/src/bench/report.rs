//! The table: a row for each measurement, a column for each program.

use std::fmt::Write as _;

use super::contender::Contender;
use super::statistics::{Series, Unit};

/// One measurement of all programs.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub title: String,
    /// What the values count.
    pub unit: Unit,
    /// The median that is aimed at, if one is: not more.
    pub target: Option<f64>,
    /// The values of each program, in the order of the report's names; none when a program cannot
    /// be measured so.
    pub series: Vec<Option<Series>>,
}

/// All that was measured.
#[derive(Clone, Debug)]
pub struct Report {
    /// The programs.
    pub names: Vec<&'static str>,
    /// The measurements.
    pub rows: Vec<Row>,
    /// How something was counted, and what did not go as usual.
    pub notes: Vec<String>,
}

impl Report {
    /// Nothing measured yet.
    pub(super) fn of(contenders: &[Contender]) -> Self {
        Self {
            names: contenders.iter().map(Contender::name).collect(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether the first program reached every target.
    #[must_use]
    pub fn is_on_target(&self) -> bool {
        self.rows.iter().all(Row::is_on_target)
    }

    /// The table, all values, and the notes.
    #[must_use]
    pub fn render(&self) -> String {
        let mut table = vec![self.head()];
        table.extend(self.rows.iter().map(Row::cells));
        let mut text = aligned(&table);
        text.push_str("\nAll values, in the order of the runs:\n");
        for row in &self.rows {
            for (name, series) in self.names.iter().zip(&row.series) {
                let Some(series) = series else { continue };
                let (title, values) = (&row.title, series.all(row.unit));
                // Writing to a text does not fail.
                let _ = writeln!(text, "  {name}, {title} ({}): {values}", row.unit.symbol());
            }
        }
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        text
    }

    fn head(&self) -> Vec<String> {
        let mut head = vec!["median [least-most]".to_owned(), "target".to_owned()];
        head.extend(self.names.iter().map(|&name| name.to_owned()));
        if self.names.len() > 1 {
            head.push("ratio".to_owned());
        }
        head
    }
}

impl Row {
    fn is_on_target(&self) -> bool {
        let Some(target) = self.target else {
            return true;
        };
        let first = self.series.first().and_then(Option::as_ref);
        let median = first
            .filter(|series| series.stuck().is_none())
            .and_then(Series::median);
        median.is_some_and(|median| median <= target)
    }

    fn cells(&self) -> Vec<String> {
        let sign = if self.is_on_target() { "" } else { " MISSED" };
        let unit = self.unit;
        let mut cells = vec![
            format!("{}, {}", self.title, unit.symbol()),
            match self.target {
                Some(target) => format!("<= {}{sign}", unit.format(target)),
                None => String::new(),
            },
        ];
        cells.extend(self.series.iter().map(|series| {
            let summary = series.as_ref().map(|series| series.summary(unit));
            summary.unwrap_or_else(|| "not possible".to_owned())
        }));
        if let [Some(ours), Some(theirs)] = &self.series[..]
            && let (Some(ours), Some(theirs)) = (ours.median(), theirs.median())
        {
            cells.push(format!("{:.1}", theirs / ours));
        }
        cells
    }
}

/// Columns as wide as their widest cell.
fn aligned(table: &[Vec<String>]) -> String {
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = table.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in table {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a text does not fail.
            let _ = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Option<Series> {
        let mut series = Series::default();
        values.iter().for_each(|value| series.push(*value));
        Some(series)
    }

    fn report(ours: f64) -> Report {
        Report {
            names: vec!["herdsman", "patroni"],
            rows: vec![Row {
                title: "gap".to_owned(),
                unit: Unit::Seconds,
                target: Some(0.5),
                series: vec![series(&[ours]), series(&[1.0])],
            }],
            notes: Vec::new(),
        }
    }

    #[test]
    fn ratio_tells_how_much_more_the_other_needs() {
        let text = report(0.25).render();
        assert!(text.contains("<= 0.500"), "{text}");
        assert!(
            text.lines().nth(1).is_some_and(|row| row.ends_with("4.0")),
            "{text}"
        );
    }

    #[test]
    fn missed_target_is_marked() {
        assert!(report(0.5).is_on_target());
        let missed = report(0.51);
        assert!(!missed.is_on_target());
        assert!(missed.render().contains("MISSED"));
    }

    #[test]
    fn row_without_a_target_misses_none() {
        let mut report = report(7.0);
        report.rows[0].target = None;
        assert!(report.is_on_target());
        assert!(!report.render().contains("<="));
    }

    #[test]
    fn program_that_cannot_be_measured_has_no_ratio() {
        let mut report = report(0.25);
        report.rows[0].series[1] = None;
        assert!(report.render().contains("not possible"));
    }
}
