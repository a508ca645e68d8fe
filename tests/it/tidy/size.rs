//! Shape of the Rust files: small, introduced by what they are for, and found
//! under their own name.

use super::{SourceFile, expect_none, expect_one, files};

/// From here a file needs a reason.
const LONG: usize = 500;
/// From here no reason helps.
const TOO_LONG: usize = 800;

/// Files over [`LONG`] lines, and why they are one subject.
const EXCUSED: &[(&str, &str)] = &[];

#[test]
fn rust_files_are_short_or_have_a_reason() {
    expect_none(&long_files(files(), EXCUSED));
}

#[test]
fn rust_files_say_what_they_are_for() {
    expect_none(&files_without_introduction(files()));
}

#[test]
fn modules_are_named_files() {
    expect_none(&mod_files(files()));
}

fn long_files(files: &[SourceFile], excused: &[(&str, &str)]) -> Vec<String> {
    let sizes = files
        .iter()
        .filter(|file| file.is_rust())
        .map(|file| (file.path.as_str(), file.text.lines().count()));
    let long: Vec<(&str, usize)> = sizes.filter(|(_, lines)| *lines > LONG).collect();
    let is_excused = |path: &str| excused.iter().any(|(excused, _)| *excused == path);
    let unexcused = long
        .iter()
        .filter(|(path, lines)| *lines > TOO_LONG || !is_excused(path))
        .map(|(path, lines)| format!("{path} has {lines} lines"));
    let stale = excused
        .iter()
        .filter(|(excused, _)| long.iter().all(|(path, _)| path != excused))
        .map(|(path, _)| format!("{path} is short or gone: remove it from the list"));
    unexcused.chain(stale).collect()
}

fn files_without_introduction(files: &[SourceFile]) -> Vec<String> {
    let rust = files.iter().filter(|file| file.is_rust());
    rust.filter(|file| !file.text.starts_with("//! "))
        .map(|file| format!("{} does not begin with //!", file.path))
        .collect()
}

fn mod_files(files: &[SourceFile]) -> Vec<String> {
    let named_mod = files.iter().filter(|file| file.path.ends_with("/mod.rs"));
    named_mod
        .map(|file| format!("{}: call it by the name of the module", file.path))
        .collect()
}

fn of_lines(count: usize) -> [SourceFile; 1] {
    [SourceFile::new("a/src/b.rs", &"//! x\n".repeat(count))]
}

#[test]
fn limits_of_a_files_length_are_exact() {
    let reason: &[(&str, &str)] = &[("a/src/b.rs", "reason")];
    expect_none(&long_files(&of_lines(LONG), &[]));
    expect_one(&long_files(&of_lines(LONG + 1), &[]), "501 lines");
    expect_none(&long_files(&of_lines(TOO_LONG), reason));
    expect_one(&long_files(&of_lines(TOO_LONG + 1), reason), "801 lines");
}

#[test]
fn stale_reason_for_a_long_file_is_found() {
    expect_one(
        &long_files(&of_lines(LONG), &[("a/src/b.rs", "reason")]),
        "remove it",
    );
}

#[test]
fn file_without_introduction_is_found() {
    let bad = SourceFile::new("a/src/b.rs", "use std::fs;\n");
    expect_one(&files_without_introduction(&[bad]), "a/src/b.rs");
}

#[test]
fn mod_file_is_found() {
    let bad = SourceFile::new("a/src/b/mod.rs", "//! x\n");
    let good = SourceFile::new("a/src/not_mod.rs", "//! x\n");
    expect_one(&mod_files(&[bad, good]), "b/mod.rs");
}
