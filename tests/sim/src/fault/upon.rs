//! Faults that hit whoever begins something: what they are once it is known who that is.
//!
//! A schedule does not know who will lead. Such a fault does not need to: it waits for the work.

use std::time::Duration;

use herdsman_ha_core::Task;

use super::{Deed, End, Fault, Mishap, Quirk, Work};
use crate::ids::Node;

impl Work {
    /// Whether a task is this work.
    pub(crate) fn is(self, task: &Task) -> bool {
        if let Task::Renew { proves_leader, .. } = task {
            return self == Self::Renew && *proves_leader;
        }
        self.word() == task.name()
    }
}

impl Mishap {
    /// The faults that it is for a member of a cluster of so many.
    pub(crate) fn faults(self, node: Node, nodes: u8, lasting: Duration) -> Vec<Fault> {
        let during = Some(lasting);
        match self {
            Self::FreezeAgent => vec![Fault::FreezeAgent(node, during)],
            Self::FreezeServer => vec![Fault::FreezeServer(node, during)],
            Self::FreezeHost => vec![Fault::FreezeHost(node, during)],
            Self::CrashAgent => vec![Fault::CrashAgent(node, during)],
            Self::CrashHost => vec![Fault::CrashHost(node, during)],
            Self::CrashServer | Self::Orphan => vec![Fault::CrashServer {
                node,
                orphans: self == Self::Orphan,
            }],
            Self::CutStore => cut(node, End::Store, lasting),
            Self::CutMembers => {
                let others = (0..nodes).map(Node).filter(|other| *other != node);
                let cuts = others.map(|other| cut(node, End::Node(other), lasting));
                cuts.flatten().collect()
            }
            Self::IgnoreStops => vec![Fault::Quirk(node, Quirk::IgnoresFastStop, during)],
            Self::KeyDeleted => vec![Fault::Deed(Deed::DeleteLeaderKey)],
            Self::OldView | Self::OldServer => vec![Fault::OldView {
                node,
                back: lasting,
                reconnects: self == Self::OldServer,
            }],
        }
    }
}

/// In both directions.
fn cut(node: Node, other: End, lasting: Duration) -> Vec<Fault> {
    let (node, lasting) = (End::Node(node), Some(lasting));
    let ways = [(node, other), (other, node)];
    ways.map(|(from, to)| Fault::Cut { from, to, lasting })
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_from_all_others_is_one_in_each_direction() {
        let faults = Mishap::CutMembers.faults(Node(1), 3, Duration::from_secs(5));
        let lines = crate::fault::text::lines(&faults);
        assert_eq!(lines, ["cut b a,c for=5"]);
    }

    #[test]
    fn only_the_leaders_renewal_is_waited_for() {
        let renewal = |proves_leader| Task::Renew {
            session: herdsman_ha_core::SessionName::from("s"),
            proves_leader,
            limit: Duration::from_secs(1),
        };
        assert!(Work::Renew.is(&renewal(true)));
        assert!(!Work::Renew.is(&renewal(false)));
        assert!(Work::Bootstrap.is(&Task::Bootstrap));
        assert!(!Work::Clone.is(&Task::Bootstrap));
    }
}
