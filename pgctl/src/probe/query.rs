//! The statements of a round of facts, and the reading of their answer.
//!
//! Four statements go in one message. Text and reader stand together because a
//! column and its name are one thing.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::SimpleQueryRow;

use crate::config::{Found, Kind, Parameters, managed_names, pending_restart};
use crate::connection::Results;
use crate::conninfo::endpoint_of;
use crate::error::{Error, Result};
use crate::facts::{
    PendingRestart, Receiver, Sender, Server, ServerRole, Slot, SlotKind, Standby, Synchronous,
};
use crate::lsn::Lsn;
use crate::timeline::Timeline;
use crate::version::Version;

const SERVER: &str = "\
SELECT pg_is_in_recovery() AS in_recovery,
 (SELECT system_identifier FROM pg_control_system()) AS system_id,
 pg_postmaster_start_time()::text AS start_text,
 (extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint AS start_millis,
 CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_walfile_name(pg_current_wal_lsn()) END AS wal_file,
 CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_flush_lsn() END AS flushed,
 c.timeline_id AS checkpoint_timeline, r.min_recovery_end_timeline AS recovery_timeline,
 pg_last_wal_receive_lsn() AS received, pg_last_wal_replay_lsn() AS replayed,
 (extract(epoch FROM pg_last_xact_replay_timestamp()) * 1000)::bigint AS replayed_at,
 CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END AS paused,
 CASE WHEN pg_is_in_recovery() AND pg_is_wal_replay_paused() THEN
  (SELECT string_agg(name || '=' || setting, ' ') FROM pg_settings WHERE left(name, 4) = 'max_') END AS maxima,
 w.status, w.received_tli, w.written_lsn, w.latest_end_lsn, w.slot_name,
 w.sender_host, w.sender_port,
 (extract(epoch FROM clock_timestamp() - w.last_msg_receipt_time) * 1000)::bigint AS message_age,
 s.pid AS startup_pid, s.wait_event AS startup_waits,
 current_setting('primary_conninfo', true) AS conninfo,
 current_setting('synchronous_standby_names') AS sync_names,
 current_setting('synchronous_commit') AS sync_commit,
 CASE WHEN pg_is_in_recovery() THEN (SELECT max(left(name, 8)) FROM pg_ls_waldir()
  WHERE name ~ '^[0-9A-F]{24}$') END AS newest_segment
FROM pg_control_checkpoint() c, pg_control_recovery() r
 LEFT JOIN pg_stat_wal_receiver w ON true
 LEFT JOIN (SELECT pid, wait_event FROM pg_stat_activity WHERE backend_type = 'startup') s ON true";

const SENDERS: &str = "\
SELECT pid, application_name, usename, host(client_addr) AS address, state,
 sent_lsn, write_lsn, flush_lsn, replay_lsn, sync_state,
 sync_priority
FROM pg_stat_replication ORDER BY application_name, pid";

/// Older versions do not have the last two columns.
const SLOTS: &str = "\
SELECT slot_name, slot_type, plugin, database, active, temporary, restart_lsn,
 confirmed_flush_lsn, wal_status,
 xmin IS NOT NULL OR (slot_type = 'physical' AND catalog_xmin IS NOT NULL) AS holds_rows,
 coalesce((to_jsonb(s)->>'failover')::bool, false) AS failover,
 coalesce((to_jsonb(s)->>'synced')::bool, false) AS synced
FROM pg_replication_slots s ORDER BY slot_name";

/// The files are read only for what waits: whoever comes last in them wins.
const SETTINGS: &str = "\
SELECT s.name, s.setting, coalesce(current_setting(s.name, true), '') AS shown,
 s.vartype, s.unit, s.pending_restart, s.boot_val,
 CASE WHEN s.pending_restart THEN (SELECT f.setting FROM pg_file_settings f
  WHERE lower(f.name) = lower(s.name) ORDER BY f.seqno DESC LIMIT 1) END AS in_file
FROM pg_settings s";

/// Where the process that recovers waits once it has come to the end of the log
/// it has: for the walreceiver, or before it asks everywhere again.
const AT_END: [&str; 2] = ["RecoveryWalStream", "RecoveryRetrieveRetryInterval"];

/// All statements of a round.
pub(super) fn text() -> String {
    let managed = managed_names();
    format!(
        "{SERVER}; {SENDERS}; {SLOTS}; \
         {SETTINGS} WHERE s.pending_restart OR s.name IN ({managed}) ORDER BY s.name"
    )
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// `wal_end_reached` is that of this moment.
    pub(super) server: Server,
    /// The process that recovers, or 0.
    pub(super) startup_pid: u32,
    /// The settings that begin with `max_`, when replay is paused.
    pub(super) maxima: BTreeMap<String, u64>,
}

pub(super) fn read(results: &Results, version: Version, parameters: &Parameters) -> Result<Answer> {
    let [server, senders, slots, settings] = results.as_slice() else {
        return Err(unexpected(format!("{} results", results.len())));
    };
    let row = Row(server
        .first()
        .ok_or_else(|| unexpected("no row".to_owned()))?);
    let role = match row.switch("in_recovery")? {
        true => ServerRole::Standby(read_standby(row)?),
        false => ServerRole::Primary {
            flushed: row.value("flushed")?,
        },
    };
    let maxima: Option<String> = row.optional("maxima")?;
    let maxima = maxima.unwrap_or_default();
    let pairs = maxima.split(' ').filter_map(|pair| pair.split_once('='));
    Ok(Answer {
        maxima: pairs
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect(),
        startup_pid: row.optional("startup_pid")?.unwrap_or(0),
        server: Server {
            version,
            postmaster_start_time: row.value("start_text")?,
            postmaster_start_millis: row.value("start_millis")?,
            system_id: row.value("system_id")?,
            timeline: read_timeline(row)?,
            history: Vec::new(),
            role,
            too_small: Vec::new(),
            // A file says so, and no statement.
            is_being_promoted: false,
            senders: senders
                .iter()
                .map(|row| read_sender(Row(row)))
                .collect::<Result<_>>()?,
            slots: slots
                .iter()
                .map(|row| read_slot(Row(row)))
                .collect::<Result<_>>()?,
            synchronous: Synchronous {
                names: row.value("sync_names")?,
                commit: row.value("sync_commit")?,
                // Whoever knows the files says so.
                is_overruled: false,
            },
            pending_restart: read_pending(settings, parameters)?,
        },
    })
}

fn read_timeline(row: Row<'_>) -> Result<Timeline> {
    if let Some(name) = row.optional::<String>("wal_file")? {
        return Timeline::of_wal_file(&name).ok_or_else(|| unexpected(format!("file {name}")));
    }
    // Recovery goes on to newer timelines without a checkpoint in between.
    // The walreceiver tells only while it lives; the files that it wrote stay.
    let newest_segment = row
        .optional::<String>("newest_segment")?
        .and_then(|digits| u32::from_str_radix(&digits, 16).ok())
        .map(Timeline);
    let seen: [Option<Timeline>; 4] = [
        row.optional("checkpoint_timeline")?,
        row.optional("recovery_timeline")?,
        row.optional("received_tli")?,
        newest_segment,
    ];
    let newest = seen.into_iter().flatten().max();
    newest.ok_or_else(|| unexpected("no timeline".to_owned()))
}

fn read_standby(row: Row<'_>) -> Result<Standby> {
    let streamed: Option<Lsn> = row.optional("received")?;
    let waits: Option<String> = row.optional("startup_waits")?;
    let is_at_end = waits.is_some_and(|event| AT_END.contains(&event.as_str()));
    Ok(Standby {
        // What was written and not flushed yet is on this machine as well.
        received: streamed.max(row.optional("written_lsn")?),
        replayed: row.optional("replayed")?,
        replayed_at_millis: row.optional("replayed_at")?,
        replay_paused: row
            .optional::<String>("paused")?
            .is_some_and(|text| text == "t"),
        wal_end_reached: streamed.is_some() || is_at_end,
        receiver: read_receiver(row)?,
        upstream: row
            .optional::<String>("conninfo")?
            .as_deref()
            .and_then(endpoint_of),
    })
}

fn read_receiver(row: Row<'_>) -> Result<Option<Receiver>> {
    let Some(status) = row.optional("status")? else {
        return Ok(None);
    };
    let age: Option<i64> = row.optional("message_age")?;
    Ok(Some(Receiver {
        status,
        timeline: row.optional("received_tli")?,
        latest_end: row.optional("latest_end_lsn")?,
        host: row.optional("sender_host")?,
        port: row.optional("sender_port")?,
        slot: row.optional("slot_name")?,
        last_message_age: age.map(|age| Duration::from_millis(age.max(0).unsigned_abs())),
    }))
}

fn read_sender(row: Row<'_>) -> Result<Sender> {
    Ok(Sender {
        pid: row.value("pid")?,
        application_name: row.optional("application_name")?.unwrap_or_default(),
        username: row.optional("usename")?,
        client_address: row.optional("address")?,
        state: row.optional("state")?.unwrap_or_default(),
        sent: row.optional("sent_lsn")?,
        written: row.optional("write_lsn")?,
        flushed: row.optional("flush_lsn")?,
        replayed: row.optional("replay_lsn")?,
        sync_state: row.optional("sync_state")?.unwrap_or_default(),
        sync_priority: row.optional("sync_priority")?.unwrap_or(0),
    })
}

fn read_slot(row: Row<'_>) -> Result<Slot> {
    let slot_type: String = row.value("slot_type")?;
    let kind = match slot_type.as_str() {
        "physical" => SlotKind::Physical,
        "logical" => SlotKind::Logical {
            plugin: row.optional("plugin")?.unwrap_or_default(),
            database: row.optional("database")?.unwrap_or_default(),
        },
        other => return Err(unexpected(format!("slot type {other}"))),
    };
    Ok(Slot {
        name: row.value("slot_name")?,
        kind,
        is_active: row.switch("active")?,
        is_temporary: row.switch("temporary")?,
        restart_lsn: row.optional("restart_lsn")?,
        confirmed_flush: row.optional("confirmed_flush_lsn")?,
        wal_status: row.optional("wal_status")?,
        holds_rows: row.switch("holds_rows")?,
        is_failover: row.switch("failover")?,
        is_synced: row.switch("synced")?,
    })
}

fn read_pending(rows: &[SimpleQueryRow], parameters: &Parameters) -> Result<Vec<PendingRestart>> {
    let read = |row| {
        let row = Row(row);
        Ok(Found {
            name: row.value("name")?,
            setting: row.optional("setting")?.unwrap_or_default(),
            shown: row.optional("shown")?.unwrap_or_default(),
            kind: Kind {
                vartype: row.value("vartype")?,
                unit: row.optional("unit")?,
            },
            server_waits: row.switch("pending_restart")?,
            in_file: row.optional("in_file")?,
            built_in: row.optional("boot_val")?,
        })
    };
    let found: Vec<Found> = rows.iter().map(read).collect::<Result<_>>()?;
    Ok(pending_restart(parameters, found))
}

#[derive(Clone, Copy)]
struct Row<'a>(&'a SimpleQueryRow);

impl Row<'_> {
    fn optional<T: FromStr>(self, name: &str) -> Result<Option<T>> {
        let text = self
            .0
            .try_get(name)
            .map_err(|error| unexpected(error.to_string()))?;
        let parse = |text: &str| {
            let parsed = text.parse();
            parsed.map_err(|_| unexpected(format!("{name} {text:?}")))
        };
        text.map(parse).transpose()
    }

    fn value<T: FromStr>(self, name: &str) -> Result<T> {
        let value = self.optional(name)?;
        value.ok_or_else(|| unexpected(format!("no {name}")))
    }

    fn switch(self, name: &str) -> Result<bool> {
        Ok(self.value::<String>(name)? == "t")
    }
}

fn unexpected(found: String) -> Error {
    Error::Unexpected {
        what: "answer to the question for facts",
        found,
    }
}
