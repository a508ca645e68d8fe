//! What the store and PostgreSQL show, translated into the core's views.
//!
//! Free functions from one set of plain types to the other; nothing here decides or waits.

use std::collections::BTreeMap;

use herdsman_dcs as dcs;
use herdsman_ha_core::schema::{RawEntry, read_cluster};
use herdsman_ha_core::{
    About, ClusterView, ControlState, ControlView, DataView, Fault, LocalView, LogicalSlot, Lsn,
    MemberName, Mono, Position, PrimaryView, Revision, SenderView, ServerView, SlotKind, SlotView,
    StandbyView, SyncState, SyncView, SystemId, Timeline, ValueChange, WaitsFor, Wall, WreckView,
};
use herdsman_pgctl as pgctl;

use crate::settings::RESERVED_NAME;

/// The keys of one cluster as a view.
pub(crate) fn cluster(prefix: &dcs::Prefix, snapshot: &dcs::Snapshot) -> ClusterView {
    let entries = snapshot.entries.iter().filter_map(|(key, entry)| {
        Some(RawEntry {
            key: key.below(prefix)?,
            value: &entry.value,
            created: revision(entry.created),
            modified: revision(entry.modified),
            session: entry.session.as_ref().map(dcs::SessionId::as_str),
        })
    });
    read_cluster(revision(snapshot.revision), entries)
}

/// The core's revision of a store's.
pub(crate) fn revision(revision: dcs::Revision) -> Revision {
    Revision(revision.number())
}

/// Why the store cannot be seen.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else goes wrong, the store is not seen"
)]
pub(crate) fn fault(error: &dcs::Error) -> Fault {
    match error {
        dcs::Error::StoreReplaced { .. } => Fault::StoreReplaced,
        dcs::Error::Denied(cause) => Fault::Denied(cause.to_string()),
        other => Fault::Unreachable(chain(other)),
    }
}

/// An error with its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// A look at the instance as a view.
pub(crate) fn local(seen_at: Mono, facts: &pgctl::Facts) -> LocalView {
    LocalView {
        seen_at,
        data: data(&facts.data),
        server: server(facts),
        about: facts.server.as_ref().map(about),
    }
}

fn about(server: &pgctl::Server) -> About {
    let change = |pending: &pgctl::PendingRestart| {
        let change = ValueChange {
            old_value: pending.old_value.clone(),
            new_value: pending.new_value.clone(),
        };
        (pending.name.clone(), change)
    };
    About {
        version: server.version.number(),
        started_at: Wall(server.postmaster_start_millis),
        pending_restart: server.pending_restart.iter().map(change).collect(),
    }
}

fn data(data: &pgctl::DataDirectory) -> DataView {
    match data {
        pgctl::DataDirectory::Missing | pgctl::DataDirectory::Empty => DataView::Empty,
        pgctl::DataDirectory::Leftover(_) => DataView::Leftover,
        pgctl::DataDirectory::Wreck(wreck) => DataView::Wreck(WreckView {
            system_id: SystemId(wreck.system_id),
            why: wreck.why.clone(),
        }),
        pgctl::DataDirectory::NotACluster(what) => {
            DataView::Unusable(format!("the data directory is no database: {what}"))
        }
        pgctl::DataDirectory::Unreadable(why) => {
            DataView::Unusable(format!("the data directory cannot be read: {why}"))
        }
        pgctl::DataDirectory::Cluster(control) => DataView::Cluster(ControlView {
            system_id: SystemId(control.system_id),
            state: control_state(control.state),
            checkpoint: Position {
                timeline: Timeline(control.timeline.0),
                lsn: Lsn(control.checkpoint.0),
            },
            min_recovery: control.min_recovery.map(|(lsn, timeline)| Position {
                timeline: Timeline(timeline.0),
                lsn: Lsn(lsn.0),
            }),
            is_rewindable: control.wal_log_hints || control.checksums,
        }),
    }
}

fn control_state(state: pgctl::ClusterState) -> ControlState {
    match state {
        pgctl::ClusterState::ShutDown => ControlState::ShutDown,
        pgctl::ClusterState::ShutDownInRecovery => ControlState::ShutDownInRecovery,
        pgctl::ClusterState::InProduction | pgctl::ClusterState::InCrashRecovery => {
            ControlState::InProduction
        }
        pgctl::ClusterState::InArchiveRecovery => ControlState::InArchiveRecovery,
        pgctl::ClusterState::ShuttingDown => ControlState::InProduction,
        pgctl::ClusterState::StartingUp => ControlState::Other,
    }
}

