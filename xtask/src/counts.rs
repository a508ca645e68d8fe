//! How many tests passed and failed, read from what the test programs print.
//!
//! Pure: text in, numbers out. A line that is no summary counts nothing. cargo-nextest shows what a
//! test that failed has printed, and that ends with a summary of Rust's own harness for this one
//! test: whose summaries count is therefore said.

use std::fmt;
use std::ops::AddAssign;

/// Numbers of tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

/// Whose summaries count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    Nextest,
    Harness,
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
    /// The numbers of a summary.
    pub(crate) fn of_line(line: &str, runner: Runner) -> Self {
        let plain = without_colours(line);
        let plain = plain.trim();
        let items = match runner {
            Runner::Nextest if plain.starts_with("Summary [") => plain.split_once("run: "),
            Runner::Harness if plain.starts_with("test result: ") => plain.split_once(". "),
            Runner::Nextest | Runner::Harness => None,
        };
        let items = items.map(|(_, items)| items);
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

    fn check(runner: Runner, line: &str, passed: u64, failed: u64) {
        let counted = Counts::of_line(line, runner);
        assert_eq!(counted, Counts { passed, failed }, "{line}");
    }

    #[test]
    fn nextest_summary_is_counted() {
        check(
            Runner::Nextest,
            "     Summary [   1.234s] 12 tests run: 9 passed (1 slow, 2 flaky), 1 failed, 2 timed out, 4 skipped",
            9,
            3,
        );
        check(
            Runner::Nextest,
            "     Summary [   0.004s] 3/9 tests run: 2 passed, 1 exec failed, 0 skipped",
            2,
            1,
        );
    }

    #[test]
    fn coloured_summary_is_counted() {
        check(
            Runner::Nextest,
            "\u{1b}[32;1m     Summary\u{1b}[0m [   0.1s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped",
            2,
            0,
        );
    }

    #[test]
    fn harness_summary_is_counted() {
        check(
            Runner::Harness,
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
            total += Counts::of_line(line, Runner::Harness);
        }
        assert_eq!(total.to_string(), "3 passed, 3 failed");
    }

    #[test]
    fn other_lines_count_nothing() {
        for runner in [Runner::Nextest, Runner::Harness] {
            check(
                runner,
                "        PASS [   0.1s] xtask counts::tests::a",
                0,
                0,
            );
            check(runner, "test 3 passed, 1 failed", 0, 0);
            check(runner, "", 0, 0);
        }
    }

    #[test]
    fn failed_test_is_counted_once() {
        // As nextest shows it: what the test printed, and its own summary at the end.
        let shown = [
            "        FAIL [   0.004s] (1/2) a tests::it",
            "  stdout ───",
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.00s",
            "     Summary [   0.010s] 2 tests run: 1 passed, 1 failed, 0 skipped",
            "        FAIL [   0.004s] (1/2) a tests::it",
        ];
        let mut total = Counts::default();
        for line in shown {
            total += Counts::of_line(line, Runner::Nextest);
        }
        assert_eq!(total.to_string(), "1 passed, 1 failed");
    }
}
