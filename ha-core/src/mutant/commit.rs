//! Commits that demand less than they should.
//!
//! Done to a finished commit, so that the code that makes it shows all its guards.

use super::Mutant;
use crate::schema::key;
use crate::task::{Commit, Purpose, StoreWrite};

/// Takes off what this mutant does not demand.
pub(super) fn weaken(commit: &mut Commit, mutant: Mutant) {
    if mutant == Mutant::ClaimNotBound {
        if commit.purpose == Purpose::ClaimInitialize {
            commit.writes.iter_mut().for_each(unbind);
        }
        return;
    }
    let Some((purpose, cut)) = weakened(mutant) else {
        return;
    };
    if commit.purpose == purpose {
        commit.guards.retain(|guard| match cut {
            Cut::All => false,
            Cut::On(key) => guard.key != key,
            Cut::AllBut(key) => guard.key == key,
        });
    }
}

/// Which guards a mutant takes off.
#[derive(Clone, Copy)]
enum Cut {
    All,
    On(&'static str),
    AllBut(&'static str),
}

fn weakened(mutant: Mutant) -> Option<(Purpose, Cut)> {
    let cuts = [
        (
            Mutant::AcquireOverwrites,
            Purpose::Acquire,
            Cut::On(key::LEADER),
        ),
        (
            Mutant::AcquireRestsOnNothing,
            Purpose::Acquire,
            Cut::AllBut(key::LEADER),
        ),
        (
            Mutant::LeadershipRecordUnguarded,
            Purpose::Acquire,
            Cut::On(key::LEADERSHIP),
        ),
        (Mutant::ResumeUnguarded, Purpose::Resume, Cut::All),
        (Mutant::ReleaseUnguarded, Purpose::Release, Cut::All),
        (Mutant::ClaimUnguarded, Purpose::ClaimInitialize, Cut::All),
        (Mutant::RecordUnguarded, Purpose::RecordCluster, Cut::All),
        (Mutant::AdoptUnguarded, Purpose::AdoptCluster, Cut::All),
        (Mutant::StatusUnguarded, Purpose::PublishStatus, Cut::All),
        (Mutant::ClearMoveUnguarded, Purpose::ClearMove, Cut::All),
        (
            Mutant::FailsafeListUnguarded,
            Purpose::Acquire,
            Cut::On(key::FAILSAFE),
        ),
        (Mutant::SyncUnguarded, Purpose::PublishSync, Cut::All),
    ];
    cuts.into_iter()
        .find(|(of, ..)| *of == mutant)
        .map(|(_, purpose, cut)| (purpose, cut))
}

fn unbind(write: &mut StoreWrite) {
    if let StoreWrite::PutBound { key, value } = write {
        *write = StoreWrite::Put {
            key: core::mem::take(key),
            value: core::mem::take(value),
        };
    }
}
