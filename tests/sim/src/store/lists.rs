//! Who is named by keys that say who may lead, as a person would read them.

use herdsman_ha_core::schema::key;
use serde_json::{Map, Value};

use super::Store;

impl Store {
    /// The leader and the standbys of the `sync` key; none: it is not in force.
    pub fn sync_key(&self) -> Option<(String, Vec<String>)> {
        let text = self.value(key::SYNC).unwrap_or_default();
        let sync: Value = serde_json::from_str(text).unwrap_or_default();
        let leader = sync["leader"].as_str()?.to_owned();
        let standbys = sync["sync_standby"].as_str().unwrap_or_default();
        let standbys = standbys.split(',').filter(|name| !name.is_empty());
        Some((leader, standbys.map(str::to_owned).collect()))
    }

    /// Whom the `failsafe` key names, and where each answers; none: it is not there.
    pub fn failsafe_key(&self) -> Option<Map<String, Value>> {
        serde_json::from_str(self.value(key::FAILSAFE)?).ok()
    }
}
