//! `cluster nodes=a,b,c ttl=30`: a healthy cluster that the first member leads, at `T+0`; or, with
//! `begins=empty`, members that begin all at once with nothing.

use crate::options::Options;
use crate::schedule::Schedule;
use crate::script::look;
use crate::script::news::dated;
use crate::script::stage::Stage;
use crate::words::Words;
use crate::world::{Host, World};

pub(super) fn perform(
    stage: &mut Stage,
    mut words: Words,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let seed = words.parsed("seed")?.unwrap_or(0);
    let options = Options::take(&mut words)?;
    words.end()?;
    let begins_empty = options.begins_empty;
    let schedule = Schedule {
        seed,
        options,
        faults: Vec::new(),
    };
    let run = stage.begin(&schedule);
    if begins_empty {
        run.begin();
    } else {
        run.settle();
    }
    let is_violated = run.violation().is_some();
    stage.begin_telling();
    let world = stage.world()?;
    if !begins_empty && !is_violated && !look::is_stable(world) {
        return Err(format!(
            "the cluster does not settle: {}",
            look::everybody(world)
        ));
    }
    let members = world.hosts.iter().map(|host| member(world, host));
    let members = members.collect::<Vec<_>>().join(" | ");
    lines.push(dated(world.instant(), &members));
    Ok(())
}

fn member(world: &World, host: &Host) -> String {
    let leads = if world.leader() == Some(host.node) {
        " leader"
    } else {
        ""
    };
    let words = look::stand(world, host).words;
    let upstream = host.server.connected();
    let upstream = upstream.map_or_else(String::new, |node| format!(" of {node}"));
    format!("{}{leads} {words}{upstream}", host.node)
}
