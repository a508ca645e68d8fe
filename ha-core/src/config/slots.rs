//! The slots that an operator wants to have, and the ones that are not ours to drop.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::view::{LogicalSlot, SlotKind, SlotView};

/// PostgreSQL's limit on names.
const NAME_BYTES: usize = 63;

/// The spellings of the section, in the order in which they are looked for.
const SPELLINGS: [&str; 3] = ["permanent_replication_slots", "permanent_slots", "slots"];

/// What the configuration says about replication slots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRules {
    /// Slots that always exist: `slots`.
    pub permanent: BTreeMap<String, PermanentSlot>,
    /// Slots that are never dropped: `ignore_slots`.
    pub ignored: Vec<SlotPattern>,
}

/// A slot that always exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermanentSlot {
    /// What it is for.
    pub kind: SlotKind,
    /// Where it exists; none: in every cluster.
    pub cluster_type: Option<ClusterType>,
}

/// What a cluster follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterType {
    /// Nothing.
    Primary,
    /// Another cluster.
    Standby,
}

/// Names slots: each attribute that is given must be equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotPattern {
    /// Its name.
    pub name: Option<String>,
    /// `physical` or `logical`.
    pub kind: Option<String>,
    /// The database of a logical slot.
    pub database: Option<String>,
    /// The plugin of a logical slot.
    pub plugin: Option<String>,
}

impl PermanentSlot {
    /// Whether it belongs into a cluster of this type.
    #[must_use]
    pub fn is_for(&self, cluster: ClusterType) -> bool {
        self.cluster_type.is_none_or(|wanted| wanted == cluster)
    }
}

impl SlotRules {
    /// Whether any of the slots that always exist is a logical one.
    #[must_use]
    pub fn has_logical(&self) -> bool {
        let mut permanent = self.permanent.values();
        permanent.any(|slot| matches!(slot.kind, SlotKind::Logical(_)))
    }

    /// Whether nobody may drop this slot.
    #[must_use]
    pub fn ignores(&self, name: &str, slot: &SlotView) -> bool {
        self.ignored
            .iter()
            .any(|pattern| pattern.matches(name, slot))
    }
}

impl SlotPattern {
    /// Whether it names this slot.
    #[must_use]
    pub fn matches(&self, name: &str, slot: &SlotView) -> bool {
        let (kind, logical) = match &slot.kind {
            SlotKind::Physical => ("physical", None),
            SlotKind::Logical(logical) => ("logical", Some(logical)),
        };
        is(&self.name, Some(name))
            && is(&self.kind, Some(kind))
            && is(&self.database, logical.map(|slot| slot.database.as_str()))
            && is(&self.plugin, logical.map(|slot| slot.plugin.as_str()))
    }
}

fn is(wanted: &Option<String>, found: Option<&str>) -> bool {
    wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
}

/// Reads both sections; what cannot be used is left out and named.
pub(super) fn read(config: &Value, warnings: &mut Vec<String>) -> SlotRules {
    SlotRules {
        permanent: read_permanent(config, warnings),
        ignored: read_ignored(config, warnings),
    }
}

fn read_permanent(config: &Value, warnings: &mut Vec<String>) -> BTreeMap<String, PermanentSlot> {
    let mut permanent = BTreeMap::new();
    let found = SPELLINGS.iter().find_map(|key| match config.get(key) {
        None | Some(Value::Null) => None,
        Some(value) => Some((*key, value)),
    });
    let Some((key, value)) = found else {
        return permanent;
    };
    let Value::Object(slots) = value else {
        warnings.push(format!(
            "{key}: {value} is not a map of slots by their names, it is left out"
        ));
        return permanent;
    };
    for (name, value) in slots {
        match slot(name, value) {
            Ok(slot) => {
                permanent.insert(name.clone(), slot);
            }
            Err(why) => warnings.push(format!("{key}.{name}: {why}, the slot is left out")),
        }
    }
    permanent
}

fn read_ignored(config: &Value, warnings: &mut Vec<String>) -> Vec<SlotPattern> {
    let mut ignored = Vec::new();
    match config.get("ignore_slots") {
        None | Some(Value::Null) => {}
        Some(Value::Array(patterns)) => {
            for (at, value) in patterns.iter().enumerate() {
                match pattern(value) {
                    Ok(pattern) => ignored.push(pattern),
                    Err(why) => {
                        warnings.push(format!("ignore_slots[{at}]: {why}, it is left out"));
                    }
                }
            }
        }
        Some(value) => warnings.push(format!(
            "ignore_slots: {value} is not a list of slots, it is left out"
        )),
    }
    ignored
}

