//! The store as a fact: `dcs leader=b members=a,b,c` changes what is named and shows all of it.
//!
//! What a line does not name stays as it was, so a story tells only what happens.

use std::collections::BTreeSet;
use std::sync::Arc;

use herdsman_ha_core::schema::{INTERFACE_VERSION, key, slot_name};
use herdsman_ha_core::{ClusterView, Fault, Lsn};
use serde_json::{Map, Value, json};

use super::super::world::{World, instance, read_history, session};
use herdsman_sim::words::{Words, list};

pub(super) type Seen = Result<Arc<ClusterView>, Fault>;

/// The view that the member gets, after the changes that the words tell.
pub(super) fn read(world: &mut World, mut words: Words) -> Result<Seen, String> {
    let fault = [
        (
            "unreachable",
            Fault::Unreachable("no answer in time".to_owned()),
        ),
        ("replaced", Fault::StoreReplaced),
        ("denied", Fault::Denied("wrong password".to_owned())),
    ]
    .into_iter()
    .find(|(word, _)| words.flag(word));
    if let Some((_, fault)) = fault {
        words.end()?;
        return Ok(Err(fault));
    }
    if words.flag("late") {
        words.end()?;
        let view = world.store.held_back().ok_or("no view was read before")?;
        return Ok(Ok(Arc::new(view)));
    }
    if let Some(revision) = words.parsed("old")? {
        words.end()?;
        let view = world.store.old_view(revision);
        let view = view.ok_or_else(|| format!("there was no view at {revision}"))?;
        return Ok(Ok(Arc::new(view.clone())));
    }
    change(world, words)?;
    Ok(Ok(Arc::new(world.store.view())))
}

/// Changes the store without showing it to anybody.
pub(crate) fn change(world: &mut World, mut words: Words) -> Result<(), String> {
    world.store.settle();
    if let Some(revision) = words.parsed("revision")? {
        world.store.jump_to(revision)?;
    }
    if let Some(session) = words.value("expired") {
        let session = world.name(&session);
        world.store.expire(session.as_str());
    }
    if let Some(names) = words.value("members") {
        set_members(world, &list(&names));
    }
    let is_promoting = words.flag("promoting");
    let bound = words.value("session");
    if let Some(name) = words.value("leader") {
        set_leader(world, &name, bound.as_deref(), is_promoting)?;
    }
    let plain = [
        (key::CONFIG, "config"),
        (key::FAILOVER, "failover-json"),
        (key::HISTORY, "history-json"),
        (key::STATUS, "status-json"),
    ];
    for (key, word) in plain {
        let value = words.value(word);
        put(world, key, value.as_deref());
    }
    let read: [(&str, &str, Reader); 6] = [
        (key::STATUS, "status", status),
        (key::SYNC, "sync", sync),
        (key::FAILOVER, "failover", failover),
        (key::HISTORY, "history", history),
        (key::LEADERSHIP, "leadership", leadership),
        (key::FAILSAFE, "failsafe", failsafe),
    ];
    for (key, word, reader) in read {
        let value = words.value(word);
        let value = value.map(|text| match text.as_str() {
            "none" => Ok("none".to_owned()),
            text => reader(world, text),
        });
        put(world, key, value.transpose()?.as_deref());
    }
    if let Some(text) = words.value("initialize") {
        set_initialize(world, &text);
    }
    words.end()?;
    world.store.settle();
    Ok(())
}

type Reader = fn(&World, &str) -> Result<String, String>;

fn put(world: &mut World, key: &str, value: Option<&str>) {
    match value {
        None => {}
        Some("none") => world.store.delete(key),
        Some(value) => world.store.put(key, value, None),
    }
}

fn set_members(world: &mut World, names: &[String]) {
    let wanted: BTreeSet<String> = names
        .iter()
        .map(|name| world.name(name).to_string())
        .collect();
    for name in world.store.names_under(key::MEMBERS) {
        if !wanted.contains(&name) {
            world.store.delete(&member_key(&name));
        }
    }
    for name in names {
        let is_there = world
            .store
            .value(&member_key(world.name(name).as_str()))
            .is_some();
        if !is_there {
            put_member(world, name, &Map::new());
        }
    }
}

fn member_key(name: &str) -> String {
    format!("{}{name}", key::MEMBERS)
}

