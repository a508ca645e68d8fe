//! `store-discipline`: members write only what they own or what they hold the right to, and under
//! everything that their decision rested on; the history only grows (I15): a new leader may replace
//! what was behind the place at which it left the line, never without a higher number.
//!
//! | key | who may write it | what the commit must demand |
//! |---|---|---|
//! | leader | acquire, record | no leader, and for acquire the other keys as they were seen |
//! | leader | resume | the very key that was seen; the same name |
//! | leader | release | held by the own session |
//! | leadership | with the leader key | no leader; for acquire the record as it was seen |
//! | initialize | claim | no claim and no leader; bound to the session |
//! | initialize | record, adopt | the own claim; the key as it was seen |
//! | status, config, history | the leader | the leader key held by the own session |
//! | failover | anybody | the request as it was seen; to clear it, the leader key too |
//! | members/x | x | a session of x |
//! | sync | the leader | the very leader key that was seen, and still its own; the key as it was seen |
//! | failsafe | the leader | the leader key held by the own session, and the key as it was seen |
//!
//! A tool may do anything. After it touched the history, or a leader that an operator chose by
//! hand went back, a history that does not grow is a remark.

use herdsman_ha_core::schema::key;
use herdsman_ha_core::{KeyState, Purpose, SessionName, StoreGuard};
use serde_json::Value;

use super::remarks::Remarks;
use super::truth::Truth;
use super::{Verdict, broken};
use crate::store::{Change, Entry, Writer};
use crate::world::World;

pub(super) const NAME: &str = "store-discipline";

pub(super) fn check(
    change: &Change,
    world: &World,
    truth: &Truth,
    remarks: &mut Remarks,
) -> Verdict {
    let Writer::Commit {
        purpose,
        session,
        guards,
    } = &change.by
    else {
        return Ok(());
    };
    let commit = Commit {
        purpose: *purpose,
        session: session.as_deref(),
        guards,
        change,
    };
    let is_permitted = match &*change.key {
        key::LEADER => commit.may_change_leader(world),
        key::LEADERSHIP => commit.may_change_leadership(),
        key::INITIALIZE => commit.may_change_initialize(),
        key::STATUS => commit.may_change_status(),
        key::CONFIG => commit.may_change_config(),
        key::HISTORY => {
            if !grows(change.before.as_ref(), change.after.as_ref()) {
                may_go_back(change, world, truth, remarks)?;
            }
            commit.purpose.is_none() && commit.leads()
        }
        key::FAILOVER => commit.may_change_failover(),
        key::SYNC => commit.may_change_sync(),
        key::FAILSAFE => {
            let is_seen = commit.leads() && commit.demands_seen(key::FAILSAFE);
            commit.is_for(&[Purpose::PublishFailsafe]) && is_seen
        }
        other => match other.strip_prefix(key::MEMBERS) {
            Some(member) => commit.may_change_member(member, world),
            None => false,
        },
    };
    if is_permitted {
        return Ok(());
    }
    let what = purpose.map_or("publish-history", Purpose::name);
    let verb = if change.after.is_some() {
        "wrote"
    } else {
        "removed"
    };
    broken(
        NAME,
        format!("{what} {verb} {} and demanded only {guards:?}", change.key),
    )
}

/// A change by a commit.
struct Commit<'a> {
    purpose: Option<Purpose>,
    session: Option<&'a SessionName>,
    guards: &'a [StoreGuard],
    change: &'a Change,
}

