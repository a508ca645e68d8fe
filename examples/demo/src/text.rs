//! Text on lines: wrapping, and instants as people read them.

use herdsman_ha_core::Mono;

/// The width that text is wrapped to when nobody tells another.
pub(crate) const USUAL_WIDTH: usize = 100;

/// `text` on lines of at most `width` characters; a longer word has a line of its own.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `head`, and `text` beside it: wrapped, with every line under the first.
pub(crate) fn beside(head: &str, text: &str, width: usize) -> String {
    let indent = head.chars().count();
    let lines = wrapped(text, width.saturating_sub(indent).max(20));
    format!("{head}{}", lines.join(&format!("\n{}", " ".repeat(indent))))
}

/// Whole milliseconds from one instant to a later one, rounded.
pub(crate) fn millis(from: Mono, to: Mono) -> u64 {
    (to.0.saturating_sub(from.0) + 500_000) / 1_000_000
}

/// Seconds with one digit.
pub(crate) fn seconds(from: Mono, to: Mono) -> String {
    let tenths = (to.0.saturating_sub(from.0) + 50_000_000) / 100_000_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A count with its noun.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_stands_under_the_first() {
        assert_eq!(
            beside("  n1  ", "aaaa bbbb cccc dddd eeee", 26),
            "  n1  aaaa bbbb cccc dddd\n      eeee"
        );
    }

    #[test]
    fn a_word_that_is_too_long_is_kept_whole() {
        assert_eq!(wrapped("a bbbbbb c", 3), ["a", "bbbbbb", "c"]);
    }

    #[test]
    fn instants_are_rounded_and_never_negative() {
        assert_eq!(millis(Mono(0), Mono(1_500_000)), 2);
        assert_eq!(millis(Mono(5), Mono(0)), 0);
        assert_eq!(seconds(Mono(0), Mono(1_950_000_000)), "2.0");
    }
}
