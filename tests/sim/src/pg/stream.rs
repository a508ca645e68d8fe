//! Streaming replication: who may stream from whom, and what arrives.
//!
//! PostgreSQL compares timeline numbers and positions. Where these say yes and the truth says no,
//! the copy is spoilt: [`Files::is_corrupt`].

use herdsman_ha_core::Lsn;

use super::refused::NoStream;
use super::server::{Ending, Files, Process, Receiver, Server};
use super::tree::{Tree, Wal};
use crate::fault::Quirk;
use crate::ids::Node;

impl Server {
    /// Whether this standby could stream from that server now.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn can_stream(&self, upstream: &Self, tree: &Tree) -> Result<(), NoStream> {
        let Process::Standby(receiver) = self.process else {
            return Err(NoStream::NotStandby);
        };
        let (false, Some(own)) = (self.is_frozen, self.files()) else {
            return Err(NoStream::NotStandby);
        };
        if !receiver.wal_end_reached {
            return Err(NoStream::OwnWalFirst);
        }
        // A server that stops in order takes no new connection and goes on with the ones it has.
        let is_connected = receiver.connected == Some(upstream.node);
        if !is_connected && !upstream.is_reachable() {
            return Err(NoStream::UpstreamSilent);
        }
        let (Some(offered), Some(theirs)) = (upstream.offered(tree), upstream.files()) else {
            return Err(NoStream::UpstreamSilent);
        };
        if own.system != theirs.system {
            return Err(NoStream::OtherSystem);
        }
        let slot = own.upstream_slot.as_ref();
        if slot.is_some_and(|slot| !theirs.slots.contains_key(slot)) {
            return Err(NoStream::NoSlot);
        }
        fits(own.wal, offered, tree)?;
        if own.wal.end < theirs.kept_from {
            return Err(NoStream::WalGone);
        }
        Ok(())
    }

    /// The upstream has refused to stream, and has told its history before: a newer timeline is
    /// remembered, whatever our own WAL holds. Seen with PostgreSQL 15, 16 and 18.
    pub fn hear_of(&mut self, upstream: &Self, tree: &Tree) {
        let Some(offered) = upstream.offered(tree) else {
            return;
        };
        if let Some(own) = self.files_mut()
            && tree.timeline(offered) > tree.timeline(own.wal)
        {
            own.heard = Some(offered.branch);
        }
    }

    /// The connection to the upstream is made.
    pub fn connect(&mut self, upstream: Node) {
        if let Process::Standby(receiver) = &mut self.process {
            receiver.connected = Some(upstream);
        }
    }

    /// The connection to the upstream is gone.
    pub fn disconnect(&mut self) {
        if let Process::Standby(receiver) = &mut self.process {
            receiver.connected = None;
        }
    }

    /// Whom it streams from.
    #[must_use]
    pub fn connected(&self) -> Option<Node> {
        match self.process {
            Process::Standby(receiver) => receiver.connected,
            Process::Down { .. }
            | Process::Starting { .. }
            | Process::Primary
            | Process::Promoting(_)
            | Process::Stopping { .. } => None,
        }
    }

    /// Takes everything that the upstream has flushed by now; tells whether that was anything.
    ///
    /// The upstream is told how far it came by [`Server::confirm`].
    pub fn receive(&mut self, upstream: &Self, tree: &Tree) -> bool {
        let is_deaf = self.is_frozen || self.has(Quirk::ReceivesNothing);
        let is_slow = self.has(Quirk::ReplaysSlowly);
        if is_deaf || self.has(Quirk::DiskFull) || self.connected() != Some(upstream.node) {
            return false;
        }
        let (Some(offered), Some(theirs)) = (upstream.offered(tree), upstream.files()) else {
            return false;
        };
        let Some(own) = self.files_mut() else {
            return false;
        };
        if own.system != theirs.system || fits(own.wal, offered, tree).is_err() {
            return false;
        }
        let is_new = own.wal != offered;
        if is_new {
            own.is_corrupt |= theirs.is_corrupt || !tree.contains(offered, own.wal);
            own.wal = offered;
        }
        if !is_slow {
            own.replayed = offered.end;
        }
        if let Process::Standby(receiver) = &mut self.process {
            receiver.has_received = true;
        }
        is_new
    }

    /// A standby that uses this slot has told how far it came.
    pub fn confirm(&mut self, slot: &str, lsn: Lsn) {
        if let Some(position) = self.files_mut().and_then(|files| files.slots.get_mut(slot)) {
            *position = Some(lsn);
        }
    }

    /// What its senders ship, and what it says of itself over a replication connection.
    ///
    /// A primary that is stopped in order ships until the end.
    pub(super) fn offered(&self, tree: &Tree) -> Option<Wal> {
        if self.is_frozen {
            return None;
        }
        let files = self.files()?;
        match self.process {
            Process::Primary
            | Process::Stopping {
                is_fast: true,
                ending: Ending::Primary { .. },
            } => Some(files.wal),
            Process::Standby(receiver) | Process::Promoting(receiver) => {
                Some(relayed(files, receiver, tree))
            }
            Process::Down { .. } | Process::Starting { .. } | Process::Stopping { .. } => None,
        }
    }
}

/// What a standby ships: what it received, on the timeline that it replays.
fn relayed(files: &Files, receiver: Receiver, tree: &Tree) -> Wal {
    let replayed = tree.at(files.wal, files.replayed);
    if receiver.has_received && replayed.branch == files.wal.branch {
        files.wal
    } else {
        replayed
    }
}

/// Whether PostgreSQL lets a standby with this WAL go on with what is offered, by the numbers.
fn fits(own: Wal, offered: Wal, tree: &Tree) -> Result<(), NoStream> {
    let (mine, theirs) = (tree.timeline(own), tree.timeline(offered));
    if mine > theirs {
        return Err(NoStream::UpstreamOnOlderTimeline);
    }
    let end = tree.end_of(offered, mine).ok_or(NoStream::Diverged)?;
    match own.end <= end {
        true => Ok(()),
        false if mine == theirs => Err(NoStream::UpstreamBehind),
        false => Err(NoStream::Diverged),
    }
}

#[cfg(test)]
mod tests;
