//! Changes of a configuration: a map put over it, and single values.

use herdsman_agent::settings;
use serde_json::{Map, Value};

use crate::error::Error;

type Config = Map<String, Value>;

/// Below this, names may have dots.
const PARAMETERS: [&str; 2] = ["postgresql", "parameters"];

/// Puts `over` into `config`: maps are merged, a null removes, everything else replaces. A value
/// that is written differently but reads alike stays as it is.
pub(super) fn merge(config: &mut Config, over: &Config) {
    for (key, value) in over {
        match (config.get_mut(key), value) {
            (_, Value::Null) => {
                config.remove(key);
            }
            (Some(Value::Object(inner)), Value::Object(over)) => merge(inner, over),
            (Some(old), new) if reads_alike(old, new) => {}
            (_, Value::Object(over)) => {
                let mut inner = Map::new();
                merge(&mut inner, over);
                config.insert(key.clone(), Value::Object(inner));
            }
            (_, new) => {
                config.insert(key.clone(), new.clone());
            }
        }
    }
}

/// Whether two values are the same word, such as `100` and `"100"`.
fn reads_alike(old: &Value, new: &Value) -> bool {
    let word = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    old == new || word(old).is_some() && word(old) == word(new)
}

/// Sets one value: `KEY=VALUE`, where the key is a path with dots and the value is YAML.
pub(super) fn set(config: &mut Config, pair: &str) -> Result<(), Error> {
    let wrong = || Error::Refused(format!("Invalid parameter setting {pair}"));
    let (path, value) = pair.split_once('=').ok_or_else(wrong)?;
    let path: Vec<&str> = path.trim().split('.').collect();
    if path.iter().any(|part| part.is_empty()) {
        return Err(wrong());
    }
    let value = settings::document(value, &format!("the value of {}", path.join(".")))?;
    if path.len() > PARAMETERS.len() && path.starts_with(&PARAMETERS) {
        let name = path[PARAMETERS.len()..].join(".");
        put(config, &[PARAMETERS[0], PARAMETERS[1], &name], value);
    } else {
        put(config, &path, value);
    }
    Ok(())
}

/// A null removes the key, and the maps around it that are empty then.
fn put(config: &mut Config, path: &[&str], value: Value) {
    let [key, below @ ..] = path else {
        return;
    };
    if below.is_empty() {
        if value.is_null() {
            config.remove(*key);
        } else {
            config.insert((*key).to_owned(), value);
        }
        return;
    }
    let mut inner = match config.remove(*key) {
        Some(Value::Object(inner)) => inner,
        // A path goes through a map, whatever stood there.
        Some(_) | None => Map::new(),
    };
    put(&mut inner, below, value);
    if !inner.is_empty() {
        config.insert((*key).to_owned(), Value::Object(inner));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Config {
        let Value::Object(map) = value else {
            panic!("an object is expected")
        };
        map
    }

    #[test]
    fn maps_are_merged_and_nulls_remove() {
        let mut config = object(json!({"a": {"b": 1, "c": "2"}, "d": [1], "e": 3}));
        let over = json!({"a": {"b": null, "c": 2, "x": {"y": null, "z": 1}}, "d": [2], "e": {}});
        merge(&mut config, &object(over));
        let expected = json!({"a": {"c": "2", "x": {"z": 1}}, "d": [2], "e": {}});
        assert_eq!(Value::Object(config), expected);
    }

    #[test]
    fn single_values_are_set_by_their_path() {
        let mut config = object(json!({"ttl": 30, "postgresql": {"parameters": {"work_mem": 1}}}));
        for pair in [
            "ttl=20",
            "postgresql.parameters.auto_explain.log_min_duration=5s",
            "postgresql.parameters.work_mem=null",
            " a.b = [1, on]",
            "slots.x.type=physical",
            "slots.x.type=",
            "pause=yes=no",
        ] {
            set(&mut config, pair).unwrap();
        }
        let expected = json!({
            "ttl": 20,
            "postgresql": {"parameters": {"auto_explain.log_min_duration": "5s"}},
            "a": {"b": [1, true]},
            "pause": "yes=no",
        });
        assert_eq!(Value::Object(config), expected);
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        for pair in ["ttl", "", "=3", "a..b=1", ".a=1"] {
            let told = set(&mut Map::new(), pair).unwrap_err().line();
            assert_eq!(told, format!("Error: Invalid parameter setting {pair}"));
        }
        let told = set(&mut Map::new(), "a={").unwrap_err().line();
        assert!(told.contains("the value of a:"), "{told}");
    }
}
