//! Words that may not be in the tree: unfinished work, and the machine of
//! whoever wrote the file. They are put together here, or this file would be
//! the first to break the rule.

use super::{SourceFile, expect_none, expect_one, files};

const UNFINISHED_CODE: &[&str] = &[
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[ig", "nore"),
    concat!("dbg", "!("),
];

const UNFINISHED_TEXT: &[&str] = &[concat!("FIX", "ME")];

const HOMES: &[&str] = &[
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

#[test]
fn nothing_is_left_unfinished() {
    expect_none(&unfinished(files()));
}

#[test]
fn no_file_names_a_path_of_a_developers_machine() {
    expect_none(&machine_paths(files()));
}

fn unfinished(files: &[SourceFile]) -> Vec<String> {
    found(files, |file, line| {
        let is_code = file.is_rust() && contains_one_of(line, UNFINISHED_CODE);
        is_code || contains_one_of(line, UNFINISHED_TEXT)
    })
}

fn contains_one_of(line: &str, words: &[&str]) -> bool {
    words.iter().any(|word| line.contains(word))
}

fn machine_paths(files: &[SourceFile]) -> Vec<String> {
    found(files, |_, line| {
        HOMES.iter().any(|home| has_absolute(line, home))
    })
}

/// Whether the path begins here, rather than being the middle of another one.
fn has_absolute(line: &str, home: &str) -> bool {
    line.match_indices(home).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "_-.}/".contains(c))
    })
}

fn found(files: &[SourceFile], is_bad: impl Fn(&SourceFile, &str) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        let lines = (1..).zip(file.text.lines());
        let bad = lines.filter(|(_, line)| is_bad(file, line));
        problems.extend(bad.map(|(number, line)| format!("{}:{number}: {line}", file.path)));
    }
    problems
}

#[test]
fn unfinished_code_and_text_are_found() {
    for word in UNFINISHED_CODE {
        let rust = SourceFile::new("a/src/b.rs", &format!("//! x\n{word}"));
        expect_one(&unfinished(&[rust]), "b.rs:2");
        let text = SourceFile::new("README.md", word);
        expect_none(&unfinished(&[text]));
    }
    let text = SourceFile::new("README.md", UNFINISHED_TEXT[0]);
    expect_one(&unfinished(&[text]), "README.md:1");
}

#[test]
fn machine_path_is_found_where_it_begins() {
    for home in HOMES {
        let bad = SourceFile::new("a.toml", &format!("path = \"{home}x\""));
        expect_one(&machine_paths(&[bad]), "a.toml:1");
        let good = SourceFile::new("a.toml", &format!("path = \"target{home}x\""));
        expect_none(&machine_paths(&[good]));
    }
}
