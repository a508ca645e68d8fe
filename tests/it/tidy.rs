//! Rules of the tree that no compiler checks, each as a test.
//!
//! A rule is a pure function from what is to be checked to a list of problems;
//! next to it, a test shows that it finds a bad example, because a rule that
//! finds nothing looks just like a clean tree. Lists of exceptions are
//! ratchets: an entry that is no longer needed is a problem too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

mod clocks;
mod direction;
mod embedding;
mod layout;
mod licences;
mod metadata;
mod purity;
mod size;
mod snippets;
mod supply;
mod words;

/// A text file of the tree.
#[derive(Clone)]
struct SourceFile {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

impl SourceFile {
    fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Every text file of the tree, in the order of their paths.
fn files() -> &'static [SourceFile] {
    static FILES: OnceLock<Vec<SourceFile>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut files = Vec::new();
        collect(&root(), "", &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    })
}

fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .parent()
        .expect("the package is in a workspace")
        .to_owned()
}

/// What git ignores, and what it keeps for itself.
fn is_ignored(name: &str) -> bool {
    matches!(name, ".git" | "target" | ".idea") || name.ends_with(".swp")
}

fn names(dir: &Path) -> Vec<String> {
    let entries = readable(dir, fs::read_dir(dir));
    let names = entries.map(|entry| readable(dir, entry).file_name());
    let names = names.map(|name| name.into_string().expect("our names are UTF-8"));
    names.filter(|name| !is_ignored(name)).collect()
}

fn collect(dir: &Path, prefix: &str, files: &mut Vec<SourceFile>) {
    for name in names(dir) {
        let path = dir.join(&name);
        let relative = format!("{prefix}{name}");
        let kind = readable(&path, fs::symlink_metadata(&path)).file_type();
        if kind.is_dir() {
            collect(&path, &format!("{relative}/"), files);
        } else if kind.is_file()
            && let Ok(text) = String::from_utf8(readable(&path, fs::read(&path)))
        {
            files.push(SourceFile {
                path: relative,
                text,
            });
        }
    }
}

fn readable<T>(path: &Path, result: io::Result<T>) -> T {
    result.unwrap_or_else(|error| {
        panic!(
            "cannot read {}: {error}; as root, run the tests by `cargo xtask test`",
            path.display()
        )
    })
}

#[track_caller]
fn expect_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n  {}\n", problems.join("\n  "));
}

/// For the tests of rules: exactly one problem, which speaks of `about`.
#[track_caller]
fn expect_one(problems: &[String], about: &str) {
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains(about), "{problems:?}");
}
