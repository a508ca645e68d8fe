//! The connections between the members and the store, and the faults on them.
//!
//! Invariant: a member's link is the worse of its own and the common one.

use std::collections::BTreeMap;

/// One connection, from good to bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Link {
    #[default]
    Open,
    /// Nothing comes through, and nobody is told.
    Paused,
    /// Every call fails at once.
    Cut,
}

/// All connections of one store.
#[derive(Debug, Default)]
pub(super) struct Links {
    all: Link,
    members: BTreeMap<String, Member>,
}

#[derive(Debug, Default)]
struct Member {
    link: Link,
    replies_to_lose: u32,
}

impl Links {
    pub(super) fn of(&self, name: &str) -> Link {
        let own = self.members.get(name).map(|m| m.link);
        own.unwrap_or_default().max(self.all)
    }

    pub(super) fn set(&mut self, name: &str, link: Link) {
        self.member(name).link = link;
    }

    pub(super) const fn set_all(&mut self, link: Link) {
        self.all = link;
    }

    pub(super) fn lose_replies(&mut self, name: &str, count: u32) {
        self.member(name).replies_to_lose = count;
    }

    /// Whether the answer that a member is about to get is lost; each counts once.
    pub(super) fn loses_reply(&mut self, name: &str) -> bool {
        let Some(member) = self.members.get_mut(name) else {
            return false;
        };
        let is_lost = member.replies_to_lose > 0;
        member.replies_to_lose = member.replies_to_lose.saturating_sub(1);
        is_lost
    }

    fn member(&mut self, name: &str) -> &mut Member {
        self.members.entry(name.to_owned()).or_default()
    }
}
