//! The dictionary of reasons for operators, `docs/reasons.md`, written from the enumeration.

use std::fmt::Write as _;

use herdsman_ha_core::Code;

use crate::golden;

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
    let mut rendered = HEADER.to_owned();
    for code in Code::ALL {
        let sentence = code.template();
        writeln!(rendered, "| `{code}` | {sentence} |").expect("a text takes any line");
    }
    golden::check("../docs/reasons.md", &rendered);
}
