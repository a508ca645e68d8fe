//! The dictionary of reasons for operators, `docs/reasons.md`, written from the enumeration.
//!
//! `UPDATE_EXPECT=1` writes the file; otherwise it must be as it is.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use herdsman_ha_core::Code;

const HEADER: &str = "# Reasons

Every decision of a member has one of these codes: in its log, under `GET /decisions`, in the metric `herdsman_decisions_total` and in `herdsmanctl why`.
Words in braces are filled with what mattered.
How each looks in context: search for the code below `tests/scripts/`.

Written by `UPDATE_EXPECT=1 cargo test -p herdsman-tests reasons`: do not edit.

| Code | What it says |
|---|---|
";

#[test]
fn the_dictionary_is_as_published() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reasons.md");
    let mut rendered = HEADER.to_owned();
    for code in Code::ALL {
        let sentence = code.template();
        writeln!(rendered, "| `{code}` | {sentence} |").expect("a text takes any line");
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &rendered).expect("docs/ is writable");
        return;
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == rendered,
        "{} is old: UPDATE_EXPECT=1 writes it",
        path.display()
    );
}
