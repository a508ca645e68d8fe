//! What changed between two texts, line by line, as `diff -u` shows it.

/// So many equal lines are shown around a change.
const CONTEXT: usize = 3;

/// Whether a terminal shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    None,
    Terminal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line<'a> {
    Both(&'a str),
    Before(&'a str),
    After(&'a str),
}

/// The changes with three lines around them; nothing when there are none.
pub(crate) fn unified(before: &str, after: &str, colour: Colour) -> String {
    let lines = compare(&lines(before), &lines(after));
    let mut text = String::new();
    for (from, to) in hunks(&lines) {
        if text.is_empty() {
            push(&mut text, colour, "1", "--- ");
            push(&mut text, colour, "1", "+++ ");
        }
        let head = head(&lines, from, to);
        push(&mut text, colour, "36", &head);
        for line in &lines[from..to] {
            match line {
                Line::Both(line) => text.push_str(&format!(" {line}\n")),
                Line::Before(line) => push(&mut text, colour, "31", &format!("-{line}")),
                Line::After(line) => push(&mut text, colour, "32", &format!("+{line}")),
            }
        }
    }
    text
}

fn lines(text: &str) -> Vec<&str> {
    text.trim_end_matches('\n').split('\n').collect()
}

fn push(text: &mut String, colour: Colour, code: &str, line: &str) {
    match colour {
        Colour::None => text.push_str(&format!("{line}\n")),
        Colour::Terminal => text.push_str(&format!("\x1b[{code}m{line}\x1b[0m\n")),
    }
}

/// The shortest way from one to the other, by the longest common subsequence.
fn compare<'a>(before: &[&'a str], after: &[&'a str]) -> Vec<Line<'a>> {
    let common = common_lengths(before, after);
    let (mut old, mut new) = (0, 0);
    let mut lines = Vec::new();
    while old < before.len() || new < after.len() {
        let is_equal = old < before.len() && new < after.len() && before[old] == after[new];
        if is_equal {
            lines.push(Line::Both(before[old]));
            (old, new) = (old + 1, new + 1);
            continue;
        }
        let removes = new == after.len()
            || old < before.len() && common[old + 1][new] >= common[old][new + 1];
        if removes {
            lines.push(Line::Before(before[old]));
            old += 1;
        } else {
            lines.push(Line::After(after[new]));
            new += 1;
        }
    }
    lines
}

/// How many lines the rests of both texts have in common, from each pair of places.
fn common_lengths(before: &[&str], after: &[&str]) -> Vec<Vec<usize>> {
    let mut common = vec![vec![0; after.len() + 1]; before.len() + 1];
    for old in (0..before.len()).rev() {
        for new in (0..after.len()).rev() {
            common[old][new] = if before[old] == after[new] {
                common[old + 1][new + 1] + 1
            } else {
                common[old + 1][new].max(common[old][new + 1])
            };
        }
    }
    common
}

/// Where hunks begin and end: changes that are close share one.
fn hunks(lines: &[Line<'_>]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if let Line::Both(_) = line {
            continue;
        }
        let from = index.saturating_sub(CONTEXT);
        let to = (index + 1 + CONTEXT).min(lines.len());
        match hunks.last_mut() {
            Some((_, end)) if from <= *end => *end = to,
            Some(_) | None => hunks.push((from, to)),
        }
    }
    hunks
}

fn head(lines: &[Line<'_>], from: usize, to: usize) -> String {
    let count = |lines: &[Line<'_>], other: fn(&Line<'_>) -> bool| {
        lines.iter().filter(|line| !other(line)).count()
    };
    let range = |other: fn(&Line<'_>) -> bool| {
        let (start, length) = (count(&lines[..from], other), count(&lines[from..to], other));
        match length {
            0 => format!("{start},0"),
            1 => (start + 1).to_string(),
            _ => format!("{},{length}", start + 1),
        }
    };
    let old = range(|line| matches!(line, Line::After(_)));
    let new = range(|line| matches!(line, Line::Before(_)));
    format!("@@ -{old} +{new} @@")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "\
loop_wait: 3
postgresql:
  parameters:
    max_connections: 30
    wal_log_hints: 'on'
  use_pg_rewind: true
retry_timeout: 5
ttl: 30
";

    #[test]
    fn changes_are_shown_as_diff_shows_them() {
        let after = BEFORE
            .replace("'on'\n", "'on'\n    work_mem: 5MB\n")
            .replace("ttl: 30", "ttl: 40");
        let expected = "\
--- 
+++ 
@@ -3,6 +3,7 @@
   parameters:
     max_connections: 30
     wal_log_hints: 'on'
+    work_mem: 5MB
   use_pg_rewind: true
 retry_timeout: 5
-ttl: 30
+ttl: 40
";
        assert_eq!(unified(BEFORE, &after, Colour::None), expected);
    }

    #[test]
    fn distant_changes_are_apart_and_equal_texts_show_nothing() {
        let text: String = (0..20).map(|number| format!("{number}\n")).collect();
        let after = text.replace("0\n1\n", "0\n").replace("18\n", "eighteen\n");
        let shown = unified(&text, &after, Colour::None);
        assert!(shown.contains("@@ -1,5 +1,4 @@\n 0\n-1\n 2\n"), "{shown}");
        assert!(shown.contains("@@ -16,5 +15,5 @@\n 15\n"), "{shown}");
        assert_eq!(unified(&text, &text, Colour::None), "");
    }

    #[test]
    fn terminals_get_colours() {
        let shown = unified("a: 1\n", "a: 2\n", Colour::Terminal);
        assert!(shown.contains("@@ -1 +1 @@"), "{shown}");
        assert!(shown.ends_with("\x1b[31m-a: 1\x1b[0m\n\x1b[32m+a: 2\x1b[0m\n"));
    }
}