fn slot(name: &str, value: &Value) -> Result<PermanentSlot, String> {
    let is_valid = |character: char| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_'
    };
    if name.is_empty() || name.len() > NAME_BYTES || !name.chars().all(is_valid) {
        return Err(format!(
            "a name of a slot has 1 to {NAME_BYTES} lower case letters, digits and underscores"
        ));
    }
    let empty = Map::new();
    let map = match value {
        Value::Null => &empty,
        Value::Object(map) => map,
        Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            return Err(format!("{value} is not a map"));
        }
    };
    let cluster_type = match text(map, "cluster_type")?.as_deref() {
        None => None,
        Some("primary") => Some(ClusterType::Primary),
        Some("standby") => Some(ClusterType::Standby),
        Some(other) => {
            return Err(format!(
                "cluster_type {other} is neither primary nor standby"
            ));
        }
    };
    let (database, plugin) = (text(map, "database")?, text(map, "plugin")?);
    let kind = match (text(map, "type")?.as_deref(), database, plugin) {
        (Some("physical"), _, _) | (None, None, None) => SlotKind::Physical,
        (Some("logical") | None, Some(database), Some(plugin)) => {
            SlotKind::Logical(LogicalSlot { database, plugin })
        }
        (Some("logical") | None, None, _) => {
            return Err("a logical slot needs a database".to_owned());
        }
        (Some("logical") | None, _, None) => {
            return Err("a logical slot needs a plugin".to_owned());
        }
        (Some(other), _, _) => {
            return Err(format!("type {other} is neither physical nor logical"));
        }
    };
    Ok(PermanentSlot { kind, cluster_type })
}

fn pattern(value: &Value) -> Result<SlotPattern, String> {
    let Value::Object(map) = value else {
        return Err(format!("{value} is not a map"));
    };
    let pattern = SlotPattern {
        name: text(map, "name")?,
        kind: text(map, "type")?,
        database: text(map, "database")?,
        plugin: text(map, "plugin")?,
    };
    if pattern == SlotPattern::default() {
        return Err("none of name, type, database and plugin is given".to_owned());
    }
    Ok(pattern)
}

fn text(map: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(value) => Err(format!("{key} {value} is not a name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules(config: &Value) -> (SlotRules, Vec<String>) {
        let mut warnings = Vec::new();
        let rules = read(config, &mut warnings);
        (rules, warnings)
    }

    fn logical() -> LogicalSlot {
        LogicalSlot {
            database: "app".to_owned(),
            plugin: "pgoutput".to_owned(),
        }
    }

    #[test]
    fn the_kind_of_a_slot_is_what_its_attributes_say() {
        let (rules, warnings) = rules(&json!({"slots": {
            "backup": null,
            "archive": {"type": "physical", "cluster_type": "standby"},
            "cdc": {"database": "app", "plugin": "pgoutput"},
        }}));
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(rules.permanent["backup"], PermanentSlot::default());
        let archive = &rules.permanent["archive"];
        assert!(archive.is_for(ClusterType::Standby) && !archive.is_for(ClusterType::Primary));
        assert_eq!(rules.permanent["cdc"].kind, SlotKind::Logical(logical()));
    }

    #[test]
    fn the_first_spelling_is_taken() {
        let (rules, _) = rules(&json!({"slots": {"a": null}, "permanent_slots": {"b": null}}));
        assert_eq!(rules.permanent.keys().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn what_cannot_be_used_is_left_out_and_named() {
        let (found, warnings) = rules(&json!({
            "slots": {"Big": null, "one": 1, "two": {"type": "logical", "plugin": "p"},
                      "three": {"type": "odd"}, "four": {"cluster_type": "x"}},
            "ignore_slots": [{"nme": "a"}, "b", {"name": "kept"}],
        }));
        assert!(found.permanent.is_empty());
        assert_eq!(found.ignored.len(), 1);
        let expected = [
            "slots.Big: a name of a slot has 1 to 63 lower case letters, digits and underscores",
            "slots.four: cluster_type x is neither primary nor standby",
            "slots.one: 1 is not a map",
            "slots.three: type odd is neither physical nor logical",
            "slots.two: a logical slot needs a database",
            "ignore_slots[0]: none of name, type, database and plugin is given",
            "ignore_slots[1]: \"b\" is not a map",
        ];
        for text in expected {
            let is_told = warnings.iter().any(|warning| warning.starts_with(text));
            assert!(is_told, "{text}: {warnings:?}");
        }
        let (_, warnings) = rules(&json!({"slots": [], "ignore_slots": {}}));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }

    #[test]
    fn every_attribute_of_a_pattern_must_be_equal() {
        let slot = SlotView {
            kind: SlotKind::Logical(logical()),
            ..SlotView::default()
        };
        let (rules, _) = rules(&json!({"ignore_slots": [
            {"name": "cdc", "type": "logical", "database": "app", "plugin": "pgoutput"}
        ]}));
        assert!(rules.ignores("cdc", &slot));
        assert!(!rules.ignores("other", &slot));
        assert!(!rules.ignores("cdc", &SlotView::physical(None)));
    }
}
