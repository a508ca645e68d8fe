//! A look at the local server: `local standby tli=3 at=0/5000000 streaming upstream=b`.
//!
//! Timeline, positions, upstream and identity need not be said again; what the server does now
//! must be.

mod slot;

use std::collections::BTreeMap;
use std::sync::Arc;

use herdsman_ha_core::{
    About, ControlState, ControlView, DataView, LocalView, Lsn, Position, PrimaryView, SenderView,
    ServerView, SlotView, StandbyView, SyncState, SyncView, SystemId, Timeline, ValueChange,
    WaitsFor, WreckView,
};

use super::super::world::{Server, World, read_history, read_instant, wall_at};
use herdsman_sim::words::{Words, list};

pub(super) fn read(world: &mut World, member: &str, mut words: Words) -> Result<LocalView, String> {
    let seen_at = match words.value("seen") {
        Some(text) => read_instant(&text)?,
        None => world.now(),
    };
    let upstream = words.value("upstream").map(|name| match name.as_str() {
        "none" => None,
        // An address is no member.
        address if address.contains('.') => Some(address.to_owned()),
        name => Some(world.name(name).to_string()),
    });
    let slots = words.value("slots").map(|names| {
        let names = list(&names).into_iter().filter(|name| name != "none");
        names
            .map(|text| slot::read(world, &text))
            .collect::<Result<_, String>>()
    });
    let slots = slots.transpose()?;
    let senders = words.value("senders").map(|text| {
        let senders = list(&text).into_iter().filter(|text| text != "none");
        senders
            .map(|text| sender(world, &text))
            .collect::<Result<Vec<_>, String>>()
    });
    let senders = senders.transpose()?;
    let waits_for = words.value("waits-for").map(|text| match text.as_str() {
        "none" => WaitsFor::All(Vec::new()),
        "unmatched" => WaitsFor::Unmatched,
        text if text.contains(' ') => WaitsFor::Other(text.to_owned()),
        text => WaitsFor::All(list(text).iter().map(|name| world.name(name)).collect()),
    });
    let is_overruled = words.flag("overruled");
    let server = &mut world.member_mut(member).server;
    if let Some(waits_for) = waits_for {
        server.waits_for = waits_for;
    }
    if let Some(senders) = senders {
        server.senders = senders;
    }
    if let Some(slots) = slots {
        server.slots = slots;
    }
    if let Some(upstream) = upstream {
        server.upstream = upstream;
    }
    remember(server, &mut words)?;
    let about = about(server, &mut words)?;
    let kind = words.expect("what the server is")?;
    let mut view = view(server, &kind, &mut words)?;
    if let ServerView::Primary(primary) = &mut view {
        primary.sync = SyncView {
            waits_for: server.waits_for.clone(),
            is_overruled,
            senders: server.senders.clone(),
        };
    }
    let data = match (kind.as_str(), words.value("why")) {
        ("empty", _) => DataView::Empty,
        ("leftover", _) => DataView::Leftover,
        ("wreck", why) => DataView::Wreck(WreckView {
            system_id: server.system,
            why,
        }),
        ("unusable", why) => DataView::Unusable(why.unwrap_or_else(|| "no such file".to_owned())),
        _ => DataView::Cluster(control(server, &view, &mut words)?),
    };
    words.end()?;
    Ok(LocalView {
        seen_at,
        data,
        server: view,
        about,
    })
}

/// `version=160004 started=T+3 pending=max_connections:100:200`: what a server says of itself. Its
/// version and its start need not be said again.
fn about(server: &mut Server, words: &mut Words) -> Result<Option<About>, String> {
    let version = words.parsed("version")?;
    let started = words.value("started");
    let pending = words.value("pending");
    if version.is_none() && started.is_none() && pending.is_none() {
        let settled = server.about.take().map(|about| About {
            pending_restart: BTreeMap::new(),
            ..about
        });
        server.about.clone_from(&settled);
        return Ok(settled);
    }
    let mut about = server.about.take().unwrap_or_default();
    about.version = version.unwrap_or(about.version);
    if let Some(started) = started {
        about.started_at = wall_at(read_instant(&started)?);
    }
    about.pending_restart = match pending {
        None => BTreeMap::new(),
        Some(pending) => BTreeMap::from([value_change(&pending)?]),
    };
    server.about = Some(about.clone());
    Ok(Some(about))
}

/// `max_connections:100:200`: what a restart would change.
fn value_change(text: &str) -> Result<(String, ValueChange), String> {
    let [name, old_value, new_value] = text.split(':').collect::<Vec<_>>()[..] else {
        return Err(format!("{text} is not name:old:new"));
    };
    let change = ValueChange {
        old_value: old_value.to_owned(),
        new_value: new_value.to_owned(),
    };
    Ok((name.to_owned(), change))
}

