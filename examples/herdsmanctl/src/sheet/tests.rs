//! Each format against texts that the program was seen to print which scripts know.

use serde_json::json;

use super::*;

const RIGHT: Alignment = Alignment::Right;
const LEFT: Alignment = Alignment::Left;

fn column(name: &'static str, title: Option<&'static str>, alignment: Alignment) -> Column {
    Column {
        name: name.into(),
        title: title.map(Into::into),
        alignment,
    }
}

fn map(value: Value) -> Cell {
    let Value::Object(map) = value else {
        panic!("an object is expected")
    };
    Cell::Map(map)
}

fn change(name: &str, becomes: &str) -> Change {
    Change {
        name: name.to_owned(),
        becomes: becomes.to_owned(),
    }
}

/// Two rows with everything that a cell can be.
fn sheet() -> Sheet {
    let changes = vec![
        change("max_connections", "100->200"),
        change("shared_buffers", &format!("128MB->{}", "x".repeat(40))),
    ];
    Sheet {
        columns: vec![
            column("Cluster", None, LEFT),
            column("Member", Some("Member"), LEFT),
            column("Receive Lag", Some("Lag"), RIGHT),
            column(
                "Pending restart reason",
                Some("Pending restart reason"),
                LEFT,
            ),
            column("Tags", Some("Tags"), LEFT),
        ],
        rows: vec![
            vec![
                Cell::text("demo"),
                Cell::text("n1"),
                Cell::Empty,
                Cell::Changes(changes),
                map(json!({"rack": "x y", "m": {"k": "v"}, "n": [1, 2]})),
            ],
            vec![
                Cell::text("demo"),
                Cell::text("wide-ü漢"),
                Cell::Number(7),
                Cell::Empty,
                map(json!({"nofailover": true, "num": "12", "t": "yes"})),
            ],
        ],
    }
}

#[test]
fn rows_of_several_lines_are_separated_and_wide_letters_take_two_places() {
    let table = "\
+ Title ---+-----+-------------------------------------+------------------+
| Member   | Lag | Pending restart reason              | Tags             |
+----------+-----+-------------------------------------+------------------+
| n1       |     | max_connections: 100->200           | m:               |
|          |     | shared_buffers: [hidden - too long] |   k: v           |
|          |     |                                     | n:               |
|          |     |                                     | - 1              |
|          |     |                                     | - 2              |
|          |     |                                     | rack: x y        |
+----------+-----+-------------------------------------+------------------+
| wide-ü漢 |   7 |                                     | nofailover: true |
|          |     |                                     | num: '12'        |
|          |     |                                     | t: 'yes'         |
+----------+-----+-------------------------------------+------------------+
";
    let shown = sheet().pretty(" Title ");
    assert_eq!(shown, table, "\n{shown}");
}

#[test]
fn a_title_lies_over_the_first_rule() {
    let sheet = Sheet {
        columns: vec![
            column("Member", Some("Member"), LEFT),
            column("TL", Some("TL"), RIGHT),
        ],
        rows: vec![],
    };
    let table = "\
+ Cluste-+----+
| Member | TL |
+--------+----+
+--------+----+
";
    assert_eq!(sheet.pretty(" Cluste"), table);
    let long = " Cluster: with-a-very-long-name ";
    let first = format!("+{long}\n");
    assert!(sheet.pretty(long).starts_with(&first));
}

#[test]
fn tab_separated_rows_have_all_columns() {
    let long = "x".repeat(40);
    assert_eq!(
        sheet().separated("\t"),
        format!(
            "Cluster\tMember\tReceive Lag\tPending restart reason\tTags\n\
             demo\tn1\t\tmax_connections: 100->200\n\
             shared_buffers: 128MB->{long}\t{{m: {{k: v}}, n: [1, 2], rack: x y}}\n\
             demo\twide-ü漢\t7\t\t{{nofailover: true, num: '12', t: 'yes'}}\n"
        )
    );
}

#[test]
fn json_leaves_empty_cells_out_and_has_ascii_letters_only() {
    let mut sheet = sheet();
    sheet.rows.remove(0);
    sheet.rows[0][1] = Cell::text("ü漢😀\"\n");
    assert_eq!(
        sheet.json(Gaps::LeftOut),
        "[{\"Cluster\": \"demo\", \"Member\": \"\\u00fc\\u6f22\\ud83d\\ude00\\\"\\n\", \
         \"Receive Lag\": 7, \
         \"Tags\": {\"nofailover\": true, \"num\": \"12\", \"t\": \"yes\"}}]\n"
    );
}

#[test]
fn yaml_has_its_keys_sorted() {
    let long = "x".repeat(40);
    assert_eq!(
        sheet().yaml(Gaps::LeftOut),
        format!(
            "\
- Cluster: demo
  Member: n1
  Pending restart reason: 'max_connections: 100->200

    shared_buffers: 128MB->{long}'
  Tags:
    m:
      k: v
    n:
    - 1
    - 2
    rack: x y
- Cluster: demo
  Member: wide-ü漢
  Receive Lag: 7
  Tags:
    nofailover: true
    num: '12'
    t: 'yes'
"
        )
    );
}

#[test]
fn texts_that_could_be_something_else_are_quoted() {
    for text in [
        "",
        "yes",
        "Off",
        "~",
        "NULL",
        "12",
        "-1",
        "0x1F",
        "1_0",
        "1:30",
        ".5",
        "1e3",
        "2030-01-01",
        "2030-01-01T10:00:00+00:00",
        "- a",
        "-",
        "a: b",
        "a:",
        "a #b",
        "*",
        "#x",
        " a",
        "a ",
        "---",
        "'",
        "@a",
        "%a",
        "`a",
        "!a",
        "&a",
        "[a",
        "{a",
        ">",
        "|",
    ] {
        let shown = block(&Value::from(text));
        assert_eq!(shown, format!("'{}'", text.replace('\'', "''")));
    }
    for text in [
        "0/40004E8",
        "127.0.0.1:5432",
        "10.0.0.1",
        "Sync Standby",
        "a-b",
        "a:b",
        "a#b",
        "-a",
        "2030-01-01T10:00:00+00:00 if version < 18.0",
        "it's",
        "ü漢",
    ] {
        assert_eq!(block(&Value::from(text)), text);
    }
}

#[test]
fn control_characters_are_escaped() {
    assert_eq!(block(&Value::from("a\tb")), "\"a\\tb\"");
    assert_eq!(block(&Value::from("a\n\nb")), "\"a\\n\\nb\"");
    assert_eq!(block(&Value::from("a\u{85}")), "\"a\\u0085\"");
    assert_eq!(
        flow(&json!(["a\nb", "a,b", "a:b"])),
        "[\"a\\nb\", 'a,b', 'a:b']"
    );
}

#[test]
fn nested_and_empty_collections_are_readable() {
    let value = json!({"a": [], "b": {}, "c": [{"d": 1, "e": [2]}, [3, 4]], "f": null});
    let text = "\
a: []
b: {}
c:
- d: 1
  e:
  - 2
- - 3
  - 4
f: null";
    assert_eq!(block(&value), text);
}
