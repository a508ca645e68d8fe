//! The rules of a cluster: what the store's `config` key says, with defaults and limits.
//!
//! Reading never fails: a value that makes no sense is replaced by its default and named in a
//! warning, because a cluster without rules would be worse than one with default rules.

mod slots;

pub use slots::{ClusterType, PermanentSlot, SlotPattern, SlotRules};

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::remote::StandbyCluster;
use crate::value::Bytes;

/// How commits are replicated, as the cluster's configuration asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SynchronousMode {
    /// Standbys receive WAL after the client got its answer.
    #[default]
    Off,
    /// Named standbys confirm each commit.
    On,
    /// Any of several standbys confirm each commit.
    Quorum,
}

/// What may be done about data that cannot follow the leader as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejoinRules {
    /// Diverged data may be rewound: `use_pg_rewind`.
    pub rewinds: bool,
    /// Data that a rewind left unfinished, or that it could not be used on, may be replaced by a
    /// copy: `remove_data_directory_on_rewind_failure`.
    pub replaces_on_failure: bool,
    /// Diverged data may be replaced by a copy:
    /// `remove_data_directory_on_diverged_timelines`.
    pub replaces_on_divergence: bool,
    /// A standby that misses WAL which the leader does not have any more may be replaced by a
    /// copy: `remove_data_directory_on_missing_wal`.
    pub replaces_on_missing_wal: bool,
}

/// What a member's own configuration says about [`RejoinRules`]; it goes before the cluster's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejoinSettings {
    /// `use_pg_rewind`.
    pub rewinds: Option<bool>,
    /// `remove_data_directory_on_rewind_failure`.
    pub replaces_on_failure: Option<bool>,
    /// `remove_data_directory_on_diverged_timelines`.
    pub replaces_on_divergence: Option<bool>,
    /// `remove_data_directory_on_missing_wal`.
    pub replaces_on_missing_wal: Option<bool>,
}

impl RejoinSettings {
    /// These over the cluster's rules.
    #[must_use]
    pub fn over(&self, rules: RejoinRules) -> RejoinRules {
        RejoinRules {
            rewinds: self.rewinds.unwrap_or(rules.rewinds),
            replaces_on_failure: self
                .replaces_on_failure
                .unwrap_or(rules.replaces_on_failure),
            replaces_on_divergence: self
                .replaces_on_divergence
                .unwrap_or(rules.replaces_on_divergence),
            replaces_on_missing_wal: self
                .replaces_on_missing_wal
                .unwrap_or(rules.replaces_on_missing_wal),
        }
    }
}

/// The rules that decisions follow, valid for all members of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// How long the leader's lease lives without renewal.
    pub ttl: Duration,
    /// The longest silence between two looks at everything.
    pub loop_wait: Duration,
    /// How long attempts of one store call go on.
    pub retry_timeout: Duration,
    /// A standby further behind than this does not become leader by itself.
    pub maximum_lag_on_failover: Bytes,
    /// How long a crashed primary may try to start before another takes over; zero: not at all.
    pub primary_start_timeout: Duration,
    /// Whether a standby on an older timeline than the cluster's may not race.
    pub check_timeline: bool,
    /// Whether members leave PostgreSQL as it is.
    pub pause: bool,
    /// How commits are replicated.
    pub synchronous_mode: SynchronousMode,
    /// Whether commits wait also when no standby is there to confirm them.
    pub synchronous_mode_strict: bool,
    /// How many standbys confirm each commit.
    pub synchronous_node_count: usize,
    /// A standby further behind the best one than this does not confirm commits; none: any may.
    pub maximum_lag_on_syncnode: Option<Bytes>,
    /// Whether a primary may outlive its store by asking its peers.
    pub failsafe_mode: bool,
    /// What the whole cluster follows; none: nothing, its leader is a primary.
    #[serde(default)]
    pub standby_cluster: Option<StandbyCluster>,
    /// Whether members get replication slots.
    pub use_slots: bool,
    /// How long the slot of a vanished member is kept.
    pub member_slots_ttl: Duration,
    /// The slots that always exist, and the ones that are never dropped.
    #[serde(default)]
    pub slots: SlotRules,
    /// How many lines of timeline history are kept; zero: all.
    pub max_timelines_history: usize,
    /// What may be done about data that cannot follow the leader as it is.
    #[serde(default)]
    pub rejoin: RejoinRules,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(30),
            loop_wait: Duration::from_secs(10),
            retry_timeout: Duration::from_secs(10),
            maximum_lag_on_failover: Bytes(1 << 20),
            primary_start_timeout: Duration::from_secs(300),
            check_timeline: false,
            pause: false,
            synchronous_mode: SynchronousMode::Off,
            synchronous_mode_strict: false,
            synchronous_node_count: 1,
            maximum_lag_on_syncnode: None,
            failsafe_mode: false,
            standby_cluster: None,
            use_slots: true,
            member_slots_ttl: Duration::from_secs(1800),
            slots: SlotRules::default(),
            max_timelines_history: 0,
            rejoin: RejoinRules::default(),
        }
    }
}

