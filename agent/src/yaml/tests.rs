//! The corpus of texts with what PyYAML made of them, and the limits.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{Node, SyntaxError, Value, parse};

const CORPUS: &str = include_str!("../../tests/fixtures/yaml/corpus.txt");
const EXPECTED: &str = include_str!("../../tests/fixtures/yaml/corpus.expected.json");

fn read(text: &str) -> Result<super::Document, SyntaxError> {
    parse(text, &Arc::from("test.yml"))
}

fn root(text: &str) -> Node {
    match read(text) {
        Ok(document) => document.root,
        Err(error) => panic!("{}: {}", error.place, error.message),
    }
}

fn failure(text: &str) -> String {
    match read(text) {
        Ok(_) => panic!("no error in {text:?}"),
        Err(error) => format!("{}: {}", error.place, error.message),
    }
}

/// The tree in the form in which `expect.py` writes its own.
fn shown(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(truth) => json!(truth),
        Value::Integer(number) => {
            serde_json::Number::from_i128(*number).map_or(Json::Null, Json::Number)
        }
        Value::Float(_) => json!({"float": node.python_text()}),
        Value::Text(text) => json!(text),
        Value::List(items) => json!({"list": items.iter().map(shown).collect::<Vec<_>>()}),
        Value::Map(entries) => {
            let pairs: Vec<Json> = entries
                .iter()
                .map(|entry| json!([shown(&entry.key), shown(&entry.value)]))
                .collect();
            json!({ "map": pairs })
        }
    }
}

#[test]
fn corpus_is_read_as_pyyaml_reads_it() {
    let expected: serde_json::Map<String, Json> = serde_json::from_str(EXPECTED).unwrap();
    let mut different = Vec::new();
    let mut count = 0;
    for case in CORPUS.split("=== ").skip(1) {
        let (name, text) = case.split_once('\n').unwrap();
        let text = if name == "windows line ends" {
            text.replace('\n', "\r\n")
        } else {
            text.to_owned()
        };
        let ours = match read(&text) {
            Ok(document) => json!({"value": shown(&document.root)}),
            Err(_) => json!("error"),
        };
        if expected[name] != ours {
            different.push(format!(
                "{name}:\n  expected {}\n  got      {ours}",
                expected[name]
            ));
        }
        count += 1;
    }
    assert_eq!(count, expected.len());
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn source_text_is_kept_beside_plain_scalars() {
    let node = root("a: 0755\nb: '0755'\nc: 1_000\n");
    let source = |key: &str| node.get(key).unwrap().source.as_deref();
    assert_eq!(source("a"), Some("0755"));
    assert_eq!(source("b"), None);
    assert_eq!(source("c"), Some("1_000"));
    assert_eq!(node.get("a").unwrap().python_text().as_deref(), Some("493"));
}

#[test]
fn every_value_knows_its_line_and_column() {
    let node = root("a:\n  - имя: x\n");
    let Value::List(items) = &node.get("a").unwrap().value else {
        panic!("not a list");
    };
    assert_eq!(items[0].place.to_string(), "test.yml:2:5");
    assert_eq!(
        items[0].get("имя").unwrap().place.to_string(),
        "test.yml:2:10"
    );
}

#[test]
fn duplicates_are_told_with_path_and_both_lines() {
    let document = read("a:\n- b: {c: 1,\n  c: 2}\nd: 1\nd: 2\n").unwrap_or_else(|error| {
        panic!("{}", error.message);
    });
    let told: Vec<String> = document
        .duplicates
        .iter()
        .map(|d| format!("{} {} {}", d.path, d.first, d.used))
        .collect();
    assert_eq!(
        told,
        [
            "a[0].b.c test.yml:2:7 test.yml:3:3",
            "d test.yml:4:1 test.yml:5:1",
        ]
    );
}

#[test]
fn overriding_a_merged_key_is_not_a_duplicate() {
    let document = read("a: &a {b: 1}\nc: {<<: *a, b: 2}\n").map_err(|error| error.message);
    assert_eq!(document.map(|d| d.duplicates.len()), Ok(0));
}

#[test]
fn nesting_is_limited() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(&nested(64)).is_ok());
    assert_eq!(
        failure(&nested(65)),
        "test.yml:1:65: the nesting is too deep"
    );
    assert!(read(&"[".repeat(100_000)).is_err());
}

