//! How a server's processes begin and end, and how a standby becomes a primary.
//!
//! What takes time has two halves, and whatever happens in between counts: a second half without
//! its first is refused.

use herdsman_ha_core::{ControlState, Lsn, Timeline};

use super::refused::Refused;
use super::server::{Ending, Files, Process, Receiver, Server};
use super::tree::{BranchId, Record, Tree, Wal};
use crate::fault::Quirk;
use crate::ids::Node;

impl Server {
    /// The postmaster begins to start.
    ///
    /// # Errors
    ///
    /// When processes of the server live, or there is no cluster.
    pub fn begin_start(
        &mut self,
        as_primary: bool,
        upstream: Option<Node>,
        slot: Option<String>,
    ) -> Result<(), Refused> {
        self.check_gone()?;
        let refuses = self.has(Quirk::RefusesToStart);
        let files = self.files_mut().ok_or(Refused::NoCluster)?;
        if as_primary {
            files.upstream = None;
            files.upstream_slot = None;
        } else {
            files.upstream = upstream;
            files.upstream_slot = slot;
            files.sync = None;
        }
        if !refuses {
            files.control = recovery(files, as_primary);
        }
        self.process = Process::Starting { as_primary };
        self.is_frozen = false;
        Ok(())
    }

    /// What pgctl does before it starts a standby: histories of timelines of which there is no WAL
    /// are removed. Somebody else's start leaves them.
    pub fn forget_hearsay(&mut self) {
        if let Some(files) = self.files_mut() {
            files.heard = None;
        }
    }

    /// The start has come to its end: where the WAL ends now.
    ///
    /// # Errors
    ///
    /// When no start was begun, or it fails: the server is down then, unless it is only frozen.
    pub fn finish_start(&mut self, tree: &mut Tree) -> Result<Wal, Refused> {
        let Process::Starting { as_primary } = self.process else {
            return Err(Refused::NotBegun);
        };
        self.check_moving()?;
        if self.has(Quirk::RefusesToStart) {
            return self.give_up(Refused::RefusesToStart);
        }
        if as_primary {
            return self.recover(tree);
        }
        let files = self.files_mut().ok_or(Refused::NoCluster)?;
        if let Some(heard) = files.heard.take()
            && !tree.contains(tip_of(heard), files.wal)
        {
            // It reads its own segment as the beginning of the other timeline's, and goes on there.
            files.wal = Wal {
                branch: heard,
                end: files.wal.end,
            };
            files.is_corrupt = true;
        }
        files.replay_anew();
        files.control = ControlState::InArchiveRecovery;
        let wal = files.wal;
        self.process = Process::Standby(Receiver::default());
        Ok(wal)
    }

    /// Everything on the disk is replayed, and the server writes on, with the same timeline
    /// number, whoever wrote it before.
    fn recover(&mut self, tree: &mut Tree) -> Result<Wal, Refused> {
        let (node, is_full) = (self.node, self.has(Quirk::DiskFull));
        let files = self.files_mut().ok_or(Refused::NoCluster)?;
        let was_stopped_in_order = files.control == ControlState::ShutDown;
        if is_full && !was_stopped_in_order {
            return self.give_up(Refused::DiskFull);
        }
        if !tree.is_continued_by(node, files.wal) {
            let timeline = tree.timeline(files.wal);
            files.wal = tree.fork(files.wal, timeline, node);
        }
        files.replayed = files.wal.end;
        if !was_stopped_in_order {
            files.write_checkpoint(tree);
        }
        files.control = ControlState::InProduction;
        files.consistent_at = None;
        let wal = files.wal;
        self.process = Process::Primary;
        Ok(wal)
    }

    /// A standby has replayed what it received.
    pub fn replay_to_end(&mut self) {
        if self.is_frozen {
            return;
        }
        if let Process::Standby(receiver) | Process::Promoting(receiver) = &mut self.process {
            receiver.wal_end_reached = true;
            if let Some(files) = self.files_mut() {
                files.replayed = files.wal.end;
            }
        }
    }

