//! Tables of many near-equal scripts, rendered to `golden/` and reviewed like code.

use herdsman_tests::script::matrix::{errors, garbage};

use crate::golden;

#[test]
fn garbage_in_a_key_moves_nobody() {
    let (table, upheavals) = garbage::table();
    let header = "# Garbage in keys of the store

Written by `UPDATE_EXPECT=1`: do not edit. In a settled cluster another tool writes one key, and
leaves what binds it as it is. What is warned of, and what leader and standby do at once.
";
    golden::check("golden/garbage.md", &format!("{header}{table}"));
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
    golden::check("golden/store-errors.md", &format!("{header}{table}"));
    assert_eq!(upheavals, Vec::<String>::new());
}