#[test]
fn aliases_cannot_expand_without_end() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        text += &format!("a{level}: &a{level} [{below}]\n");
    }
    let told = failure(&text);
    assert!(
        told.ends_with("the aliases expand to too many values"),
        "{told}"
    );
}

#[test]
fn an_alias_inside_of_its_anchor_is_refused() {
    assert_eq!(
        failure("a: &a [1, *a]\n"),
        "test.yml:1:11: this alias stands inside of what it names"
    );
}

#[test]
fn integers_beyond_64_bits_are_refused() {
    let told = "the integer does not fit 64 bits; put it in quotes if it is a text";
    for text in [
        "18446744073709551616",
        "-9223372036854775809",
        "0xffffffffffffffffffffffffffffffffff",
        "99999999999999999999999999999999999999999999",
        "9999999999999999999:59:59",
    ] {
        assert_eq!(failure(text), format!("test.yml:1:1: {told}"), "{text}");
    }
    assert_eq!(failure("0b_"), "test.yml:1:1: the number has no digits");
}

#[test]
fn tags_of_other_types_are_refused() {
    for (text, told) in [
        (
            "!!binary aGk=",
            "test.yml:1:1: the tag `!!binary` is not supported",
        ),
        (
            "!!set {a}",
            "test.yml:1:1: the tag `!!set` is not supported here",
        ),
        (
            "!!str [a]",
            "test.yml:1:1: the tag `!!str` is not supported here",
        ),
        ("!!seq a", "test.yml:1:1: `!!seq` does not fit this value"),
    ] {
        assert_eq!(failure(text), told, "{text}");
    }
}

#[test]
fn unprintable_characters_are_refused() {
    assert_eq!(
        failure("a: b\nc: d\u{7}\n"),
        "test.yml:2:5: this character is not allowed in YAML"
    );
}

#[test]
fn byte_order_mark_is_passed_over() {
    let node = root("\u{feff}a: 1\n");
    assert_eq!(shown(node.get("a").unwrap()), json!(1));
}

#[test]
fn a_block_text_at_the_end_of_the_text_gets_no_line_end() {
    let text = |written: &str| root(written).get("a").unwrap().python_text();
    assert_eq!(text("a: |\n  b").as_deref(), Some("b"));
    assert_eq!(text("a: |\n  b\n").as_deref(), Some("b\n"));
    assert_eq!(text("a: |\n  b\nc: d").as_deref(), Some("b\n"));
}

#[test]
fn json_and_back_is_the_same_value() {
    let text = "a: [1, -2, 0.5, on, null, 'x']\n2: {b: }\nyes: 18446744073709551615\n";
    let json = root(text).to_json().unwrap();
    let expected = json!({
        "a": [1, -2, 0.5, true, null, "x"],
        "2": {"b": null},
        "true": 18_446_744_073_709_551_615_u64,
    });
    assert_eq!(json, expected);
    let place = super::Place::Whole(Arc::from("json"));
    assert_eq!(Node::from_json(&json, &place).to_json(), Ok(expected));
}

#[test]
fn numbers_that_json_cannot_hold_are_told_with_their_place() {
    let place = root("a:\n  b: .nan\n").to_json().unwrap_err();
    assert_eq!(place.to_string(), "test.yml:2:6");
}

#[test]
fn columns_are_those_of_the_text_as_written() {
    let node = root("x:\n  a: [\n1,  zwei]\n  b: 2\n");
    let section = node.get("x").unwrap();
    let Value::List(items) = &section.get("a").unwrap().value else {
        panic!("not a list");
    };
    let places: Vec<String> = items.iter().map(|item| item.place.to_string()).collect();
    assert_eq!(places, ["test.yml:3:1", "test.yml:3:5"]);
    assert_eq!(section.get("b").unwrap().place.to_string(), "test.yml:4:6");
}