fn remember(server: &mut Server, words: &mut Words) -> Result<(), String> {
    if let Some(timeline) = words.parsed("tli")? {
        server.timeline = Timeline(timeline);
    }
    if let Some(past) = words.value("past") {
        server.past = read_history(&past)?.into();
    }
    if let Some(end) = words.parsed("at")? {
        server.received = end;
        server.replayed = end;
    }
    if let Some(received) = words.parsed("received")? {
        server.received = received;
    }
    if let Some(replayed) = words.parsed("replayed")? {
        server.replayed = replayed;
    }
    if let Some(system) = words.parsed::<SystemId>("system")? {
        server.system = system;
    }
    Ok(())
}

fn view(server: &mut Server, kind: &str, words: &mut Words) -> Result<ServerView, String> {
    let end = server.end();
    let slots: BTreeMap<String, SlotView> = server
        .slots
        .iter()
        .map(|(name, slot)| {
            let usual = || SlotView::physical(Some(end));
            (name.clone(), slot.clone().unwrap_or_else(usual))
        })
        .collect();
    Ok(match kind {
        "primary" => {
            server.was_primary = true;
            ServerView::Primary(PrimaryView {
                position: Position {
                    timeline: server.timeline,
                    lsn: end,
                },
                slots,
                sync: SyncView::default(),
            })
        }
        "standby" => {
            server.was_primary = false;
            let is_streaming = words.flag("streaming");
            ServerView::Standby(StandbyView {
                timeline: server.timeline,
                received: server.received,
                replayed: server.replayed,
                // A walreceiver starts only when all local WAL is read.
                wal_end_reached: words.flag("end") || is_streaming,
                is_blocked: words.flag("blocked"),
                is_being_promoted: words.flag("promoting"),
                is_streaming,
                upstream: server.upstream.clone().map(|host| (host, 5432)),
                slots,
                history: Arc::clone(&server.past),
            })
        }
        "down" | "empty" | "leftover" | "wreck" | "unusable" => ServerView::Down {
            orphans: words.flag("orphans"),
        },
        "starting" => ServerView::Starting,
        "stopping" => ServerView::Stopping,
        "unresponsive" => ServerView::Unresponsive,
        other => return Err(format!("a server is not {other}")),
    })
}

/// `b:sync:0/5000000`: a standby that streams, what its word counts for, and what it confirmed.
fn sender(world: &World, text: &str) -> Result<SenderView, String> {
    let mut parts = text.splitn(3, ':');
    let name = world.name(parts.next().unwrap_or_default());
    let name = name.to_string();
    let state = match parts.next() {
        Some("async") => SyncState::Async,
        Some("potential") => SyncState::Potential,
        Some("quorum") => SyncState::Quorum,
        Some("sync") => SyncState::Sync,
        Some(_) | None => return Err(format!("{text} is not name:state:position")),
    };
    let confirmed = parts.next().map(|text| {
        let wrong = |_| format!("{text} is no position");
        text.parse::<Lsn>().map_err(wrong)
    });
    Ok(SenderView {
        name,
        is_streaming: true,
        state,
        confirmed: confirmed.transpose()?,
    })
}

/// The control file: as a server of this role leaves it, unless the line says otherwise.
fn control(server: &Server, view: &ServerView, words: &mut Words) -> Result<ControlView, String> {
    let is_down = matches!(view, ServerView::Down { .. });
    let state = match words.value("control").as_deref() {
        Some("in-production") => ControlState::InProduction,
        Some("shut-down") => ControlState::ShutDown,
        Some("shut-down-in-recovery") => ControlState::ShutDownInRecovery,
        Some("in-archive-recovery") => ControlState::InArchiveRecovery,
        Some("other") => ControlState::Other,
        Some(other) => return Err(format!("a control file does not say {other}")),
        None if is_down => return Err("control= must say how the server went down".to_owned()),
        None if server.was_primary => ControlState::InProduction,
        None => ControlState::InArchiveRecovery,
    };
    let min_recovery = words.parsed("min-recovery-tli")?.map(|timeline| Position {
        timeline: Timeline(timeline),
        lsn: server.end(),
    });
    let lsn = words.parsed("checkpoint")?.unwrap_or_else(|| server.end());
    let timeline = words.parsed::<u32>("checkpoint-tli")?.map(Timeline);
    Ok(ControlView {
        system_id: server.system,
        state,
        checkpoint: Position {
            timeline: timeline.unwrap_or(server.timeline),
            lsn,
        },
        min_recovery,
        is_rewindable: !words.flag("no-hints"),
    })
}
