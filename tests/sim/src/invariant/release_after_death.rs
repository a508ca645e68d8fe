//! `release-after-death`: a member gives the leader key up only when no process of its server is
//! left that writes or could come to write (oracle O9).
//!
//! It counts when the store carries the release out, also one that was held up on its way: the
//! server must still be dead then. The end of a member's own session counts as well.
//!
//! A standby is a remark: a member that does not hear of its release starts one, and in a pause it
//! gives up what a standby does not use. It becomes a primary only under another lease.

use herdsman_ha_core::Purpose;
use herdsman_ha_core::schema::key;

use super::remarks::Remarks;
use super::{Verdict, broken};
use crate::pg::{Ending, Process};
use crate::store::{Change, Writer};
use crate::world::World;

pub(super) const NAME: &str = "release-after-death";

pub(super) fn check(change: &Change, world: &World, remarks: &mut Remarks) -> Verdict {
    if &*change.key != key::LEADER || change.after.is_some() {
        return Ok(());
    }
    let is_given_up = match &change.by {
        Writer::Commit { purpose, .. } => *purpose == Some(Purpose::Release),
        Writer::Close => true,
        Writer::Expiry | Writer::Tool => false,
    };
    let name = change.before.as_ref().map_or("", |entry| &*entry.value);
    let Some(node) = world.node_named(name).filter(|_| is_given_up) else {
        return Ok(());
    };
    let what = match world.host(node).server.process {
        Process::Down { orphans: false } => return Ok(()),
        Process::Standby(_)
        | Process::Starting { as_primary: false }
        | Process::Stopping {
            ending: Ending::Standby,
            ..
        } => {
            remarks.add("released-beside-a-standby", world.now);
            return Ok(());
        }
        Process::Down { orphans: true } if !world.host(node).server.is_writable() => {
            remarks.add("released-beside-what-a-standby-left", world.now);
            return Ok(());
        }
        Process::Down { orphans: true } => "processes without a postmaster are",
        Process::Primary => "a primary is",
        Process::Promoting(_) => "a standby that is being promoted is",
        Process::Starting { as_primary: true } => "a primary on its way up is",
        Process::Stopping { .. } => "a primary on its way down is",
    };
    broken(
        NAME,
        format!("{node} gave up the leader key while {what} still there"),
    )
}

#[cfg(test)]
mod tests {
    use herdsman_ha_core::{KeyState, StoreWrite};

    use super::super::fixture::*;
    use super::*;
    use crate::run::Run;

    fn release(run: &mut Run) {
        let session = leading_session(run);
        commit(
            run,
            Purpose::Release,
            Some(&session),
            &[(key::LEADER, KeyState::HeldBySession)],
            vec![StoreWrite::Delete {
                key: key::LEADER.to_owned(),
            }],
        );
    }

    #[test]
    fn a_leader_whose_server_runs_must_not_give_up_its_key() {
        let mut run = settled();
        release(&mut run);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn processes_without_a_postmaster_count() {
        let mut run = settled();
        run.world.hosts[A.index()].server.crash(true);
        release(&mut run);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn the_end_of_the_own_session_counts() {
        let mut run = settled();
        let (session, now) = (leading_session(&run), run.world.now);
        run.world.store.close(&session, now);
        tell_changes(&mut run);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn a_standby_writes_nothing_and_one_that_is_promoted_will() {
        for (is_promoting, expected) in [(false, None), (true, Some(NAME))] {
            let mut run = settled();
            kill(&mut run, A);
            acquire(&mut run, B);
            assert_eq!(violated(&mut run), None);
            if is_promoting {
                let server = &mut run.world.hosts[B.index()].server;
                server.begin_promote().expect("it is a standby");
            }
            release(&mut run);
            assert_eq!(violated(&mut run), expected);
        }
    }

    #[test]
    fn after_the_death_of_the_server_the_key_may_go() {
        let mut run = settled();
        kill(&mut run, A);
        release(&mut run);
        assert_eq!(violated(&mut run), None);
    }
}