/// Writes a member's key as its own agent would, with some fields changed.
fn put_member(world: &mut World, name: &str, changed: &Map<String, Value>) {
    let full = world.name(name);
    let key = member_key(full.as_str());
    let run = world.members.get(name).map_or(1, |member| member.run);
    let fresh = || {
        json!({
            "conn_url": format!("postgres://{full}:5432/postgres"),
            "api_url": format!("http://{full}:8008/patroni"),
            "state": "running",
            "role": "replica",
            "version": INTERFACE_VERSION,
            "herdsman": { "instance": instance(&full, run) },
        })
    };
    let stored = world.store.value(&key);
    let mut value = stored
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_else(fresh);
    if let Value::Object(map) = &mut value {
        map.extend(changed.clone());
        map.retain(|_, value| !value.is_null());
    }
    let bound = world.store.holder(&key).map(str::to_owned);
    let bound = bound.unwrap_or_else(|| session(&full, 1));
    world.store.put(&key, &value.to_string(), Some(&bound));
}

/// `member c nofailover replicatefrom=b streams tli=2 at=0/5000000 role=primary tags={...} api=none`: what a member's key says.
pub(crate) fn describe_member(world: &mut World, mut words: Words) -> Result<(), String> {
    let name = words.expect("a member")?;
    let mut changed = Map::new();
    let mut tags = Map::new();
    for tag in ["nofailover", "nostream", "clonefrom", "nosync"] {
        if words.flag(tag) {
            tags.insert(tag.to_owned(), json!(true));
        }
    }
    if let Some(priority) = words.parsed::<i64>("sync-priority")? {
        tags.insert("sync_priority".to_owned(), json!(priority));
    }
    if let Some(upstream) = words.value("replicatefrom") {
        let upstream = world.name(&upstream).to_string();
        tags.insert("replicatefrom".to_owned(), json!(upstream));
    }
    if !tags.is_empty() {
        changed.insert("tags".to_owned(), Value::Object(tags));
    }
    if words.flag("streams") {
        changed.insert("replication_state".to_owned(), json!("streaming"));
    }
    if words.flag("idle") {
        changed.insert("replication_state".to_owned(), Value::Null);
    }
    if let Some(at) = words.parsed::<Lsn>("at")? {
        changed.insert("xlog_location".to_owned(), json!(at.0));
    }
    if let Some(timeline) = words.parsed::<u32>("tli")? {
        changed.insert("timeline".to_owned(), json!(timeline));
    }
    if let Some(text) = words.value("checkpoint") {
        // As other programs have it: the key is there as long as the checkpoint is not.
        let value = match text.as_str() {
            "to-come" => json!(false),
            _ => Value::Null,
        };
        changed.insert("checkpoint_after_promote".to_owned(), value);
    }
    for (word, field) in [
        ("role", "role"),
        ("state", "state"),
        ("api", "api_url"),
        ("conn", "conn_url"),
    ] {
        if let Some(text) = words.value(word) {
            let value = if text == "none" {
                Value::Null
            } else {
                json!(text)
            };
            changed.insert(field.to_owned(), value);
        }
    }
    if let Some(text) = words.value("instance") {
        let value = match text.as_str() {
            "none" => Value::Null,
            text => json!({ "instance": world.name(text).to_string() }),
        };
        changed.insert("herdsman".to_owned(), value);
    }
    words.end()?;
    put_member(world, &name, &changed);
    world.store.settle();
    Ok(())
}

/// `session=2` binds the key to that session of the leader, `session=none` to none.
fn set_leader(
    world: &mut World,
    name: &str,
    number: Option<&str>,
    is_promoting: bool,
) -> Result<(), String> {
    if let Some(before) = world.store.value(key::LEADER).map(str::to_owned) {
        set_role(world, &before, "replica");
        if name != "none" && before != world.name(name).as_str() {
            world.store.delete(key::LEADER);
        }
    }
    if name == "none" {
        world.store.delete(key::LEADER);
        return Ok(());
    }
    let full = world.name(name);
    let bound = match number {
        Some("none") => None,
        Some(number) => {
            let number = number.parse();
            let number = number.map_err(|_| "a session is a number or none")?;
            Some(session(&full, number))
        }
        None => Some(session(&full, 1)),
    };
    world
        .store
        .put(key::LEADER, full.as_str(), bound.as_deref());
    if !is_promoting {
        set_role(world, full.as_str(), "primary");
    }
    Ok(())
}

/// Changes the role in a member's key, when it has one and its agent is not part of the script.
fn set_role(world: &mut World, full: &str, role: &str) {
    let short = world.unprefixed(full);
    let is_stranger = !world.members.contains_key(&short);
    if is_stranger && world.store.value(&member_key(full)).is_some() {
        let mut changed = Map::from_iter([("role".to_owned(), json!(role))]);
        if role == "primary" {
            let timeline = timeline_of_the_next(world, full);
            changed.insert("timeline".to_owned(), json!(timeline));
        }
        put_member(world, &short, &changed);
    }
}

