//! What a peer answers: `peer c standby tli=3 at=0/5000100`, `peer a unreachable`.

use herdsman_ha_core::{
    InstanceId, PeerAnswer, PeerReport, PeerServer, Position, PromiseAnswer, PromiseReport,
    Timeline,
};

use super::super::world::{World, instance};
use herdsman_sim::words::Words;

/// `promise b`, `promise b refused="Running as a leader"`, `promise b unreachable`.
pub(super) fn promise(world: &World, mut words: Words) -> Result<PromiseReport, String> {
    let name = words.expect("a peer")?;
    let name = world.name(&name);
    let answer = match words.value("refused") {
        Some(why) => PromiseAnswer::Refused(why),
        None if words.flag("unreachable") => PromiseAnswer::Unreachable,
        None => PromiseAnswer::Promised,
    };
    words.end()?;
    Ok(PromiseReport { name, answer })
}

pub(super) fn read(world: &World, mut words: Words) -> Result<PeerReport, String> {
    let name = words.expect("a peer")?;
    let name = world.name(&name);
    let told = match words.value("instance") {
        Some(text) if text == "none" => None,
        Some(text) => Some(InstanceId::from(world.name(&text).as_str())),
        None => Some(InstanceId::from(instance(&name, 1))),
    };
    let kind = words.expect("what the peer answers")?;
    let answer = match kind.as_str() {
        "unreachable" => PeerAnswer::Unreachable,
        "down" => PeerAnswer::NotRunning { instance: told },
        "primary" | "standby" => {
            let position = Position {
                timeline: Timeline(words.parsed("tli")?.unwrap_or(1)),
                lsn: words
                    .parsed("at")?
                    .ok_or("at= must say where its WAL ends")?,
            };
            PeerAnswer::Running(PeerServer {
                instance: told,
                is_primary: kind == "primary",
                position,
                wal_end_reached: match words.flag("recovering") {
                    true => Some(false),
                    false => Some(true).filter(|_| !words.flag("foreign")),
                },
                may_lead: !words.flag("nofailover"),
                failover_priority: words.parsed("priority")?.unwrap_or(1),
            })
        }
        other => return Err(format!("a peer is not {other}")),
    };
    words.end()?;
    Ok(PeerReport { name, answer })
}