    /// The standby is told whom to stream from; on another server this prepares its next start.
    ///
    /// # Errors
    ///
    /// When there is no cluster.
    pub fn follow(&mut self, upstream: Option<Node>, slot: Option<String>) -> Result<(), Refused> {
        let files = self.files_mut().ok_or(Refused::NoCluster)?;
        let is_new = files.upstream != upstream || files.upstream_slot != slot;
        files.upstream = upstream;
        files.upstream_slot = slot;
        if is_new {
            self.disconnect();
        }
        Ok(())
    }

    /// The postmaster is killed; its other processes may live on, and those of a primary go on
    /// serving their clients until somebody kills them.
    pub fn crash(&mut self, orphans: bool) {
        if matches!(self.process, Process::Down { .. }) {
            return;
        }
        self.orphans_write = orphans && self.process == Process::Primary;
        self.is_frozen &= orphans;
        self.process = Process::Down { orphans };
    }

    /// One of its processes has crashed, and the postmaster begins to recover by itself: as what the
    /// signal files say, so that an order to promote is forgotten.
    pub fn reinitialize(&mut self) {
        let as_primary = match self.process {
            Process::Primary => true,
            Process::Standby(_) | Process::Promoting(_) => false,
            Process::Down { .. } | Process::Starting { .. } | Process::Stopping { .. } => return,
        };
        self.promotes_to = None;
        self.process = Process::Starting { as_primary };
    }

    /// The machine is off.
    pub fn lose_power(&mut self) {
        self.kill_all();
    }

    /// Every process is gone, also those that stand still or have no postmaster.
    pub fn kill_all(&mut self) {
        self.process = Process::Down { orphans: false };
        self.is_frozen = false;
        self.orphans_write = false;
    }

    /// The server is told to stop: clients are cut off in this instant.
    ///
    /// # Errors
    ///
    /// When the server does not run, or does not hear it: nothing has happened then.
    pub fn begin_stop(&mut self, fast: bool) -> Result<(), Refused> {
        let (was_fast, ending) = match self.process {
            Process::Down { .. } => return Err(Refused::NotRunning),
            Process::Starting { .. } => (true, Ending::Start),
            Process::Primary => (true, Ending::Primary { is_recorded: false }),
            Process::Standby(_) | Process::Promoting(_) => (true, Ending::Standby),
            Process::Stopping { is_fast, ending } => (is_fast, ending),
        };
        self.check_moving()?;
        if fast && self.has(Quirk::IgnoresFastStop) {
            return Err(Refused::NotHeard);
        }
        // An immediate stop is not taken back.
        let is_fast = fast && was_fast;
        self.process = Process::Stopping { is_fast, ending };
        Ok(())
    }

    /// The record with which a primary that is stopped in order ends its WAL: written at the first
    /// call, so that standbys which are connected can [receive](Server::receive) it before the
    /// process ends. None: this stop writes none.
    pub fn pending_shutdown_record(&mut self, tree: &mut Tree) -> Option<Wal> {
        let is_able = !self.is_frozen && !self.has(Quirk::DiskFull);
        let Process::Stopping {
            is_fast: true,
            ending: Ending::Primary { is_recorded },
        } = &mut self.process
        else {
            return None;
        };
        if *is_recorded {
            return self.wal();
        }
        if !is_able {
            return None;
        }
        *is_recorded = true;
        let files = self.files_mut()?;
        files.write_checkpoint(tree);
        files.control = ControlState::ShutDown;
        Some(files.wal)
    }

    /// The stop has come to its end. A stop in order that cannot write its checkpoint leaves the
    /// files as a crash does.
    ///
    /// # Errors
    ///
    /// When no stop was begun, or the server is frozen.
    pub fn finish_stop(&mut self, tree: &mut Tree) -> Result<(), Refused> {
        let Process::Stopping { is_fast, ending } = self.process else {
            return Err(Refused::NotBegun);
        };
        self.check_moving()?;
        let is_able = is_fast && !self.has(Quirk::DiskFull);
        match ending {
            Ending::Primary { .. } => {
                self.pending_shutdown_record(tree);
            }
            Ending::Standby if is_able => {
                if let Some(files) = self.files_mut() {
                    files.restartpoint(tree);
                    files.control = ControlState::ShutDownInRecovery;
                }
            }
            // Seen with 15: so also ends the recovery of a crashed primary, which then reads as if
            // it had been a standby.
            Ending::Start if is_able => {
                if let Some(files) = self.files_mut() {
                    files.control = ControlState::ShutDownInRecovery;
                }
            }
            Ending::Standby | Ending::Start => {}
        }
        self.kill_all();
        Ok(())
    }