fn server(facts: &pgctl::Facts) -> ServerView {
    match (&facts.process, &facts.server) {
        (pgctl::Process::Down, _) => ServerView::Down {
            orphans: facts.orphans,
        },
        (pgctl::Process::Starting { .. }, _) => ServerView::Starting,
        (pgctl::Process::Stopping { .. }, _) => ServerView::Stopping,
        (pgctl::Process::Unresponsive { .. }, _) | (pgctl::Process::Running { .. }, None) => {
            ServerView::Unresponsive
        }
        (pgctl::Process::Running { .. }, Some(server)) => running(server),
    }
}

fn running(server: &pgctl::Server) -> ServerView {
    let timeline = Timeline(server.timeline.0);
    let slots = slots(server);
    match &server.role {
        pgctl::ServerRole::Primary { flushed } => ServerView::Primary(PrimaryView {
            position: Position {
                timeline,
                lsn: Lsn(flushed.0),
            },
            slots,
            sync: sync(server),
        }),
        pgctl::ServerRole::Standby(standby) => {
            let receiver = standby.receiver.as_ref();
            let lsn = |lsn: Option<pgctl::Lsn>| Lsn(lsn.unwrap_or_default().0);
            ServerView::Standby(StandbyView {
                timeline,
                received: lsn(standby.received),
                replayed: lsn(standby.replayed),
                wal_end_reached: standby.wal_end_reached,
                is_blocked: !server.too_small.is_empty(),
                is_being_promoted: server.is_being_promoted,
                is_streaming: receiver.is_some_and(|receiver| receiver.status == "streaming"),
                upstream: standby.upstream.clone(),
                slots,
                history: server.history.iter().map(ended).collect(),
            })
        }
    }
}

/// An earlier timeline, and where it ended.
pub(crate) fn ended(line: &pgctl::HistoryLine) -> (Timeline, Lsn) {
    (Timeline(line.timeline.0), Lsn(line.switch_lsn.0))
}

fn sync(server: &pgctl::Server) -> SyncView {
    let synchronous = &server.synchronous;
    let waits_for = match pgctl::all_of(&synchronous.names) {
        Some(names) if names == [RESERVED_NAME] => WaitsFor::Unmatched,
        Some(names) => WaitsFor::All(names.into_iter().map(MemberName::from).collect()),
        None => WaitsFor::Other(synchronous.names.clone()),
    };
    let senders = server.senders.iter();
    SyncView {
        waits_for,
        is_overruled: synchronous.is_overruled,
        senders: senders
            .map(|sender| self::sender(sender, &synchronous.commit))
            .collect(),
    }
}

fn sender(sender: &pgctl::Sender, commit: &str) -> SenderView {
    let confirmed = match commit {
        "remote_apply" => sender.replayed,
        "remote_write" => sender.written,
        _ => sender.flushed,
    };
    let state = match sender.sync_state.as_str() {
        "sync" => SyncState::Sync,
        "quorum" => SyncState::Quorum,
        "potential" => SyncState::Potential,
        _ => SyncState::Async,
    };
    SenderView {
        name: sender.application_name.clone(),
        is_streaming: sender.state == "streaming",
        state,
        confirmed: confirmed.map(|lsn| Lsn(lsn.0)),
    }
}

/// Slots that stay.
fn slots(server: &pgctl::Server) -> BTreeMap<String, SlotView> {
    let slots = server.slots.iter();
    slots
        .filter(|slot| !slot.is_temporary)
        .map(|slot| (slot.name.clone(), self::slot(slot)))
        .collect()
}

fn slot(slot: &pgctl::Slot) -> SlotView {
    let (kind, position) = match &slot.kind {
        pgctl::SlotKind::Physical => (SlotKind::Physical, slot.restart_lsn),
        pgctl::SlotKind::Logical { plugin, database } => {
            let logical = LogicalSlot {
                database: database.clone(),
                plugin: plugin.clone(),
            };
            (SlotKind::Logical(logical), slot.confirmed_flush)
        }
    };
    SlotView {
        kind,
        position: position.map(|lsn| Lsn(lsn.0)),
        is_active: slot.is_active,
        is_lost: slot.wal_status.as_deref() == Some("lost"),
        holds_rows: slot.holds_rows,
        is_failover: slot.is_failover,
        is_carried: slot.is_failover && slot.is_synced,
    }
}
