//! What goes wrong.

use super::super::minds::Stimulus;
use super::super::small::{Small, Stage};
use super::super::way::Trouble;
use super::Scene;

impl Small {
    pub(super) fn fault(&mut self, trouble: Trouble, scene: &mut Scene<'_>) {
        self.left.faults -= 1;
        match trouble {
            Trouble::Server { node, orphans } => {
                self.with_disks(|disks| disks.servers[node.index()].crash(orphans));
                self.settle(node);
                // The kernel tells of the end of a process.
                self.look(node);
            }
            Trouble::Agent(node) => self.agent_ends(node),
            Trouble::Cut(node) => self.member_mut(node).is_cut = true,
            Trouble::Freeze(node) => self.member_mut(node).is_frozen = true,
            Trouble::FreezeServer(node) => {
                self.with_disks(|disks| disks.servers[node.index()].is_frozen = true);
            }
            Trouble::Mute(node, job) => {
                let ask = self.member(node).jobs[job].ask.clone();
                let _ = self.call(node, &ask, scene);
                self.member_mut(node).jobs[job].stage = Stage::Mute;
            }
            Trouble::Linger(node, job) => {
                let ask = self.member(node).jobs[job].ask.clone();
                let member = self.member_mut(node);
                member.late.push(ask);
                member.jobs[job].stage = Stage::Mute;
            }
            Trouble::Move(node) => {
                let leader = self.kept.seen.view.leader.as_ref();
                let leader = leader.map(|leader| leader.name.clone()).unwrap_or_default();
                self.feed(node, Stimulus::Switchover(leader), scene);
            }
        }
    }
}