    /// The standby is told to become a primary: it stops receiving.
    ///
    /// # Errors
    ///
    /// When it is no running standby.
    pub fn begin_promote(&mut self) -> Result<(), Refused> {
        let Process::Standby(receiver) = self.process else {
            return Err(Refused::NotStandby);
        };
        self.check_moving()?;
        self.promotes_to = None;
        self.process = Process::Promoting(Receiver {
            connected: None,
            ..receiver
        });
        Ok(())
    }

    /// The standby is told to become a primary on a timeline of this number, which must be above its
    /// own: what pgctl makes PostgreSQL do.
    ///
    /// # Errors
    ///
    /// When it is no running standby, or is on that timeline already.
    pub fn begin_promote_to(&mut self, timeline: Timeline, tree: &Tree) -> Result<(), Refused> {
        let own = self.files().map(|files| tree.timeline(files.wal));
        if own.is_none_or(|own| own >= timeline) {
            return Err(Refused::NumberTaken);
        }
        self.begin_promote()?;
        self.promotes_to = Some(timeline);
        Ok(())
    }

    /// The promotion has come to its end: everything received is replayed and a timeline begun.
    ///
    /// The checkpoint stays where it was: one on the new timeline is written later.
    ///
    /// # Errors
    ///
    /// When no promotion was begun, or it fails: the server is down then, unless it is only frozen.
    pub fn finish_promote(&mut self, tree: &mut Tree) -> Result<Wal, Refused> {
        let Process::Promoting(_) = self.process else {
            return Err(Refused::NotBegun);
        };
        self.check_moving()?;
        if self.has(Quirk::DiskFull) {
            return self.give_up(Refused::DiskFull);
        }
        let node = self.node;
        let wanted = self.promotes_to.take();
        let files = self.files_mut().ok_or(Refused::NoCluster)?;
        // Numbers only grow along a line, so the newest one that it knows is that of its end.
        let next = Timeline(tree.timeline(files.wal).0 + 1);
        let timeline = wanted.unwrap_or(next);
        files.wal = tree.fork(files.wal, timeline, node);
        files.extend(tree, Record::EndOfRecovery);
        files.control = ControlState::InProduction;
        files.consistent_at = None;
        files.upstream = None;
        files.upstream_slot = None;
        let wal = files.wal;
        self.process = Process::Primary;
        Ok(wal)
    }

    /// No process of the server lives.
    pub(super) fn check_gone(&self) -> Result<(), Refused> {
        match self.process {
            Process::Down { orphans: false } => Ok(()),
            Process::Down { orphans: true } => Err(Refused::OrphansLive),
            Process::Starting { .. }
            | Process::Primary
            | Process::Standby(_)
            | Process::Promoting(_)
            | Process::Stopping { .. } => Err(Refused::IsRunning),
        }
    }

    fn check_moving(&self) -> Result<(), Refused> {
        if self.is_frozen {
            return Err(Refused::Frozen);
        }
        Ok(())
    }

    fn give_up<T>(&mut self, why: Refused) -> Result<T, Refused> {
        self.kill_all();
        Err(why)
    }
}

/// What the control file says during a start. A primary that was stopped in order has nothing to
/// recover; one that was not recovers as a primary first, whatever it becomes then.
fn recovery(files: &Files, as_primary: bool) -> ControlState {
    let is_clean = files.control == ControlState::ShutDown;
    match (as_primary, files.consistent_at) {
        (true, _) if is_clean => ControlState::ShutDown,
        (true, _) => ControlState::InProduction,
        (false, None) if !is_clean => ControlState::InProduction,
        (false, _) => ControlState::InArchiveRecovery,
    }
}

/// Everything that a branch will ever have.
fn tip_of(branch: BranchId) -> Wal {
    Wal {
        branch,
        end: Lsn(u64::MAX),
    }
}

#[cfg(test)]
mod tests;
