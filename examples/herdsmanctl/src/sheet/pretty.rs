//! A table of ASCII lines whose first rule carries a title.
//!
//! Widths are those of a terminal: a wide letter takes two places, an accent of its own none.

use unicode_width::UnicodeWidthStr as _;

use super::{Alignment, Column, Sheet};

/// Renders the columns that have a title.
pub(super) fn render(sheet: &Sheet, title: &str) -> String {
    let shown: Vec<(usize, &Column, &str)> = sheet
        .columns
        .iter()
        .enumerate()
        .filter_map(|(index, column)| Some((index, column, column.title.as_deref()?)))
        .collect();
    let head: Vec<Vec<String>> = shown
        .iter()
        .map(|(_, _, title)| vec![(*title).to_owned()])
        .collect();
    let rows: Vec<Vec<Vec<String>>> = sheet
        .rows
        .iter()
        .map(|row| {
            let cells = shown.iter().map(|(index, _, _)| row[*index].lines());
            cells.collect()
        })
        .collect();
    let alignments: Vec<Alignment> = shown
        .iter()
        .map(|(_, column, _)| column.alignment)
        .collect();
    let widths = widths(&head, &rows);
    let rule = rule(&widths);
    // Without rules between them, rows of several lines could not be told apart.
    let is_ruled = rows.iter().flatten().any(|cell| cell.len() > 1);

    let mut text = format!("{}\n", with_title(&rule, title));
    push_row(&mut text, &head, &widths, &alignments);
    text.push_str(&format!("{rule}\n"));
    for (index, row) in rows.iter().enumerate() {
        if is_ruled && index > 0 {
            text.push_str(&format!("{rule}\n"));
        }
        push_row(&mut text, row, &widths, &alignments);
    }
    text.push_str(&format!("{rule}\n"));
    text
}

fn widths(head: &[Vec<String>], rows: &[Vec<Vec<String>>]) -> Vec<usize> {
    let width = |cell: &Vec<String>| cell.iter().map(|line| line.width()).max().unwrap_or(0);
    let mut widths: Vec<usize> = head.iter().map(width).collect();
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(cell));
        }
    }
    widths
}

fn rule(widths: &[usize]) -> String {
    let parts: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    format!("+{}+", parts.join("+"))
}

/// Lays the title over the rule, after its first corner.
fn with_title(rule: &str, title: &str) -> String {
    let rest = rule.get(1 + title.width()..).unwrap_or_default();
    format!("+{title}{rest}")
}

fn push_row(text: &mut String, row: &[Vec<String>], widths: &[usize], alignments: &[Alignment]) {
    let height = row.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..height {
        text.push('|');
        for ((cell, width), alignment) in row.iter().zip(widths).zip(alignments) {
            let content = cell.get(line).map_or("", String::as_str);
            let padding = " ".repeat(width.saturating_sub(content.width()));
            match alignment {
                Alignment::Left => text.push_str(&format!(" {content}{padding} |")),
                Alignment::Right => text.push_str(&format!(" {padding}{content} |")),
            }
        }
        text.push('\n');
    }
}