impl Rules {
    /// Reads the `config` object of the store. Unknown keys are other readers' business.
    ///
    /// The second value names each entry that could not be used as written.
    #[must_use]
    pub fn read(config: &Value) -> (Self, Vec<String>) {
        let mut reader = Reader {
            config,
            warnings: Vec::new(),
        };
        let default = Self::default();
        let ttl = reader.seconds(&["ttl"], default.ttl, 1);
        let mut rules = Self {
            ttl,
            loop_wait: reader.seconds(&["loop_wait"], default.loop_wait, 1),
            retry_timeout: reader.seconds(&["retry_timeout"], default.retry_timeout, 1),
            maximum_lag_on_failover: Bytes(reader.number(
                &["maximum_lag_on_failover"],
                default.maximum_lag_on_failover.0,
            )),
            primary_start_timeout: reader.seconds(
                &["primary_start_timeout", "master_start_timeout"],
                default.primary_start_timeout,
                0,
            ),
            check_timeline: reader.flag("check_timeline", default.check_timeline),
            pause: reader.flag("pause", default.pause),
            synchronous_mode: reader.synchronous_mode(),
            synchronous_mode_strict: reader.flag("synchronous_mode_strict", false),
            synchronous_node_count: reader.node_count(),
            maximum_lag_on_syncnode: reader.lag_on_syncnode(),
            failsafe_mode: reader.flag("failsafe_mode", default.failsafe_mode),
            standby_cluster: StandbyCluster::read(
                config.get("standby_cluster"),
                &mut reader.warnings,
            ),
            use_slots: config
                .get("postgresql")
                .and_then(|section| section.get("use_slots"))
                .and_then(truth)
                .unwrap_or(default.use_slots),
            rejoin: reader.rejoin(),
            member_slots_ttl: reader.seconds(&["member_slots_ttl"], default.member_slots_ttl, 0),
            slots: slots::read(config, &mut reader.warnings),
            max_timelines_history: usize::try_from(reader.number(&["max_timelines_history"], 0))
                .unwrap_or(usize::MAX),
        };
        if rules.standby_cluster.is_some() {
            // Nobody writes in it: there is no commit that could wait.
            rules.synchronous_mode = SynchronousMode::Off;
        }
        (rules, reader.warnings)
    }

    /// How long the start of a primary may take before it counts as failed.
    #[must_use]
    pub fn start_limit(&self) -> Duration {
        if self.primary_start_timeout.is_zero() {
            Duration::from_secs(300)
        } else {
            self.primary_start_timeout
        }
    }

    /// How long all attempts of one store call may take together: never more than half the lease,
    /// so that a failed renewal leaves time for another.
    #[must_use]
    pub fn call_limit(&self) -> Duration {
        self.retry_timeout.min(self.ttl / 2)
    }
}

