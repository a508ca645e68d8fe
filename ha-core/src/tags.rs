//! What an operator says about one member.
//!
//! A yes-or-no tag beats the priority that means the same.

use alloc::collections::BTreeMap;
use alloc::string::String;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::truth;

/// A member's tags, with the ones that decide something read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    /// All tags as written, the falsy standard ones left out where that is how they are published.
    pub published: BTreeMap<String, Value>,
}

/// Yes-or-no tags that are not published while they say no, and the priority that overrides this.
const HIDDEN_WHEN_FALSE: [(&str, Option<&str>); 5] = [
    ("clonefrom", None),
    ("nofailover", Some("failover_priority")),
    ("noloadbalance", None),
    ("nosync", Some("sync_priority")),
    ("nostream", None),
];

impl Tags {
    /// Reads tags from a configuration or a member's key.
    #[must_use]
    pub fn read(tags: &Map<String, Value>) -> Self {
        let mut published: BTreeMap<String, Value> = tags
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        for (tag, priority) in HIDDEN_WHEN_FALSE {
            let is_false = published
                .get(tag)
                .is_some_and(|value| truth(value) != Some(true));
            let is_overridden = priority.is_some_and(|key| tags.contains_key(key));
            if is_false && !is_overridden {
                published.remove(tag);
            }
        }
        Self { published }
    }

    fn flag(&self, tag: &str) -> Option<bool> {
        self.published.get(tag).and_then(truth)
    }

    /// Which of two equal candidates goes first: the higher. Zero or less never leads.
    #[must_use]
    pub fn failover_priority(&self) -> i64 {
        match self.flag("nofailover") {
            Some(true) => 0,
            Some(false) => self.number("failover_priority").max(1),
            None => self.number("failover_priority"),
        }
    }

    /// A priority; without one it is 1.
    fn number(&self, tag: &str) -> i64 {
        match self.published.get(tag) {
            Some(Value::Number(number)) => number.as_i64().unwrap_or(1),
            Some(Value::String(text)) => text.trim().parse().unwrap_or(1),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => 1,
        }
    }

    /// Whether the member must never become leader by itself.
    #[must_use]
    pub fn is_nofailover(&self) -> bool {
        self.failover_priority() <= 0
    }

    /// Whether the member takes no WAL by streaming.
    #[must_use]
    pub fn is_nostream(&self) -> bool {
        self.flag("nostream") == Some(true)
    }

    /// Which of several standbys confirms commits first: the higher. Zero or less: never.
    #[must_use]
    pub fn sync_priority(&self) -> i64 {
        let number = self.number("sync_priority");
        match self.flag("nosync") {
            Some(true) => 0,
            Some(false) => number.max(1),
            None => number,
        }
    }

    /// The member that this one should stream from, if its operator named one.
    #[must_use]
    pub fn replicatefrom(&self) -> Option<&str> {
        let text = self.published.get("replicatefrom")?.as_str()?;
        (!text.is_empty()).then_some(text)
    }

    /// Whether balancers should leave the member alone.
    #[must_use]
    pub fn is_noloadbalance(&self) -> bool {
        self.flag("noloadbalance") == Some(true)
    }

    /// Whether new members should rather be copied from this one than from the leader.
    #[must_use]
    pub fn is_clonefrom(&self) -> bool {
        self.flag("clonefrom") == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tags(value: Value) -> Tags {
        let Value::Object(map) = value else {
            panic!("tags are an object")
        };
        Tags::read(&map)
    }

    #[test]
    fn the_yes_or_no_tag_beats_the_priority() {
        assert!(tags(json!({"nofailover": true, "failover_priority": 5})).is_nofailover());
        assert!(!tags(json!({"nofailover": false, "failover_priority": 0})).is_nofailover());
        assert!(tags(json!({"failover_priority": 0})).is_nofailover());
        assert!(!tags(json!({})).is_nofailover());
        assert_eq!(
            tags(json!({"failover_priority": "7"})).failover_priority(),
            7
        );
    }

    #[test]
    fn a_member_that_must_not_confirm_commits_has_priority_zero() {
        assert_eq!(tags(json!({})).sync_priority(), 1);
        assert_eq!(tags(json!({"sync_priority": 3})).sync_priority(), 3);
        assert_eq!(
            tags(json!({"nosync": true, "sync_priority": 3})).sync_priority(),
            0
        );
        assert_eq!(
            tags(json!({"nosync": false, "sync_priority": 0})).sync_priority(),
            1
        );
        assert_eq!(
            tags(json!({"replicatefrom": "b"})).replicatefrom(),
            Some("b")
        );
        assert_eq!(tags(json!({"replicatefrom": ""})).replicatefrom(), None);
    }

    #[test]
    fn falsy_standard_tags_are_not_published() {
        let read =
            tags(json!({"nofailover": false, "nosync": "off", "clonefrom": true, "rack": "a"}));
        let names: Vec<&str> = read.published.keys().map(String::as_str).collect();
        assert_eq!(names, ["clonefrom", "rack"]);
        let kept = tags(json!({"nofailover": false, "failover_priority": 2}));
        assert!(kept.published.contains_key("nofailover"));
    }

    use alloc::vec::Vec;
}