/// What a primary would say: the timeline that it is on already, or the one after the highest that
/// anybody told.
fn timeline_of_the_next(world: &World, full: &str) -> Option<u64> {
    let told = |name: &str| -> Option<(bool, u64)> {
        let text = world.store.value(&format!("{}{name}", key::MEMBERS))?;
        let value: Value = serde_json::from_str(text).ok()?;
        let timeline = value.get("timeline")?.as_u64()?;
        Some((value.get("role") == Some(&json!("primary")), timeline))
    };
    if let Some((true, timeline)) = told(full) {
        return Some(timeline);
    }
    let names = world.store.names_under(key::MEMBERS);
    let highest = names
        .iter()
        .filter_map(|name| told(name))
        .map(|(_, timeline)| timeline);
    highest.max().map(|timeline| timeline + 1)
}

fn set_initialize(world: &mut World, text: &str) {
    match text.split_once(':') {
        Some(("claimed", holder)) => {
            let bound = session(&world.name(holder), 1);
            world.store.put(key::INITIALIZE, "", Some(&bound));
        }
        Some(_) | None => put(world, key::INITIALIZE, Some(text)),
    }
}

fn lsn(text: &str) -> Result<Lsn, String> {
    text.parse().map_err(|_| format!("{text} is no position"))
}

/// `0/5000000`, or `0/5000000+b:0/4000000,=backup:0/3000000` with slots: members', which are
/// retained, and behind `=` others.
fn status(world: &World, text: &str) -> Result<String, String> {
    let (optime, slots) = text.split_once('+').unwrap_or((text, ""));
    let mut status = json!({ "optime": lsn(optime)?.0 });
    let (mut positions, mut retained) = (Map::new(), Vec::new());
    for slot in list(slots) {
        let (name, at) = slot
            .split_once(':')
            .ok_or_else(|| format!("{slot} is not slot:position"))?;
        let name = match name.strip_prefix('=') {
            Some(own) => own.to_owned(),
            None => {
                retained.push(slot_name(world.name(name).as_str()).into_owned());
                slot_name(world.name(name).as_str()).into_owned()
            }
        };
        positions.insert(name, json!(lsn(at)?.0));
    }
    if !positions.is_empty() {
        status["slots"] = Value::Object(positions);
        status["retain_slots"] = json!(retained);
    }
    Ok(status.to_string())
}

/// `b:c,d`: the leader and its synchronous standbys.
fn sync(world: &World, text: &str) -> Result<String, String> {
    let (leader, standbys) = text.split_once(':').unwrap_or((text, ""));
    let names = list(standbys);
    let names: Vec<String> = names
        .iter()
        .map(|name| world.name(name).to_string())
        .collect();
    Ok(
        json!({ "leader": world.name(leader).to_string(), "sync_standby": names.join(",") })
            .to_string(),
    )
}

/// `b->c`, `b->`, `->c`, each with `@when` behind it for later.
fn failover(world: &World, text: &str) -> Result<String, String> {
    let (names, when) = match text.split_once('@') {
        Some((names, when)) => (names, Some(when)),
        None => (text, None),
    };
    let (leader, candidate) = names
        .split_once("->")
        .ok_or("a move is leader->candidate")?;
    let mut value = json!({});
    for (key, name) in [("leader", leader), ("member", candidate)] {
        if !name.is_empty() {
            value[key] = json!(world.name(name).to_string());
        }
    }
    if let Some(when) = when {
        value["scheduled_at"] = json!(when);
    }
    Ok(value.to_string())
}

/// Which timeline ended where.
fn history(_: &World, text: &str) -> Result<String, String> {
    let lines = read_history(text)?
        .into_iter()
        .map(|(timeline, end)| json!([timeline.0, end.0, "no recovery target specified"]));
    Ok(Value::Array(lines.collect()).to_string())
}

/// `b@2` or `b@2->3`: who took the leadership last, on which timeline, and which it reserved.
fn leadership(world: &World, text: &str) -> Result<String, String> {
    let (owner, timeline) = text.split_once('@').ok_or("a record is owner@timeline")?;
    let (timeline, reserved) = match timeline.split_once("->") {
        Some((from, to)) => (from, to.parse().ok()),
        None => (timeline, None),
    };
    let timeline: u32 = timeline
        .parse()
        .map_err(|_| format!("{text} cannot be read"))?;
    let mut record = json!({ "owner": world.name(owner).to_string(), "from_timeline": timeline });
    if let Some(reserved) = reserved {
        let reserved: u32 = reserved;
        record["timeline"] = json!(reserved);
        record["promotion"] = json!(reserved > timeline);
    }
    Ok(record.to_string())
}

fn failsafe(world: &World, text: &str) -> Result<String, String> {
    let names = list(text);
    let map: Map<String, Value> = names
        .iter()
        .map(|name| (world.name(name).to_string(), json!("http://api")))
        .collect();
    Ok(Value::Object(map).to_string())
}