impl Commit<'_> {
    fn is_for(&self, purposes: &[Purpose]) -> bool {
        self.purpose
            .is_some_and(|purpose| purposes.contains(&purpose))
    }

    fn demands(&self, key: &str, is: impl Fn(KeyState) -> bool) -> bool {
        self.guards
            .iter()
            .any(|guard| guard.key == key && is(guard.is))
    }

    fn demands_absent(&self, key: &str) -> bool {
        self.demands(key, |is| is == KeyState::Absent)
    }

    /// That the key is as a view showed it.
    fn demands_seen(&self, key: &str) -> bool {
        self.demands(key, |is| matches!(is, KeyState::Absent | KeyState::At(_)))
    }

    /// That the leader key is held by the session.
    fn leads(&self) -> bool {
        self.session.is_some() && self.demands(key::LEADER, |is| is == KeyState::HeldBySession)
    }

    /// What it wrote lives and dies with its session.
    fn is_bound(&self) -> bool {
        let holder = self
            .change
            .after
            .as_ref()
            .map(|entry| entry.session.as_deref());
        self.session.is_some() && holder == Some(self.session)
    }

    fn may_change_leader(&self, world: &World) -> bool {
        let Some(after) = &self.change.after else {
            // A revision alone may be that of anybody's key once the store was put back.
            return self.is_for(&[Purpose::Release]) && self.leads();
        };
        let owner = self.session.and_then(|session| world.store.owner(session));
        let is_own = owner.is_some_and(|node| world.host(node).name.as_str() == &*after.value);
        let rests = [
            key::FAILOVER,
            key::SYNC,
            key::LEADERSHIP,
            key::INITIALIZE,
            key::FAILSAFE,
        ];
        let is_demanded = match (self.purpose, &self.change.before) {
            (Some(Purpose::Acquire), None) => {
                self.demands_absent(key::LEADER) && rests.iter().all(|key| self.demands_seen(key))
            }
            (Some(Purpose::RecordCluster), None) => self.demands_absent(key::LEADER),
            (Some(Purpose::Resume), Some(before)) => {
                let is_seen = |is| matches!(is, KeyState::At(at) if at.0 == before.modified);
                before.value == after.value && self.demands(key::LEADER, is_seen)
            }
            (Some(_) | None, Some(_) | None) => false,
        };
        is_own && self.is_bound() && is_demanded
    }

    fn may_change_status(&self) -> bool {
        self.is_for(&[Purpose::PublishStatus, Purpose::Release]) && self.leads()
    }

    fn may_change_leadership(&self) -> bool {
        let is_demanded = self.demands_absent(key::LEADER);
        let is_seen = self.demands_seen(key::LEADERSHIP);
        let is_led = self.demands(key::LEADER, |is| matches!(is, KeyState::At(_)));
        let is_recorded = is_demanded && self.is_for(&[Purpose::RecordCluster]);
        let is_taken = is_demanded && is_seen && self.is_for(&[Purpose::Acquire]);
        let is_reserved = is_led && is_seen && self.is_for(&[Purpose::Resume]);
        self.change.after.is_some() && (is_recorded || is_taken || is_reserved)
    }

    fn may_change_initialize(&self) -> bool {
        let is_claimed = |is| is == KeyState::HeldBySession;
        self.change.after.is_some()
            && match self.purpose {
                Some(Purpose::ClaimInitialize) => {
                    self.demands_absent(key::INITIALIZE)
                        && self.demands_absent(key::LEADER)
                        && self.is_bound()
                }
                Some(Purpose::RecordCluster) => self.demands(key::INITIALIZE, is_claimed),
                Some(Purpose::AdoptCluster) => self.demands_seen(key::INITIALIZE),
                Some(
                    Purpose::Acquire
                    | Purpose::Resume
                    | Purpose::Release
                    | Purpose::PublishMember
                    | Purpose::PublishStatus
                    | Purpose::RestoreConfig
                    | Purpose::RequestMove
                    | Purpose::ClearMove
                    | Purpose::BeginMove
                    | Purpose::FlushMove
                    | Purpose::ChangeConfig
                    | Purpose::PublishSync
                    | Purpose::PublishFailsafe,
                )
                | None => false,
            }
    }

    fn may_change_config(&self) -> bool {
        let is_restored = self.is_for(&[Purpose::RestoreConfig])
            && self.leads()
            && self.demands_absent(key::CONFIG);
        let is_recorded = self.is_for(&[Purpose::RecordCluster]) && self.demands_seen(key::CONFIG);
        // An operator may replace it whatever it was.
        let is_wanted = self.is_for(&[Purpose::ChangeConfig]);
        self.change.after.is_some() && (is_restored || is_recorded || is_wanted)
    }

    fn may_change_sync(&self) -> bool {
        let is_seen = self.demands(key::LEADER, |is| matches!(is, KeyState::At(_)));
        self.is_for(&[Purpose::PublishSync, Purpose::Release])
            && is_seen
            && self.leads()
            && self.demands_seen(key::SYNC)
    }

    fn may_change_failover(&self) -> bool {
        let is_cleared = self.is_for(&[Purpose::ClearMove, Purpose::BeginMove]) && self.leads();
        let is_written = self.is_for(&[Purpose::RequestMove, Purpose::Acquire, Purpose::FlushMove]);
        self.change.after.is_some()
            && self.demands_seen(key::FAILOVER)
            && (is_cleared || is_written)
    }

    fn may_change_member(&self, member: &str, world: &World) -> bool {
        let owner = self.session.and_then(|session| world.store.owner(session));
        let is_own = owner.is_some() && owner == world.node_named(member);
        self.is_for(&[Purpose::PublishMember]) && is_own && self.is_bound()
    }
}

/// Whether a history follows one that was published before: its newest number is not lower, and
/// each line is there, except those cut off its beginning, those of numbers that nobody used, and
/// those behind the place at which another life left the line: they are lost with what it lost.
fn grows(before: Option<&Entry>, after: Option<&Entry>) -> bool {
    let (before, after) = (lines(before), lines(after));
    let newest = |lines: &[Line]| lines.last().map_or(0, |line| line.timeline);
    if newest(&after) < newest(&before) {
        return false;
    }
    let has_new_leader = newest(&after) > newest(&before);
    let oldest = after.first().map_or(0, |line| line.timeline);
    for line in before.iter().filter(|line| line.timeline >= oldest) {
        let same = after.iter().find(|other| other.timeline == line.timeline);
        match same {
            Some(same) if same.switch == line.switch => {}
            Some(_) => return has_new_leader,
            None if line.is_unused => {}
            None => return false,
        }
    }
    true
}

/// A line of the history: a timeline, and where it was left.
struct Line {
    timeline: u64,
    switch: u64,
    /// It ends where the one before it ended: nobody has written on it.
    is_unused: bool,
}

fn lines(entry: Option<&Entry>) -> Vec<Line> {
    let text = entry.map_or("[]", |entry| &*entry.value);
    let values: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    let mut last = None;
    let line = |value: &Value| {
        let switch = value[1].as_u64()?;
        let is_unused = last.replace(switch) == Some(switch);
        Some(Line {
            timeline: value[0].as_u64()?,
            switch,
            is_unused,
        })
    };
    values.iter().filter_map(line).collect()
}

fn may_go_back(change: &Change, world: &World, truth: &Truth, remarks: &mut Remarks) -> Verdict {
    let leader = world
        .store
        .leader()
        .and_then(|(name, _)| world.node_named(name));
    if leader.is_some_and(|node| truth.tenure(node).is_by_hand) {
        remarks.add("history-went-back-by-hand", world.now);
        return Ok(());
    }
    if truth.branches_untold > 0 {
        remarks.add("history-went-back-after-a-tool-touched-it", world.now);
        return Ok(());
    }
    let text = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.value.to_string());
    let (before, after) = (text(&change.before), text(&change.after));
    broken(
        NAME,
        format!("the history went from {before:?} to {after:?}"),
    )
}

#[cfg(test)]
mod tests;
