//! Between our values and JSON: the first dynamic configuration and the tags
//! go into the store, and the dynamic configuration is read with the same
//! code as the file.

use serde_json::{Map, Number, Value as Json};

use super::{Entry, Node, Place, Value};

impl Node {
    /// The value as JSON; keys become texts as Python's `json` makes them.
    /// Fails with the place of a number that JSON cannot hold.
    pub(crate) fn to_json(&self) -> Result<Json, Place> {
        Ok(match &self.value {
            Value::Null => Json::Null,
            Value::Bool(truth) => Json::Bool(*truth),
            Value::Integer(number) => Number::from_i128(*number)
                .map(Json::Number)
                .ok_or_else(|| self.place.clone())?,
            Value::Float(number) => Number::from_f64(*number)
                .map(Json::Number)
                .ok_or_else(|| self.place.clone())?,
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => {
                Json::Array(items.iter().map(Self::to_json).collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => Json::Object(object(entries)?),
        })
    }

    /// A JSON value, all of it at one place.
    pub(crate) fn from_json(json: &Json, place: &Place) -> Self {
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(truth) => Value::Bool(*truth),
            Json::Number(number) => match number.as_i128() {
                Some(number) => Value::Integer(number),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => Value::List(
                items
                    .iter()
                    .map(|item| Self::from_json(item, place))
                    .collect(),
            ),
            Json::Object(fields) => Value::Map(
                fields
                    .iter()
                    .map(|(key, value)| Entry {
                        key: Self::new(Value::Text(key.clone()), place.clone()),
                        value: Self::from_json(value, place),
                    })
                    .collect(),
            ),
        };
        Self::new(value, place.clone())
    }
}

fn object(entries: &[Entry]) -> Result<Map<String, Json>, Place> {
    entries
        .iter()
        .map(|entry| Ok((key_text(&entry.key), entry.value.to_json()?)))
        .collect()
}

/// A key as text: Python's `json` writes `true`, `null` and numbers.
pub(super) fn key_text(key: &Node) -> String {
    match &key.value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Integer(_) | Value::Float(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
            key.python_text().unwrap_or_default()
        }
    }
}
