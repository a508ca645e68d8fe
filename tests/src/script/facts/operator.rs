//! What an operator asks a member for: `operator restart at=T+30 role=primary`.

use std::collections::BTreeMap;
use std::time::Duration;

use herdsman_ha_core::schema::slot_name;
use herdsman_ha_core::{
    Command, ConfigChange, Generation, Input, Lsn, MemberName, PromiseRequest, RestartOrder,
    RestartRole,
};
use serde_json::{Map, Value};

use super::super::world::{World, read_instant, wall_at};
use super::request;
use herdsman_sim::words::{Words, list};

pub(super) fn read(world: &World, mut words: Words) -> Result<Input, String> {
    let command = match words.expect("what the operator wants")?.as_str() {
        "switchover" => Command::Switchover {
            leader: named(world, &mut words, "leader"),
            candidate: named(world, &mut words, "candidate"),
            scheduled_at: scheduled(&mut words)?,
        },
        "failover" => Command::Failover {
            leader: named(world, &mut words, "leader"),
            candidate: named(world, &mut words, "candidate"),
            scheduled_at: scheduled(&mut words)?,
        },
        "flush" => Command::FlushSwitchover,
        "patch" => Command::ChangeConfig(ConfigChange::Patch(object(&mut words)?)),
        "replace" => Command::ChangeConfig(ConfigChange::Replace(object(&mut words)?)),
        "restart" => Command::Restart(restart(&mut words)?),
        "promise" => Command::Promise(asked_promise(world, &mut words)?),
        "cancel-restart" => Command::CancelRestart,
        "reinit" => Command::Reinitialize {
            force: words.flag("force"),
            from_leader: words.flag("from-leader"),
        },
        other => return Err(format!("an operator cannot ask for {other}")),
    };
    words.end()?;
    Ok(request(command))
}

/// `promise to=a gen=7 ttl=30 slots=c:0/4000000`; without `gen` and `ttl` a member of another kind
/// asks.
fn asked_promise(world: &World, words: &mut Words) -> Result<PromiseRequest, String> {
    let name = named(world, words, "to").ok_or("to= must say who asks")?;
    Ok(PromiseRequest {
        conn_url: String::new(),
        api_url: String::new(),
        slots: positions(world, words)?,
        generation: words.parsed("gen")?.map(Generation),
        ttl: words.parsed("ttl")?.map(Duration::from_secs),
        name,
    })
}

/// Slots of members by these, and others behind `=`.
fn positions(world: &World, words: &mut Words) -> Result<BTreeMap<String, Lsn>, String> {
    let slots = list(&words.value("slots").unwrap_or_default());
    let position = |text: String| {
        let wrong = || format!("{text} is not slot:position");
        let (name, at) = text.split_once(':').ok_or_else(wrong)?;
        let name = match name.strip_prefix('=') {
            Some(own) => own.to_owned(),
            None => slot_name(world.name(name).as_str()).into_owned(),
        };
        Ok((name, at.parse().map_err(|_| wrong())?))
    };
    slots.into_iter().map(position).collect()
}

fn named(world: &World, words: &mut Words, key: &str) -> Option<MemberName> {
    words.value(key).map(|name| world.name(&name))
}

/// `scheduled=T+30`, or a text as it is.
fn scheduled(words: &mut Words) -> Result<Option<String>, String> {
    let Some(text) = words.value("scheduled") else {
        return Ok(None);
    };
    if text.starts_with("T+") {
        return Ok(Some(wall_at(read_instant(&text)?).iso()));
    }
    Ok(Some(text))
}

/// `config={"ttl": 20}`.
fn object(words: &mut Words) -> Result<Map<String, Value>, String> {
    let text = words.value("config").ok_or("config= must say what")?;
    serde_json::from_str(&text).map_err(|error| format!("{text}: {error}"))
}

fn restart(words: &mut Words) -> Result<RestartOrder, String> {
    let role = match words.value("role").as_deref() {
        None => None,
        Some("primary") => Some(RestartRole::Primary),
        Some("replica") => Some(RestartRole::Replica),
        Some("standby_leader") => Some(RestartRole::StandbyLeader),
        Some(other) => return Err(format!("{other} is no role")),
    };
    let mut published = Map::new();
    if let Some(role) = role {
        let word = if role == RestartRole::Primary {
            "primary"
        } else {
            "replica"
        };
        published.insert("role".to_owned(), Value::from(word));
    }
    let at = words.value("at");
    Ok(RestartOrder {
        schedule: at.map(|at| read_instant(&at).map(wall_at)).transpose()?,
        role,
        below_version: words.parsed("below")?,
        if_pending: words.flag("if-pending"),
        timeout: words.parsed("timeout")?.map(Duration::from_secs),
        published,
    })
}
