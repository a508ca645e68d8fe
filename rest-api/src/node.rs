//! The local member in the words of this interface, at one instant.
//!
//! Health checks, the status page and the metrics all speak of the same [`Node`], so that they
//! cannot contradict each other. Positions are told only while the server answers and no task
//! takes it apart.

use std::collections::{BTreeMap, BTreeSet};

use herdsman_ha_core::{
    ClusterView, DataView, Lsn, MemberName, Mono, PrimaryView, ServerView, StandbyView, Status,
    SynchronousMode, SystemId, Timeline, ValueChange,
};

use crate::snapshot::{ServerFacts, Snapshot};

/// What a running server is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Running<'a> {
    /// It does not answer, or must not be relied on.
    No,
    Primary(&'a PrimaryView),
    Standby(&'a StandbyView),
}

/// Whether acknowledged commits may depend on a standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncPart {
    None,
    Synchronous,
    Quorum,
}

/// The local member at one instant.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) now: Mono,
    pub(crate) state: &'a str,
    pub(crate) role: &'a str,
    pub(crate) running: Running<'a>,
    /// Whether the leadership is held now.
    pub(crate) is_leader: bool,
    /// Whether the agent's loop comes round.
    pub(crate) is_live: bool,
    /// The view of the store, while it is current.
    pub(crate) view: Option<&'a ClusterView>,
    pub(crate) sync: SyncPart,
}

impl<'a> Node<'a> {
    pub(crate) fn of(snapshot: &'a Snapshot, now: Mono) -> Self {
        let status = &*snapshot.status;
        let running = running(status);
        let role = match running {
            Running::Primary(_) => "primary",
            // Which standby of a standby cluster leads the others is not seen in the server.
            Running::Standby(_) if status.rules.standby_cluster.is_none() => "replica",
            Running::Standby(_) | Running::No => status.role,
        };
        let is_live = snapshot.is_live(now, matches!(running, Running::Primary(_)));
        let view = snapshot.view(now);
        Self {
            snapshot,
            now,
            state: state(status, is_live),
            role,
            running,
            is_leader: snapshot.is_leader(now),
            is_live,
            view,
            sync: sync(status, view, role),
        }
    }

    pub(crate) fn status(&self) -> &'a Status {
        &self.snapshot.status
    }

    /// What the server said of itself, while it answers.
    pub(crate) fn server(&self) -> Option<&'a ServerFacts> {
        match self.running {
            Running::Primary(_) | Running::Standby(_) => self.snapshot.server.as_ref(),
            Running::No => None,
        }
    }

    /// Settings that wait for a restart of the server.
    pub(crate) fn pending_restart(&self) -> &'a BTreeMap<String, ValueChange> {
        static NOTHING: BTreeMap<String, ValueChange> = BTreeMap::new();
        let local = self.status().local.as_ref();
        let about = local.and_then(|local| local.about.as_ref());
        about.map_or(&NOTHING, |about| &about.pending_restart)
    }

    pub(crate) fn standby(&self) -> Option<&'a StandbyView> {
        match self.running {
            Running::Standby(standby) => Some(standby),
            Running::Primary(_) | Running::No => None,
        }
    }

    /// Whether this member leads on by promises, or holds back by one.
    pub(crate) fn is_failsafe_active(&self) -> bool {
        let failsafe = &self.status().failsafe;
        let promised = failsafe.promised.as_ref();
        let holds_back = promised.is_some_and(|(_, until)| self.now < *until);
        holds_back || (self.is_leader && failsafe.is_relied_on)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state == "running"
    }

    pub(crate) fn is_primary(&self) -> bool {
        self.role == "primary"
    }

    pub(crate) fn is_replica(&self) -> bool {
        self.role == "replica"
    }

    pub(crate) fn is_standby_leader(&self) -> bool {
        self.role == "standby_leader"
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.status().rules.pause
    }

    /// Whether nobody is known to lead.
    pub(crate) fn is_unlocked(&self) -> bool {
        self.view.is_none_or(|view| view.leader.is_none())
    }

    pub(crate) fn timeline(&self) -> Option<Timeline> {
        let timeline = match self.running {
            Running::Primary(primary) => primary.position.timeline,
            Running::Standby(standby) => standby.timeline,
            Running::No => return None,
        };
        (timeline > Timeline(0)).then_some(timeline)
    }

    /// Where a standby gets its WAL.
    pub(crate) fn replication_state(&self) -> Option<&'static str> {
        let standby = self.standby()?;
        if standby.is_streaming {
            return Some("streaming");
        }
        self.server()?
            .has_restore_command
            .then_some("in archive recovery")
    }

    /// The leader's position as far as this member knows it; zero when nothing tells.
    pub(crate) fn leader_position(&self) -> Lsn {
        let published = self.view.map(|view| view.status.value.optime);
        published.max(self.latest_end()).unwrap_or_default()
    }

    /// The leader's position as the walreceiver last heard of it.
    pub(crate) fn latest_end(&self) -> Option<Lsn> {
        self.server()?.latest_end
    }

    pub(crate) fn system_id(&self) -> Option<SystemId> {
        match &self.status().local.as_ref()?.data {
            DataView::Cluster(control) => Some(control.system_id),
            DataView::Wreck(wreck) => Some(wreck.system_id),
            DataView::Empty | DataView::Leftover | DataView::Unusable(_) => None,
        }
    }

    /// Whether the member may become leader as far as its operator, its watchdog, its agent and
    /// the line of its data are concerned.
    pub(crate) fn may_lead(&self) -> bool {
        let tags = &self.status().tags;
        let is_forbidden = tags.is_nofailover() || tags.is_nostream();
        let is_able = self.is_live && !self.status().has_parted;
        is_able && !is_forbidden && !self.snapshot.is_watchdog_required
    }
}

