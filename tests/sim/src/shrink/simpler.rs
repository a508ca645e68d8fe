//! Replaces a fault by a plainer one that does less.

use super::Shrinking;
use crate::fault::{Deed, Fault};

impl Shrinking<'_> {
    pub(super) fn simpler_faults(&mut self) -> bool {
        let mut is_better = false;
        for index in 0..self.best.faults.len() {
            if let Some(plain) = plainer(&self.best.faults[index].fault) {
                is_better |= self.change(|schedule| schedule.faults[index].fault = plain);
            }
        }
        is_better
    }
}

/// A fault that is understood more easily; applied again and again this comes to an end.
fn plainer(fault: &Fault) -> Option<Fault> {
    match fault {
        Fault::CrashServer {
            node,
            orphans: true,
        } => Some(Fault::CrashServer {
            node: *node,
            orphans: false,
        }),
        // A machine that stands still does what an agent that stands still does, and more.
        Fault::FreezeHost(node, lasting) => Some(Fault::FreezeAgent(*node, *lasting)),
        Fault::Slow {
            from, to, lasting, ..
        } => Some(Fault::Cut {
            from: *from,
            to: *to,
            lasting: *lasting,
        }),
        // A late state without a reconnection is a message that took long.
        Fault::OldView {
            node,
            back,
            reconnects: true,
        } => Some(Fault::OldView {
            node: *node,
            back: *back,
            reconnects: false,
        }),
        Fault::Deed(Deed::OverwriteLeaderKey(_)) => Some(Fault::Deed(Deed::DeleteLeaderKey)),
        Fault::Deed(Deed::RestoreStore(_)) => Some(Fault::Deed(Deed::WipeStore)),
        Fault::CrashHost(..)
        | Fault::CrashAgent(..)
        | Fault::CrashServer { orphans: false, .. }
        | Fault::CrashBackend(_)
        | Fault::FreezeAgent(..)
        | Fault::FreezeServer(..)
        | Fault::Start(_)
        | Fault::Quirk(..)
        | Fault::RecycleWal(_)
        | Fault::LoseDisk(_)
        | Fault::Cut { .. }
        | Fault::Heal
        | Fault::StoreDown(_)
        | Fault::StoreUp
        | Fault::StoreElection(_)
        | Fault::LoseReply(_)
        | Fault::Delay(..)
        | Fault::BreakWatch(..)
        | Fault::StaleReads(..)
        | Fault::OldView {
            reconnects: false, ..
        }
        | Fault::Upon { .. }
        | Fault::Deed(
            Deed::Switchover { .. }
            | Deed::Failover { .. }
            | Deed::Restart { .. }
            | Deed::RestartServer { .. }
            | Deed::Reinit { .. }
            | Deed::Pause(_)
            | Deed::SetTtl(_)
            | Deed::DeleteLeaderKey
            | Deed::WipeStore,
        ) => None,
    }
}
