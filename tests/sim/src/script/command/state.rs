//! `state dcs`: every key of the store, and the member whose session it lives with.

use std::fmt::Display;

use herdsman_ha_core::ClusterView;
use herdsman_ha_core::schema::key;

use crate::script::stage::Stage;
use crate::words::Words;
use crate::world::World;

pub(super) fn perform(
    stage: &mut Stage,
    mut words: Words,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    match words.expect("dcs")?.as_str() {
        "dcs" => {}
        other => return Err(format!("{other} has no state")),
    }
    words.end()?;
    let view = stage.run()?.world.store.view();
    let world = stage.world()?;
    for name in [
        key::CONFIG,
        key::FAILOVER,
        key::FAILSAFE,
        key::LEADERSHIP,
        key::INITIALIZE,
        key::LEADER,
        key::STATUS,
        key::SYNC,
    ] {
        if let Some(value) = world.store.value(name) {
            lines.push(format!("{name} = {value}{}", bound(world, name)));
        }
    }
    lines.extend(history(&view));
    lines.extend(members(world, &view));
    lines.sort();
    if lines.is_empty() {
        lines.push("no keys".to_owned());
    }
    Ok(())
}

/// With whose session a key lives.
fn bound(world: &World, name: &str) -> String {
    let owner = world
        .store
        .holder(name)
        .and_then(|session| world.store.owner(session));
    owner.map_or_else(String::new, |owner| {
        format!(" (while the session of {owner} lives)")
    })
}

/// Without the times on the store's clock.
fn history(view: &ClusterView) -> Option<String> {
    let lines = view.history.value.iter();
    let lines = lines.map(|line| format!("timeline {} ended at {}", line.timeline, line.switch));
    let lines = lines.collect::<Vec<_>>().join(", ");
    (!lines.is_empty()).then(|| format!("{} = {lines}", key::HISTORY))
}

fn members(world: &World, view: &ClusterView) -> Vec<String> {
    let member = view.members.iter().map(|(name, member)| {
        let path = format!("{}{name}", key::MEMBERS);
        let bound = bound(world, &path);
        format!(
            "{path} = {} {} tli={} at={}{bound}",
            member.state,
            member.role,
            or_dash(member.timeline),
            or_dash(member.xlog_location)
        )
    });
    member.collect()
}

fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
