//! A table of all situations of a total function, as short as it can be written without a loss.
//!
//! A column that does not matter in a row shows `·`; words with the same consequences share a row.

/// One column: what it is about, and all its words.
#[derive(Clone, Debug)]
pub struct Column {
    /// The heading.
    pub name: &'static str,
    /// The words.
    pub words: Vec<String>,
}

impl Column {
    /// A column from the words of an enum.
    pub fn of<T: std::fmt::Debug>(name: &'static str, words: &[T]) -> Self {
        let words = words.iter().map(|word| format!("{word:?}"));
        Self {
            name,
            words: words.collect(),
        }
    }
}

/// Rows of cells: one per column, and the results behind them.
pub type Rows = Vec<Vec<String>>;

/// All rows of `judge`, which is asked once for each combination of words, by their indexes.
pub fn rows(columns: &[Column], judge: &dyn Fn(&[usize]) -> Vec<String>) -> Rows {
    below(columns, &mut Vec::new(), judge)
}

fn below(
    columns: &[Column],
    chosen: &mut Vec<usize>,
    judge: &dyn Fn(&[usize]) -> Vec<String>,
) -> Rows {
    let Some(column) = columns.get(chosen.len()) else {
        return vec![judge(chosen)];
    };
    let mut groups: Vec<(Vec<&str>, Rows)> = Vec::new();
    for (index, word) in column.words.iter().enumerate() {
        chosen.push(index);
        let rows = below(columns, chosen, judge);
        chosen.pop();
        match groups.iter_mut().find(|(_, known)| *known == rows) {
            Some((words, _)) => words.push(word),
            None => groups.push((vec![word], rows)),
        }
    }
    let mut all = Vec::new();
    for (words, rows) in groups {
        let cell = if words.len() == column.words.len() {
            "·".to_owned()
        } else {
            words.join(", ")
        };
        for mut row in rows {
            row.insert(0, cell.clone());
            all.push(row);
        }
    }
    all
}

/// Markdown, without the padding that would make every row of a table change with one.
#[must_use]
pub fn markdown(headings: &[&str], rows: &Rows) -> String {
    let line = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(headings);
    text.push_str(&line(&vec!["---"; headings.len()]));
    for row in rows {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        text.push_str(&line(&cells));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_words_share_a_row_and_a_column_that_does_not_matter_is_a_dot() {
        let columns = [
            Column::of("size", &["big", "small", "tiny"]),
            Column::of("colour", &["red", "blue"]),
        ];
        let judge =
            |at: &[usize]| vec![if at[0] == 0 && at[1] == 0 { "x" } else { "y" }.to_owned()];
        assert_eq!(
            rows(&columns, &judge),
            [
                [r#""big""#, r#""red""#, "x"],
                [r#""big""#, r#""blue""#, "y"],
                [r#""small", "tiny""#, "·", "y"],
            ]
        );
    }
}
