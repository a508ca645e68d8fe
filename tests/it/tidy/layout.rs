//! What a visitor sees first: the top-level entries, each expected, and the
//! documents.

use super::{SourceFile, expect_none, expect_one, files, names, root};

const ENTRIES: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "agent",
    "clippy.toml",
    "dcs",
    "docs",
    "examples",
    "ha-core",
    "pgctl",
    "rest-api",
    "rustfmt.toml",
    "tests",
    "xtask",
];

/// A document, and how many lines it may have.
const DOCUMENTS: &[(&str, usize)] = &[
    ("README.md", usize::MAX),
    ("ARCHITECTURE.md", 300),
    ("CHANGELOG.md", usize::MAX),
];

#[test]
fn top_level_entries_are_the_expected_ones() {
    let found = names(&root());
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    expect_none(&unexpected(&found, ENTRIES));
}

#[test]
fn documents_are_there_and_not_too_long() {
    expect_none(&bad_documents(files()));
}

fn unexpected(found: &[&str], expected: &[&str]) -> Vec<String> {
    let added = found
        .iter()
        .filter(|name| !expected.contains(name))
        .map(|name| format!("{name} is not expected at the top"));
    let absent = expected
        .iter()
        .filter(|name| !found.contains(name))
        .map(|name| format!("{name} is absent"));
    added.chain(absent).collect()
}

fn bad_documents(files: &[SourceFile]) -> Vec<String> {
    let problem = |(path, limit): &(&str, usize)| {
        let document = files.iter().find(|file| file.path == *path);
        let lines = document.map_or(0, |file| file.text.lines().count());
        match lines {
            0 => Some(format!("{path} is absent or empty")),
            lines if lines > *limit => Some(format!("{path} has {lines} lines, limit {limit}")),
            _ => None,
        }
    };
    DOCUMENTS.iter().filter_map(problem).collect()
}

#[test]
fn added_and_absent_entries_are_found() {
    expect_one(&unexpected(&["a", "b"], &["a"]), "b is not expected");
    expect_one(&unexpected(&["a"], &["a", "b"]), "b is absent");
}

#[test]
fn absent_empty_and_long_documents_are_found() {
    let documents = |architecture: &str| {
        bad_documents(&[
            SourceFile::new("README.md", "x\n"),
            SourceFile::new("CHANGELOG.md", "x\n"),
            SourceFile::new("ARCHITECTURE.md", architecture),
        ])
    };
    expect_none(&documents(&"x\n".repeat(300)));
    expect_one(&documents(&"x\n".repeat(301)), "301 lines");
    expect_one(&documents(""), "absent or empty");
    assert_eq!(bad_documents(&[]).len(), DOCUMENTS.len());
}
