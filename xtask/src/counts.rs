//! How many tests passed and failed, read from what the test programs print.
//!
//! Pure: text in, numbers out. A line that is no summary counts nothing.

use std::fmt;
use std::ops::AddAssign;

/// Numbers of tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl Counts {
    /// Understands the summaries of cargo-nextest and of Rust's own harness.
    pub(crate) fn of_line(line: &str) -> Self {
        let plain = without_colours(line);
        let plain = plain.trim();
        let items = if let Some(rest) = plain.strip_prefix("test result: ") {
            rest.split_once(". ").map(|(_, items)| items)
        } else if plain.starts_with("Summary [") {
            plain.split_once("run: ").map(|(_, items)| items)
        } else {
            None
        };
        let mut counts = Self::default();
        for item in items.unwrap_or_default().split([',', ';']) {
            counts += Self::of_item(item.trim());
        }
        counts
    }

    /// `12 passed (1 slow)`, `1 timed out`, `0 filtered out`.
    fn of_item(item: &str) -> Self {
        let (number, label) = item.split_once(' ').unwrap_or_default();
        let number = number.parse().unwrap_or(0);
        let label = label.split(" (").next().unwrap_or_default();
        match label {
            "passed" => Self {
                passed: number,
                failed: 0,
            },
            "failed" | "exec failed" | "timed out" => Self {
                passed: 0,
                failed: number,
            },
            _ => Self::default(),
        }
    }
}

/// Drops terminal escapes of the form `ESC [ ... letter`.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(|c| c.is_ascii_alphabetic());
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, passed: u64, failed: u64) {
        assert_eq!(Counts::of_line(line), Counts { passed, failed }, "{line}");
    }

    #[test]
    fn nextest_summary_is_counted() {
        check(
            "     Summary [   1.234s] 12 tests run: 9 passed (1 slow, 2 flaky), 1 failed, 2 timed out, 4 skipped",
            9,
            3,
        );
        check(
            "     Summary [   0.004s] 3/9 tests run: 2 passed, 1 exec failed, 0 skipped",
            2,
            1,
        );
    }

    #[test]
    fn coloured_summary_is_counted() {
        check(
            "\u{1b}[32;1m     Summary\u{1b}[0m [   0.1s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped",
            2,
            0,
        );
    }

    #[test]
    fn harness_summary_is_counted() {
        check(
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 5 filtered out; finished in 0.00s",
            3,
            1,
        );
    }

    #[test]
    fn counts_of_several_summaries_are_added() {
        let mut total = Counts::default();
        for line in [
            "test result: ok. 2 passed; 0 failed",
            "test result: FAILED. 1 passed; 3 failed",
        ] {
            total += Counts::of_line(line);
        }
        assert_eq!(total.to_string(), "3 passed, 3 failed");
    }

    #[test]
    fn other_lines_count_nothing() {
        check("        PASS [   0.1s] xtask counts::tests::a", 0, 0);
        check("test 3 passed, 1 failed", 0, 0);
        check("", 0, 0);
    }
}
