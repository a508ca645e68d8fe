//! Small texts for messages: lists, the tail of a log, one-line causes.

use std::error::Error as StdError;

/// `1, 2, 3`, cut after eight.
pub(crate) fn list(items: &[u32]) -> String {
    let shown: Vec<String> = items.iter().take(8).map(u32::to_string).collect();
    let more = items.len().saturating_sub(8);
    match more {
        0 => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Lines as a continuation of a message, or nothing.
pub(crate) fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

/// The last `count` lines that hold something.
pub(crate) fn last_lines(text: &str, count: usize) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .rev()
        .filter(|line| !line.trim().is_empty())
        .take(count)
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.reverse();
    lines
}

/// An error with its causes in one line, because several libraries leave the
/// cause out of their `Display`.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        let ten: Vec<u32> = (1..=10).collect();
        assert_eq!(list(&ten[..2]), "1, 2");
        assert_eq!(list(&ten), "1, 2, 3, 4, 5, 6, 7, 8 and 2 more");
    }

    #[test]
    fn last_lines_skip_blank_ones_and_keep_order() {
        assert_eq!(last_lines("a\n\nb\nc \n\n", 2), ["b", "c"]);
    }
}
