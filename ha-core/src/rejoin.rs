//! May this copy of the data follow that leader?
//!
//! A copy has diverged when it holds records that the leader's history lacks. Only a copy that
//! has diverged is ever replaced, and only while another member is a proven, running primary:
//! [`LeaderElsewhere`] is the proof, and only this file makes one.

use serde::Serialize;

use crate::value::{Generation, Lsn, MemberName, Position, SystemId};
use crate::view::{LeaderKey, ServerIdentity};

/// The proof that another member holds the good copy: it holds the leadership in the current view
/// and has answered, after that view was read, as a running primary of the same cluster.
///
/// The server's word is asked again at the moment of deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeaderElsewhere {
    leader: MemberName,
    generation: Generation,
    system_id: SystemId,
}

impl LeaderElsewhere {
    /// The proof, when the facts give one.
    pub(crate) fn prove(
        me: &MemberName,
        leader: &LeaderKey,
        identity: &ServerIdentity,
        mine: SystemId,
    ) -> Option<Self> {
        let is_other = leader.name != *me;
        let is_same_cluster = identity.system_id == mine;
        (is_other && is_same_cluster && identity.is_primary).then(|| Self {
            leader: leader.name.clone(),
            generation: leader.generation,
            system_id: mine,
        })
    }

    /// The proof for a member of a standby cluster: the server that all of it follows has answered
    /// as a running primary of the same system, under the present leadership.
    pub(crate) fn prove_source(
        source: &MemberName,
        leader: &LeaderKey,
        identity: &ServerIdentity,
        mine: SystemId,
    ) -> Option<Self> {
        let is_same_system = identity.system_id == mine;
        (is_same_system && identity.is_primary).then(|| Self {
            leader: source.clone(),
            generation: leader.generation,
            system_id: mine,
        })
    }

    /// Who holds the good copy.
    #[must_use]
    pub fn leader(&self) -> &MemberName {
        &self.leader
    }

    /// Under which leadership.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Of which cluster.
    #[must_use]
    pub fn system_id(&self) -> SystemId {
        self.system_id
    }
}

/// How a standby's history relates to a leader's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Every record that the standby has is part of the leader's history.
    Ancestor,
    /// The leader did not tell enough to compare.
    Unknown,
    /// The leader's history left the standby's timeline at `fork`, before the standby's end.
    Diverged {
        /// Where the leader left our timeline; our own timeline's begin when it never was on it.
        fork: Lsn,
    },
}

/// Compares the end of a standby's WAL with the history of a leader.
///
/// On the leader's own timeline the standby may be ahead of the position that the leader told,
/// because it told it earlier: that is no divergence.
pub(crate) fn relate(mine: Position, leader: &ServerIdentity) -> Relation {
    if let Some(fork) = leader.contradicts {
        return Relation::Diverged { fork };
    }
    if mine.timeline == leader.position.timeline {
        return Relation::Ancestor;
    }
    // A history tells about every timeline before the leader's own, or it tells nothing.
    let is_complete = leader.position.timeline.0 == 1 || !leader.history.is_empty();
    if !is_complete {
        return Relation::Unknown;
    }
    let fork = leader
        .history
        .iter()
        .find(|(timeline, _)| *timeline == mine.timeline);
    match fork {
        Some((_, fork)) if mine.lsn <= *fork => Relation::Ancestor,
        Some((_, fork)) => Relation::Diverged { fork: *fork },
        // Our timeline is no part of the leader's history at all.
        None => Relation::Diverged { fork: Lsn(0) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Revision, Timeline};
    use alloc::vec;

    fn at(timeline: u32, lsn: u64) -> Position {
        Position {
            timeline: Timeline(timeline),
            lsn: Lsn(lsn),
        }
    }

    fn leader() -> ServerIdentity {
        ServerIdentity {
            system_id: SystemId(7_000_000_000),
            is_primary: true,
            position: at(3, 900),
            history: vec![(Timeline(1), Lsn(100)), (Timeline(2), Lsn(500))],
            missing_wal: None,
            contradicts: None,
        }
    }

    #[test]
    fn one_number_for_two_timelines_is_a_divergence() {
        let other = ServerIdentity {
            contradicts: Some(Lsn(400)),
            ..leader()
        };
        let diverged = Relation::Diverged { fork: Lsn(400) };
        assert_eq!(relate(at(3, 900), &other), diverged);
    }

    #[test]
    fn a_standby_up_to_the_fork_follows_and_one_byte_more_diverges() {
        assert_eq!(relate(at(2, 500), &leader()), Relation::Ancestor);
        assert_eq!(
            relate(at(2, 501), &leader()),
            Relation::Diverged { fork: Lsn(500) }
        );
        assert_eq!(relate(at(1, 100), &leader()), Relation::Ancestor);
        assert_eq!(relate(at(3, 5000), &leader()), Relation::Ancestor);
    }

    #[test]
    fn a_leader_that_tells_no_history_proves_nothing() {
        let silent = ServerIdentity {
            history: vec![],
            ..leader()
        };
        assert_eq!(relate(at(2, 501), &silent), Relation::Unknown);
    }

    #[test]
    fn a_later_or_foreign_timeline_diverges() {
        assert_eq!(
            relate(at(4, 1), &leader()),
            Relation::Diverged { fork: Lsn(0) }
        );
    }

    #[test]
    fn only_another_running_primary_of_the_same_cluster_is_a_witness() {
        let me = MemberName::from("a");
        let key = |name: &str| LeaderKey {
            name: MemberName::from(name),
            generation: Generation(4),
            revision: Revision(4),
            session: None,
        };
        let mine = SystemId(7_000_000_000);
        assert!(LeaderElsewhere::prove(&me, &key("b"), &leader(), mine).is_some());
        assert!(LeaderElsewhere::prove(&me, &key("a"), &leader(), mine).is_none());
        assert!(
            LeaderElsewhere::prove(&me, &key("b"), &leader(), SystemId(8_000_000_000)).is_none()
        );
        let standby = ServerIdentity {
            is_primary: false,
            ..leader()
        };
        assert!(LeaderElsewhere::prove(&me, &key("b"), &standby, mine).is_none());
    }
}