/// What a standby received: nothing by streaming yet means what it has replayed.
pub(crate) fn received(standby: &StandbyView) -> Lsn {
    if standby.received == Lsn(0) {
        standby.replayed
    } else {
        standby.received
    }
}

fn running(status: &Status) -> Running<'_> {
    // In any other state a task makes, copies or stops the server, or nothing runs.
    if !matches!(status.state, "running" | "restarting" | "starting") {
        return Running::No;
    }
    match status.local.as_ref().map(|local| &local.server) {
        Some(ServerView::Primary(primary)) => Running::Primary(primary),
        Some(ServerView::Standby(standby)) => Running::Standby(standby),
        Some(
            ServerView::Down { .. }
            | ServerView::Starting
            | ServerView::Stopping
            | ServerView::Unresponsive,
        )
        | None => Running::No,
    }
}

/// The state word. A server that does not answer, or at which nobody looks any more, is not said
/// to run.
fn state(status: &Status, is_live: bool) -> &'static str {
    let is_silent = matches!(
        status.local.as_ref().map(|local| &local.server),
        Some(ServerView::Unresponsive)
    );
    if status.state == "running" && (is_silent || !is_live) {
        return "unknown";
    }
    status.state
}

fn sync(status: &Status, view: Option<&ClusterView>, role: &str) -> SyncPart {
    let Some(view) = view.filter(|_| role == "replica") else {
        return SyncPart::None;
    };
    sync_part(
        status.rules.synchronous_mode,
        &view.sync.value.standbys,
        &status.name,
    )
}

/// The part of a member in synchronous replication. Names in the `sync` key are compared without
/// regard to case, as PostgreSQL compares application names.
pub(crate) fn sync_part(
    mode: SynchronousMode,
    standbys: &BTreeSet<MemberName>,
    name: &MemberName,
) -> SyncPart {
    let is_named = standbys
        .iter()
        .any(|standby| standby.as_str().eq_ignore_ascii_case(name.as_str()));
    match mode {
        SynchronousMode::On if is_named => SyncPart::Synchronous,
        SynchronousMode::Quorum if is_named => SyncPart::Quorum,
        SynchronousMode::Off | SynchronousMode::On | SynchronousMode::Quorum => SyncPart::None,
    }
}
