//! What must be true of every small world, asked of the models, which know the truth.
//!
//! These are the few that need no history and no excuse: there is no pause here, nobody uses
//! tools, and clocks are right.

use super::go::Scene;
use super::small::Small;
use crate::ids::Node;
use crate::pg::Wal;

pub(super) const WRITABLE: &str = "one-writable-primary";
pub(super) const FENCED: &str = "fenced-in-time";
pub(super) const PROMOTION: &str = "promotion-under-grant";
pub(super) const RELEASE: &str = "release-after-death";
pub(super) const ROW: &str = "no-visible-row-lost";
pub(super) const COPY: &str = "last-copy";
pub(super) const TIMELINE: &str = "one-owner-per-timeline";
pub(super) const CORRUPT: &str = "no-corruption";
pub(super) const STUCK: &str = "never-stuck";

/// A promise that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which, by its name: `one-writable-primary`.
    pub promise: &'static str,
    /// What is wrong, in one sentence.
    pub text: String,
}

impl Small {
    /// What must hold in every state.
    pub(super) fn check(&self, scene: &mut Scene<'_>) {
        let servers = &self.disks.servers;
        let mut writable = servers.iter().filter(|server| server.is_writable());
        if let Some(one) = writable.next() {
            if let Some(other) = writable.next() {
                let (one, other) = (one.node, other.node);
                scene.breaks(WRITABLE, || format!("{one} and {other} both accept writes"));
            }
            let node = one.node;
            if self.kept.holder() != Some(node) {
                scene.breaks(FENCED, || {
                    format!("{node} accepts writes while the leader key is not its own")
                });
            }
        }
        let corrupt = servers.iter().find(|server| server.is_corrupt());
        if let Some(server) = corrupt {
            let node = server.node;
            scene.breaks(CORRUPT, || format!("{node} took WAL of another line"));
        }
    }

    /// No number of a timeline was ever used by two.
    pub(super) fn check_timelines(&self, scene: &mut Scene<'_>) {
        let branches = self.disks.tree.branches();
        let Some((newest, branch)) = branches.last() else {
            return;
        };
        let mut earlier = self.disks.tree.branches();
        let twin = earlier.find(|(id, other)| {
            *id != newest && other.timeline == branch.timeline && other.system == branch.system
        });
        if let Some((_, twin)) = twin {
            let (one, other, timeline) = (twin.writer, branch.writer, branch.timeline);
            scene.breaks(TIMELINE, || {
                format!("{one} and {other} each began a timeline {timeline}")
            });
        }
    }

    /// Data was removed on purpose: it is not the last copy of a row, and it had diverged.
    pub(super) fn check_removal(&self, node: Node, was: Option<Wal>, scene: &mut Scene<'_>) {
        let Some(was) = was else { return };
        let held = self
            .row
            .filter(|row| !row.is_forsaken && self.disks.tree.contains(was, row.place));
        if let Some(row) = held
            && !self.nodes().any(|other| self.disks.holds(other, row.place))
        {
            scene.breaks(COPY, || format!("{node} removed the last copy of a row"));
        }
        let mut primaries = self
            .disks
            .servers
            .iter()
            .filter(|server| server.is_primary());
        let has_diverged = primaries.any(|primary| {
            let wal = primary.wal();
            wal.is_some_and(|wal| !self.disks.tree.contains(wal, was))
        });
        if !has_diverged {
            scene.breaks(COPY, || {
                format!("{node} removed data which no running primary had left behind")
            });
        }
    }

    /// Who leads a whole cluster: its primary accepts writes, everybody else streams from it and has
    /// everything, and nobody is away or at work.
    pub(super) fn leads_whole(&self) -> Option<Node> {
        let leader = self.kept.holder()?;
        let primary = self.disks.server(leader);
        let is_followed = self.disks.servers.iter().all(|server| {
            let is_following = server.connected() == Some(leader) && server.wal() == primary.wal();
            server.node == leader || is_following
        });
        let is_calm = self.members.iter().all(|member| {
            member.is_awake() && !member.is_cut && member.jobs.is_empty() && member.look.is_none()
        });
        (primary.is_writable() && is_followed && is_calm).then_some(leader)
    }
}
