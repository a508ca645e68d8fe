//! Small questions about a server, for the world around it.

use std::collections::BTreeSet;

use herdsman_ha_core::ControlState;

use super::server::{Process, Server};
use super::sync::{Names, SyncNames};
use crate::ids::Node;

impl Server {
    /// Whether it runs as a primary, frozen or not.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.process == Process::Primary
    }

    /// Whether it runs as a standby, frozen or not.
    #[must_use]
    pub fn is_standby(&self) -> bool {
        matches!(self.process, Process::Standby(_))
    }

    /// Whether it is on its way to a primary.
    #[must_use]
    pub fn is_promoting(&self) -> bool {
        matches!(self.process, Process::Promoting(_))
    }

    /// Whether it takes writes, or may begin to without anybody's doing.
    #[must_use]
    pub fn may_write(&self) -> bool {
        match self.process {
            Process::Primary
            | Process::Promoting(_)
            | Process::Starting { as_primary: true }
            | Process::Down { orphans: true } => true,
            Process::Standby(_)
            | Process::Starting { as_primary: false }
            | Process::Stopping { .. }
            | Process::Down { orphans: false } => false,
        }
    }

    /// Whether it accepts connections unless it is frozen.
    #[must_use]
    pub fn is_up(&self) -> bool {
        match self.process {
            Process::Primary | Process::Standby(_) | Process::Promoting(_) => true,
            Process::Down { .. } | Process::Starting { .. } | Process::Stopping { .. } => false,
        }
    }

    /// Whether it has no postmaster.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self.process, Process::Down { .. })
    }

    /// Whether processes live on without a postmaster.
    #[must_use]
    pub fn is_orphaned(&self) -> bool {
        self.process == Process::Down { orphans: true }
    }

    /// Whom it is told to stream from.
    #[must_use]
    pub fn upstream(&self) -> Option<Node> {
        self.files()?.upstream
    }

    /// Whether its data took WAL of another line.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        self.files().is_some_and(|files| files.is_corrupt)
    }

    /// How its control file was left.
    #[must_use]
    pub fn control(&self) -> Option<ControlState> {
        Some(self.files()?.control)
    }

    /// Commits wait for so many of these from now on.
    pub fn set_synchronous(&mut self, names: BTreeSet<Node>, need: usize) {
        if let Some(files) = self.files_mut() {
            let names = Names::Of(names);
            files.sync = Some(SyncNames { names, need });
        }
    }

    /// Whether commits wait for standbys.
    #[must_use]
    pub fn is_synchronous(&self) -> bool {
        let sync = self.files().and_then(|files| files.sync.as_ref());
        sync.is_some_and(|sync| sync.need > 0)
    }
}
