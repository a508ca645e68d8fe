//! Who belongs to the cluster: the members that the view shows, and the ones that it does not show
//! because a session has ended.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use super::Memory;
use crate::slots;
use crate::value::MemberName;
use crate::view::{ClusterView, MemberView};

impl Memory {
    /// All members that may have something to say: the ones registered now, and the ones that were
    /// at any time since there last was a leader for one time to live. A session that ends says
    /// nothing about a server.
    pub(crate) fn known_members(&self) -> BTreeMap<&MemberName, &Arc<MemberView>> {
        let mut members: BTreeMap<&MemberName, &Arc<MemberView>> =
            self.old_members.iter().collect();
        if let Some(view) = &self.view {
            members.extend(view.members.iter());
        }
        members.remove(self.me());
        members
    }

    /// Puts a view in the place of the last one. Its members are kept unless somebody has led for
    /// long, and not copied before.
    pub(crate) fn take_view(&mut self, view: Arc<ClusterView>) {
        let has_leader = view.leader.is_some();
        let known = self.view.as_deref();
        if known.is_none_or(|known| slots::is_concerned(known, &view)) {
            self.published.wanted_slots = None;
            self.published.is_slots_due = true;
        }
        self.seen_at = self.now.mono;
        self.seen_revision = view.revision;
        let before = self.view.replace(view);
        if self.is_own_key_other(before.as_deref()) {
            self.published.known = None;
        }
        let has_led = before
            .as_ref()
            .is_some_and(|before| before.leader.is_some());
        let has_lasted = (has_leader || has_led) && self.has_leadership_lasted();
        if has_lasted {
            self.old_members.clear();
        }
        if let Some(before) = before.filter(|_| !(has_leader && has_lasted)) {
            let members = before.members.iter();
            self.old_members
                .extend(members.map(|(name, member)| (name.clone(), Arc::clone(member))));
        }
    }

    /// Whether everybody who lives has had the time to be registered again since the leadership was
    /// seen: after an outage in which all sessions ended somebody may lead before.
    fn has_leadership_lasted(&self) -> bool {
        let life = self.rules.ttl;
        self.leader_since
            .is_some_and(|(_, since)| self.now.mono.since(since) >= life)
    }

    /// Whether the view shows our own key otherwise than the one before did.
    fn is_own_key_other(&self, before: Option<&ClusterView>) -> bool {
        let before = before.and_then(|view| view.members.get(self.me()));
        let view = self.view.as_ref();
        before != view.and_then(|view| view.members.get(self.me()))
    }
}
