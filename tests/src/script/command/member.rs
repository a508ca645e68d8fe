//! `member a`: an agent starts. A second time: the same member's agent starts anew, with the
//! server as it is and a memory that is empty.

use herdsman_ha_core::{RejoinSettings, Scripts, Settings, Tags};
use serde_json::{Map, Value, json};

use super::no_facts;
use crate::script::world::{World, read_instant};
use herdsman_sim::words::{Words, list};

pub(crate) fn perform(world: &mut World, mut words: Words, input: &[String]) -> Result<(), String> {
    no_facts(input)?;
    let name = words.expect("a member")?;
    if let Some(at) = words.value("at") {
        world.advance(read_instant(&at)?)?;
    }
    start(world, &name, &mut words)?;
    words.end()
}

/// Starts an agent with the settings that the words tell.
pub(crate) fn start(world: &mut World, name: &str, words: &mut Words) -> Result<(), String> {
    let full = world.name(name);
    let seed = words.parsed("seed")?.unwrap_or(0);
    let settings = Settings {
        conn_url: format!("postgres://{full}:5432/postgres"),
        api_url: format!("http://{full}:8008/patroni"),
        name: full,
        tags: tags(world, words)?,
        proxy_url: None,
        known_config: None,
        standby_start_limit: None,
        bootstrap_config: bootstrap(words)?,
        watchdog_required: words.flag("watchdog"),
        rejoin: rejoin(words)?,
        scripts: Scripts {
            pre_promote: words.flag("pre-promote"),
            replica_without_leader: words.flag("backup"),
        },
    };
    world.start_agent(name, settings, seed);
    Ok(())
}

/// `rejoin=rewind,on-failure`: what may be done about data that cannot follow. Without the word
/// diverged data may be replaced.
fn rejoin(words: &mut Words) -> Result<RejoinSettings, String> {
    let permitted = words
        .value("rejoin")
        .unwrap_or_else(|| "on-divergence".to_owned());
    let mut settings = RejoinSettings::default();
    for word in list(&permitted) {
        let permission = match word.as_str() {
            "rewind" => &mut settings.rewinds,
            "on-failure" => &mut settings.replaces_on_failure,
            "on-divergence" => &mut settings.replaces_on_divergence,
            "on-missing-wal" => &mut settings.replaces_on_missing_wal,
            "none" => continue,
            other => return Err(format!("{other} is no way to rejoin")),
        };
        *permission = Some(true);
    }
    Ok(settings)
}

fn tags(world: &World, words: &mut Words) -> Result<Tags, String> {
    let mut tags = Map::new();
    for tag in ["nofailover", "nostream", "clonefrom"] {
        if words.flag(tag) {
            tags.insert(tag.to_owned(), json!(true));
        }
    }
    if let Some(upstream) = words.value("replicatefrom") {
        let upstream = world.name(&upstream).to_string();
        tags.insert("replicatefrom".to_owned(), json!(upstream));
    }
    if let Some(priority) = words.parsed::<i64>("priority")? {
        tags.insert("failover_priority".to_owned(), json!(priority));
    }
    Ok(Tags::read(&tags))
}

/// `bootstrap` alone, or with the rules that the cluster begins with: `bootstrap={"ttl": 5}`.
fn bootstrap(words: &mut Words) -> Result<Option<Value>, String> {
    if words.flag("bootstrap") {
        return Ok(Some(json!({})));
    }
    let text = words.value("bootstrap");
    text.map(|text| serde_json::from_str(&text).map_err(|error| format!("{text}: {error}")))
        .transpose()
}
