//! Tables of many near-equal scripts, rendered to `golden/` and reviewed like code.
//!
//! `UPDATE_EXPECT=1` writes the files; otherwise they must be as they are.

use std::fs;
use std::path::Path;

use herdsman_tests::script::matrix::{errors, garbage};

fn check(name: &str, rendered: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, rendered).expect("the golden file is writable");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let differing = expected
        .lines()
        .zip(rendered.lines())
        .find(|(expected, rendered)| expected != rendered);
    assert!(
        expected == rendered,
        "{} differs, first at {differing:?}: UPDATE_EXPECT=1 writes it",
        path.display()
    );
}

#[test]
fn garbage_in_a_key_moves_nobody() {
    let (table, upheavals) = garbage::table();
    let header = "# Garbage in keys of the store

Written by `UPDATE_EXPECT=1`: do not edit. In a settled cluster another tool writes one key, and
leaves what binds it as it is. What is warned of, and what leader and standby do at once.
";
    check("garbage.md", &format!("{header}{table}"));
    assert_eq!(upheavals, Vec::<String>::new());
}

#[test]
fn no_error_of_the_store_demotes_by_its_name() {
    let (table, upheavals) = errors::table();
    let header = "# Errors of the store

Written by `UPDATE_EXPECT=1`: do not edit. Each kind of error as the answer to each kind of call,
and what leader and standby do at once. Only what says that the session or the key is gone (`lost`,
`refused`) ends a leadership at once; everything else ends it by time alone.
";
    check("store-errors.md", &format!("{header}{table}"));
    assert_eq!(upheavals, Vec::<String>::new());
}