/// The truth of a value as the store's other readers see it: by its text.
#[must_use]
pub fn truth(value: &Value) -> Option<bool> {
    let text = match value {
        Value::Bool(truth) => return Some(*truth),
        Value::String(text) => text.to_lowercase(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    match text.as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

struct Reader<'a> {
    config: &'a Value,
    warnings: Vec<String>,
}

impl Reader<'_> {
    /// The first of several spellings that is present.
    fn find(&self, keys: &[&'static str]) -> Option<(&'static str, &Value)> {
        keys.iter().find_map(|key| match self.config.get(key) {
            None | Some(Value::Null) => None,
            Some(value) => Some((*key, value)),
        })
    }

    fn number(&mut self, keys: &[&'static str], default: u64) -> u64 {
        let Some((key, value)) = self.find(keys) else {
            return default;
        };
        let number = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let Some(number) = number else {
            let warning = format!("{key}: {value} is not a whole number, {default} is used");
            self.warnings.push(warning);
            return default;
        };
        number
    }

    fn seconds(&mut self, keys: &[&'static str], default: Duration, least: u64) -> Duration {
        let seconds = match self.find(keys).and_then(|(_, value)| duration(value)) {
            Some(seconds) => seconds,
            None => self.number(keys, default.as_secs()),
        };
        if seconds < least {
            self.warnings.push(format!(
                "{}: {seconds} is too small, {least} is used",
                keys[0]
            ));
        }
        Duration::from_secs(seconds.max(least))
    }

    fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let Some((_, value)) = self.find(&[key]) else {
            return default;
        };
        let Some(truth) = truth(value) else {
            let warning = format!("{key}: {value} is neither on nor off, {default} is used");
            self.warnings.push(warning);
            return default;
        };
        truth
    }

    /// What cannot be read forbids: no data is touched for a slip of the pen.
    fn rejoin(&mut self) -> RejoinRules {
        RejoinRules {
            rewinds: self.permission("use_pg_rewind"),
            replaces_on_failure: self.permission("remove_data_directory_on_rewind_failure"),
            replaces_on_divergence: self.permission("remove_data_directory_on_diverged_timelines"),
            replaces_on_missing_wal: self.permission("remove_data_directory_on_missing_wal"),
        }
    }

    /// A switch of the section `postgresql`.
    fn permission(&mut self, key: &'static str) -> bool {
        let section = self.config.get("postgresql");
        let value = section.and_then(|section| section.get(key));
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return false;
        };
        truth(value).unwrap_or_else(|| {
            let warning = format!("postgresql.{key}: {value} is neither on nor off, off is used");
            self.warnings.push(warning);
            false
        })
    }

    /// Synchronous mode without a standby to wait for would be none: at least one.
    fn node_count(&mut self) -> usize {
        let count = self.number(&["synchronous_node_count"], 1);
        usize::try_from(count).unwrap_or(usize::MAX).max(1)
    }

    /// Zero and less mean no limit.
    fn lag_on_syncnode(&mut self) -> Option<Bytes> {
        let key = "maximum_lag_on_syncnode";
        let (_, value) = self.find(&[key])?;
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let Some(number) = number else {
            let warning = format!("{key}: {value} is not a whole number, there is no limit");
            self.warnings.push(warning);
            return None;
        };
        u64::try_from(number)
            .ok()
            .filter(|limit| *limit > 0)
            .map(Bytes)
    }

    fn synchronous_mode(&mut self) -> SynchronousMode {
        let Some((key, value)) = self.find(&["synchronous_mode"]) else {
            return SynchronousMode::Off;
        };
        if value
            .as_str()
            .is_some_and(|text| text.eq_ignore_ascii_case("quorum"))
        {
            return SynchronousMode::Quorum;
        }
        match truth(value) {
            Some(true) => SynchronousMode::On,
            Some(false) => SynchronousMode::Off,
            None => {
                // A mode that we cannot read still asks for synchronous commits: the stricter
                // reading loses nothing.
                let warning = format!("{key}: {value} is not a mode, on is used");
                self.warnings.push(warning);
                SynchronousMode::On
            }
        }
    }
}

/// A text with a time unit, such as `30min`, in seconds.
fn duration(value: &Value) -> Option<u64> {
    let text = value.as_str()?.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    match text[digits..].trim() {
        "" | "s" => Some(number),
        "min" => number.checked_mul(60),
        "h" => number.checked_mul(3600),
        "d" => number.checked_mul(86400),
        "ms" => Some(number / 1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_empty_configuration_means_the_defaults() {
        assert_eq!(Rules::read(&json!({})), (Rules::default(), Vec::new()));
    }

    #[test]
    fn old_spellings_and_texts_are_understood() {
        let (rules, warnings) = Rules::read(&json!({
            "ttl": "5", "master_start_timeout": 0, "pause": "on", "member_slots_ttl": "30min",
            "synchronous_mode": "quorum", "postgresql": {"use_slots": false},
        }));
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(rules.ttl, Duration::from_secs(5));
        assert_eq!(rules.primary_start_timeout, Duration::ZERO);
        assert!(rules.pause && !rules.use_slots);
        assert_eq!(rules.member_slots_ttl, Duration::from_secs(1800));
        assert_eq!(rules.synchronous_mode, SynchronousMode::Quorum);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_replaced() {
        let (rules, warnings) = Rules::read(&json!({
            "ttl": "soon", "maximum_lag_on_failover": "1MB", "pause": "perhaps", "synchronous_mode": "maybe",
        }));
        assert_eq!(rules.ttl, Duration::from_secs(30));
        assert_eq!(rules.synchronous_mode, SynchronousMode::On);
        assert_eq!(warnings.len(), 4, "{warnings:?}");
        assert!(warnings[0].starts_with("ttl: "), "{warnings:?}");
    }

    #[test]
    fn one_call_never_takes_more_than_half_the_lease() {
        let (rules, _) = Rules::read(&json!({"ttl": 5, "retry_timeout": 10}));
        assert_eq!(rules.call_limit(), Duration::from_millis(2500));
    }

    #[test]
    fn only_what_is_permitted_in_so_many_words_is_done_to_data() {
        let (rules, warnings) = Rules::read(&json!({"postgresql": {
            "use_pg_rewind": true, "remove_data_directory_on_rewind_failure": "on",
            "remove_data_directory_on_diverged_timelines": "please",
        }}));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let rejoin = RejoinRules {
            rewinds: true,
            replaces_on_failure: true,
            ..RejoinRules::default()
        };
        assert_eq!(rules.rejoin, rejoin);
        let own = RejoinSettings {
            rewinds: Some(false),
            replaces_on_missing_wal: Some(true),
            ..RejoinSettings::default()
        };
        let in_force = own.over(rejoin);
        assert!(!in_force.rewinds && in_force.replaces_on_failure);
        assert!(in_force.replaces_on_missing_wal && !in_force.replaces_on_divergence);
    }

    #[test]
    fn synchronous_settings_have_the_defaults_of_no_limit_and_one_standby() {
        let read = |value: Value| {
            let (rules, warnings) = Rules::read(&value);
            let limit = rules.maximum_lag_on_syncnode.map(|limit| limit.0);
            let strict = rules.synchronous_mode_strict;
            (rules.synchronous_node_count, strict, limit, warnings.len())
        };
        assert_eq!(read(json!({})), (1, false, None, 0));
        let given = json!({
            "synchronous_node_count": "2", "synchronous_mode_strict": "on",
            "maximum_lag_on_syncnode": 1048576,
        });
        assert_eq!(read(given), (2, true, Some(1 << 20), 0));
        let odd = json!({"synchronous_node_count": 0, "maximum_lag_on_syncnode": -1});
        assert_eq!(read(odd), (1, false, None, 0));
        let wrong = json!({"synchronous_node_count": "two", "maximum_lag_on_syncnode": "1MB"});
        assert_eq!(read(wrong), (1, false, None, 2));
    }
}
