//! What a fault consists of, for whoever makes a schedule simpler.

use std::time::Duration;

use super::{Deed, End, Fault};
use crate::ids::Node;

impl Fault {
    /// The same fault of members with other numbers; none when one of them is gone.
    #[must_use]
    pub fn renumbered(&self, number: &dyn Fn(Node) -> Option<Node>) -> Option<Self> {
        let mut fault = self.clone();
        for node in fault.nodes_mut() {
            *node = number(*node)?;
        }
        Some(fault)
    }

    /// The members that it is about, each time it names one.
    #[must_use]
    pub fn nodes(&self) -> Vec<Node> {
        self.clone().nodes_mut().into_iter().map(|n| *n).collect()
    }

    fn nodes_mut(&mut self) -> Vec<&mut Node> {
        match self {
            Self::CrashHost(node, _)
            | Self::CrashAgent(node, _)
            | Self::CrashServer { node, .. }
            | Self::CrashBackend(node)
            | Self::FreezeAgent(node, _)
            | Self::FreezeServer(node, _)
            | Self::FreezeHost(node, _)
            | Self::Start(node)
            | Self::Quirk(node, _, _)
            | Self::RecycleWal(node)
            | Self::LoseDisk(node)
            | Self::BreakWatch(node, _)
            | Self::StaleReads(node, _)
            | Self::OldView { node, .. } => vec![node],
            Self::Cut { from, to, .. } | Self::Slow { from, to, .. } => {
                let ends = [from, to].into_iter();
                ends.filter_map(End::node_mut).collect()
            }
            Self::Deed(deed) => deed.nodes_mut(),
            Self::Heal
            | Self::StoreDown(_)
            | Self::StoreUp
            | Self::StoreElection(_)
            | Self::LoseReply(_)
            | Self::Delay(..)
            | Self::Upon { .. } => Vec::new(),
        }
    }

    /// The times in it that may be shorter: how long it lasts, and by how much it delays.
    pub fn durations_mut(&mut self) -> Vec<&mut Duration> {
        match self {
            Self::CrashHost(_, lasting)
            | Self::CrashAgent(_, lasting)
            | Self::FreezeAgent(_, lasting)
            | Self::FreezeServer(_, lasting)
            | Self::FreezeHost(_, lasting)
            | Self::Quirk(_, _, lasting)
            | Self::Cut { lasting, .. }
            | Self::StoreDown(lasting)
            | Self::StaleReads(_, lasting) => lasting.iter_mut().collect(),
            Self::Slow { by, lasting, .. } => lasting.iter_mut().chain([by]).collect(),
            Self::Upon { after, lasting, .. } => vec![after, lasting],
            Self::StoreElection(duration)
            | Self::Delay(_, duration)
            | Self::BreakWatch(_, duration)
            | Self::OldView { back: duration, .. }
            | Self::Deed(Deed::Restart { away: duration, .. } | Deed::RestoreStore(duration)) => {
                vec![duration]
            }
            Self::CrashServer { .. }
            | Self::CrashBackend(_)
            | Self::Start(_)
            | Self::RecycleWal(_)
            | Self::LoseDisk(_)
            | Self::Heal
            | Self::StoreUp
            | Self::LoseReply(_)
            | Self::Deed(
                Deed::Switchover { .. }
                | Deed::Failover { .. }
                | Deed::RestartServer { .. }
                | Deed::Reinit { .. }
                | Deed::Pause(_)
                | Deed::SetTtl(_)
                | Deed::DeleteLeaderKey
                | Deed::OverwriteLeaderKey(_)
                | Deed::WipeStore,
            ) => Vec::new(),
        }
    }
}

impl End {
    fn node_mut(&mut self) -> Option<&mut Node> {
        match self {
            Self::Node(node) => Some(node),
            Self::Store | Self::Clients => None,
        }
    }
}

impl Deed {
    fn nodes_mut(&mut self) -> Vec<&mut Node> {
        match self {
            Self::Switchover { at, to } => to.iter_mut().chain([at]).collect(),
            Self::Failover { to: node }
            | Self::Restart { at: node, .. }
            | Self::RestartServer { at: node }
            | Self::Reinit { at: node }
            | Self::OverwriteLeaderKey(node) => vec![node],
            Self::Pause(_)
            | Self::SetTtl(_)
            | Self::DeleteLeaderKey
            | Self::WipeStore
            | Self::RestoreStore(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_b(node: Node) -> Option<Node> {
        (node != Node(1)).then(|| Node(node.0 - u8::from(node.0 > 1)))
    }

    #[test]
    fn a_fault_of_a_removed_member_is_removed_and_others_move_up() {
        let fault = |text: &str| text.parse::<Fault>().unwrap();
        let moved = |text: &str| fault(text).renumbered(&without_b);
        assert_eq!(moved("cut a b oneway"), None);
        assert_eq!(moved("operator a switchover to=b"), None);
        assert_eq!(moved("cut c dcs oneway"), Some(fault("cut b dcs oneway")));
        assert_eq!(
            moved("operator d switchover to=c"),
            Some(fault("operator c switchover to=b"))
        );
        assert_eq!(moved("heal"), Some(fault("heal")));
    }

    #[test]
    fn both_times_of_a_delay_may_be_shorter() {
        let mut fault: Fault = "slow a dcs oneway by=2 for=9".parse().unwrap();
        for duration in fault.durations_mut() {
            *duration /= 2;
        }
        assert_eq!(fault.to_string(), "slow a dcs oneway by=1 for=4.5");
    }
}
