//! JSON values as YAML 1.1: block style for people, flow style for one line.
//!
//! The invariant: whoever reads it back gets the same value. A text that could be taken for
//! something else is quoted, in doubt one too many.

use serde_json::{Map, Value};

/// How much room a value takes in block style.
enum Shape<'a> {
    Map(&'a Map<String, Value>),
    List(&'a [Value]),
    /// What stands behind its key: also empty maps and lists.
    Inline,
}

impl<'a> Shape<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::Object(map) if !map.is_empty() => Self::Map(map),
            Value::Array(items) if !items.is_empty() => Self::List(items),
            Value::Object(_)
            | Value::Array(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_) => Self::Inline,
        }
    }
}

/// Block style, without a line break at the end.
pub(crate) fn block(value: &Value) -> String {
    let mut text = String::new();
    match Shape::of(value) {
        Shape::Map(map) => push_map(&mut text, map, 0),
        Shape::List(items) => push_list(&mut text, items, 0),
        Shape::Inline => text.push_str(&inline(value, 0)),
    }
    text.trim_end_matches('\n').to_owned()
}

/// Flow style.
pub(crate) fn flow(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let fields: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", flow_text(key), flow(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Value::String(text) => flow_text(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn push_map(text: &mut String, map: &Map<String, Value>, indent: usize) {
    for (index, (key, value)) in map.iter().enumerate() {
        // The first key of a list's item stands behind the dash already.
        if index > 0 || !text.ends_with("- ") {
            text.push_str(&" ".repeat(indent));
        }
        text.push_str(&block_text(key, indent));
        text.push(':');
        match Shape::of(value) {
            Shape::Map(map) => {
                text.push('\n');
                push_map(text, map, indent + 2);
            }
            Shape::List(items) => {
                text.push('\n');
                push_list(text, items, indent);
            }
            Shape::Inline => text.push_str(&format!(" {}\n", inline(value, indent))),
        }
    }
}

fn push_list(text: &mut String, items: &[Value], indent: usize) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 || !text.ends_with("- ") {
            text.push_str(&" ".repeat(indent));
        }
        text.push_str("- ");
        match Shape::of(item) {
            Shape::Map(map) => push_map(text, map, indent + 2),
            Shape::List(items) => push_list(text, items, indent + 2),
            Shape::Inline => text.push_str(&format!("{}\n", inline(item, indent))),
        }
    }
}

fn inline(value: &Value, indent: usize) -> String {
    match value {
        Value::String(text) => block_text(text, indent),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            flow(value)
        }
    }
}

fn block_text(text: &str, indent: usize) -> String {
    if text
        .chars()
        .any(|letter| letter.is_control() && letter != '\n')
    {
        return double_quoted(text);
    }
    let lines: Vec<&str> = text.split('\n').collect();
    if lines.len() > 1 {
        let is_simple = lines
            .iter()
            .all(|line| !line.is_empty() && line.trim() == *line);
        if !is_simple {
            return double_quoted(text);
        }
        // Of two line breaks a reader makes one.
        let next = format!("\n\n{}", " ".repeat(indent + 2));
        return single_quoted(&lines.join(&next));
    }
    if is_plain(text) {
        return text.to_owned();
    }
    single_quoted(text)
}

fn flow_text(text: &str) -> String {
    if text.chars().any(char::is_control) {
        return double_quoted(text);
    }
    if is_plain(text) && !text.contains([',', '?', '[', ']', '{', '}', ':']) {
        return text.to_owned();
    }
    single_quoted(text)
}

fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A JSON text is one in YAML too, except for line breaks that only YAML knows.
fn double_quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    let mut quoted = String::new();
    for letter in json.chars() {
        match letter {
            '\u{7f}'..='\u{9f}' => quoted.push_str(&format!("\\u{:04x}", u32::from(letter))),
            other => quoted.push(other),
        }
    }
    quoted
}

/// Whether a text without quotes stays that text.
fn is_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else {
        return false;
    };
    let is_indicator = "#,[]{}&*!|>'\"%@`".contains(first)
        || matches!(text, "-" | "?" | ":")
        || ["- ", "? ", ": ", "---", "..."]
            .iter()
            .any(|start| text.starts_with(start));
    let has_indicator = text.contains(": ") || text.ends_with(':') || text.contains(" #");
    let is_trimmed = text.trim() == text;
    let has_break = text.contains(['\u{2028}', '\u{2029}', '\u{feff}']);
    !is_indicator && !has_indicator && is_trimmed && !has_break && !is_other_type(text)
}

/// Whether a reader would take the text for a truth, a number, a date or nothing.
fn is_other_type(text: &str) -> bool {
    let words = [
        "~", "null", "true", "false", "yes", "no", "on", "off", "=", "<<", ".inf", ".nan",
    ];
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_word = words.iter().any(|word| unsigned.eq_ignore_ascii_case(word));
    let begins_as_number =
        unsigned.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.');
    let may_be_number = unsigned
        .chars()
        .all(|letter| letter.is_ascii_hexdigit() || "xX_.:+-TtZ ".contains(letter));
    // Addresses have more dots than any number.
    let is_number = begins_as_number && may_be_number && text.matches('.').count() < 2;
    is_word || is_number
}
