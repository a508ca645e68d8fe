//! Who leads by the store, since when, and until when at the most: what several invariants ask.
//!
//! A session's end on the store's clock only moves later while it lives, so an end that is known
//! is enough until it has passed: most instants need no look at the store.
//!
//! What a tool does to the leader key gives no sign but the change itself: whoever held it may go
//! on until its machine can have heard of it, which is the end of its session at the latest.

use std::sync::Arc;
use std::time::Duration;

use herdsman_ha_core::schema::key;
use herdsman_ha_core::{Lsn, Purpose, SessionName};
use serde_json::Value;

use super::pause::Pauses;
use crate::fact::Destruction;
use crate::ids::{At, Node};
use crate::pg::Wal;
use crate::store::{Change, Writer};
use crate::world::{ADOPTING, World};

/// The longest session that a tool could leave behind without anybody knowing its end.
const LONGEST: Duration = Duration::from_secs(40);

/// How long a copy, or a promotion, may have been under way.
const UNDER_WAY: Duration = Duration::from_secs(60);

/// What the store has said about leaderships.
#[derive(Clone, Debug)]
pub(super) struct Truth {
    tenures: Vec<Tenure>,
    /// What people at work on the servers wanted, and who has heard of it.
    pub(super) pauses: Pauses,
    /// The leader key was last written by a tool.
    is_key_by_tool: bool,
    /// When a tool last changed or removed what says which cluster this is.
    pub(super) identity_touched_at: Option<At>,
    /// When a commit last said which cluster this is.
    identity_told_at: At,
    /// The branches below this number were there when a tool last changed or removed what says
    /// which timelines there were.
    pub(super) branches_untold: u32,
    /// Who led when that happened, and when: what they had reserved is forgotten as well.
    untold: Vec<(Node, At)>,
    /// When a tool last changed or removed what says whom commits waited for.
    sync_touched_at: Option<At>,
    /// When a leader first said again whom commits wait for.
    sync_told_at: At,
    /// When a leader last said who may lead while the store is away.
    failsafe_told_at: At,
    /// When a tool last removed or changed that.
    failsafe_touched_at: Option<At>,
    /// Whom an operator chose who then said that only it has every commit: it goes on being chosen
    /// until somebody else says who has.
    listed_by_hand: Option<Node>,
    /// When a disk was last lost.
    pub(super) disk_lost_at: Option<At>,
    /// The place whose position the store tells: a position alone says nothing about which of two
    /// lines it is on.
    published: Option<Wal>,
    /// An operator has chosen a line without it.
    pub(super) is_published_left: bool,
    /// Two branches with one number were let pass.
    pub(super) is_timeline_shared: bool,
}

/// A member's latest leadership.
#[derive(Clone, Debug, Default)]
pub(super) struct Tenure {
    /// The session that the leader key is or was bound to; none: it never led.
    session: Option<Arc<SessionName>>,
    /// The end of the session, as known: it may have moved since.
    good_until: At,
    ended: Option<Ended>,
    /// An operator chose this leader, whatever it has.
    pub(super) is_by_hand: bool,
    /// A tool wrote the leader key for it, or the one that it took up.
    is_by_tool: bool,
    /// The place that was published when it took over; none: nothing was.
    pub(super) published: Option<Wal>,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    at: At,
    /// Until when its machine may not know of it; none: it knew before.
    unheard_until: Option<At>,
}

/// How a member stands by the store in this instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has never led, or has begun a cluster that is not recorded yet.
    Never,
    /// The leader key is bound to its session, which lives.
    Holds,
    /// A tool took the key away, and its machine may not have heard of it.
    Unheard {
        /// Since when.
        since: At,
    },
    /// The store does not bind the key to it any more, and everybody else who may lead has promised
    /// to hold back for it, for longer.
    Promised,
    /// It is not the leader.
    Over,
}

impl Standing {
    pub(super) fn holds(self) -> bool {
        matches!(self, Self::Holds | Self::Promised)
    }
}

impl Truth {
    /// What the store says now.
    pub(super) fn new(world: &World) -> Self {
        let mut truth = Self {
            tenures: world.nodes().map(|_| Tenure::default()).collect(),
            pauses: Pauses::new(world),
            is_key_by_tool: false,
            identity_touched_at: None,
            identity_told_at: At(0),
            branches_untold: 0,
            untold: Vec::new(),
            sync_touched_at: None,
            sync_told_at: At(0),
            failsafe_told_at: At(0),
            failsafe_touched_at: None,
            listed_by_hand: None,
            disk_lost_at: None,
            published: None,
            is_published_left: false,
            is_timeline_shared: false,
        };
        if let Some(entry) = world.store.entry(key::LEADER)
            && let Some(session) = &entry.session
        {
            truth.begin(session, &entry.value, world, false, false);
        }
        truth
    }

    pub(super) fn tenure(&self, node: Node) -> &Tenure {
        &self.tenures[node.index()]
    }

    /// How a member stands.
    pub(super) fn standing(&mut self, node: Node, world: &World) -> Standing {
        let standing = self.standing_by_the_key(node, world);
        if standing == Standing::Over && world.is_promised(node) {
            Standing::Promised
        } else {
            standing
        }
    }

    fn standing_by_the_key(&mut self, node: Node, world: &World) -> Standing {
        let now = world.now;
        let tenure = &mut self.tenures[node.index()];
        let Some(session) = &tenure.session else {
            return Standing::Never;
        };
        if let Some(ended) = tenure.ended {
            return if ended.unheard_until.is_some_and(|until| now <= until) {
                Standing::Unheard { since: ended.at }
            } else {
                Standing::Over
            };
        }
        if now > tenure.good_until
            && let Some(end) = world.store.expires_at(session)
        {
            tenure.good_until = end;
        }
        if now <= tenure.good_until {
            Standing::Holds
        } else {
            Standing::Over
        }
    }

    /// Why this member may be without the lease that it should have.
    pub(super) fn excuse(&mut self, node: Node, world: &World) -> Option<&'static str> {
        let host = world.host(node);
        let excuse = host.excuse(world.now, world.options.has_guardian);
        excuse.or_else(|| self.pauses.excuse(node, world))
    }

    /// Whether members may not know which cluster this is: a tool touched what says it, and no
    /// member has told it again, or not long enough ago for work that was under way.
    pub(super) fn is_identity_in_doubt(&self, now: At) -> bool {
        self.identity_touched_at.is_some_and(|at| {
            self.identity_told_at <= at || now.since(self.identity_told_at) < UNDER_WAY
        })
    }

    /// Whether a tool removed what says which cluster this is, and whoever told it again has not
    /// had the time to take the lead.
    pub(super) fn is_cluster_forgotten(&self, world: &World) -> bool {
        let is_absent = world.store.value(key::INITIALIZE).is_none();
        let is_new =
            self.identity_touched_at.is_some() && world.now.since(self.identity_told_at) < ADOPTING;
        is_absent || is_new
    }

    /// What a tool did to the store that leaves a leader nothing to know the end of its lease by.
    pub(super) fn doubt_by_a_tool(&self, world: &World) -> Option<&'static str> {
        if self.is_cluster_forgotten(world) {
            Some("no-cluster-in-the-store")
        } else if self.is_failsafe_in_doubt(world) {
            Some("failsafe-key-by-a-tool")
        } else {
            None
        }
    }

    /// A member began a branch: with a number that it had reserved before a tool removed the record
    /// of that, nobody can know of it.
    pub(super) fn branch_begun(&mut self, node: Node, branch: u32, now: At) {
        let is_untold = |(untold, at): &(Node, At)| *untold == node && now.since(*at) < UNDER_WAY;
        if self.untold.iter().any(is_untold) {
            self.branches_untold = self.branches_untold.max(branch + 1);
        }
    }

    /// Its cluster is a new one: what it led before is no more.
    pub(super) fn bootstrapped(&mut self, node: Node) {
        self.tenures[node.index()] = Tenure::default();
    }

    pub(super) fn destroyed(&mut self, by: Destruction, now: At) {
        if by == Destruction::DiskLost {
            self.disk_lost_at = Some(now);
        }
    }

    /// Takes a change of the store in.
    pub(super) fn changed(&mut self, change: &Change, world: &World) {
        match &*change.key {
            key::LEADER => self.leader_changed(change, world),
            key::FAILOVER => self.failover_changed(change, world),
            key::CONFIG => self.pauses.changed(change),
            key::STATUS => self.status_changed(change, world),
            key::SYNC => self.sync_changed(change, world),
            key::INITIALIZE if change.by != Writer::Tool => self.identity_told_at = change.at,
            key::FAILSAFE if change.by != Writer::Tool => self.failsafe_told_at = change.at,
            _ => {}
        }
        let Some(before) = change.before.as_ref().filter(|_| change.by == Writer::Tool) else {
            return;
        };
        let is_synchronous = |text: &str| text.contains("\"synchronous_mode\":true");
        let after = change.after.as_ref().map_or("", |entry| &*entry.value);
        let touched = match &*change.key {
            key::INITIALIZE => &mut self.identity_touched_at,
            key::HISTORY | key::LEADERSHIP => {
                let count = world.tree.branches().count();
                self.branches_untold = u32::try_from(count).unwrap_or(u32::MAX);
                let leads = |node: &Node| {
                    let tenure = &self.tenures[node.index()];
                    tenure.session.is_some() && tenure.ended.is_none()
                };
                self.untold = world
                    .nodes()
                    .filter(leads)
                    .map(|node| (node, change.at))
                    .collect();
                return;
            }
            key::SYNC => &mut self.sync_touched_at,
            key::FAILSAFE => &mut self.failsafe_touched_at,
            key::CONFIG if is_synchronous(&before.value) && !is_synchronous(after) => {
                &mut self.sync_touched_at
            }
            _ => return,
        };
        *touched = Some(change.at);
    }

    fn sync_changed(&mut self, change: &Change, world: &World) {
        self.listed_by_hand = self.lister(change, world);
        let is_untold = |touched: At| self.sync_told_at <= touched;
        if matches!(change.by, Writer::Commit { .. }) && self.sync_touched_at.is_some_and(is_untold)
        {
            self.sync_told_at = change.at;
        }
    }

    /// Whether the store said of a row's instant what no leader had said: a tool changed what says
    /// whom commits wait for, and no leader had come to say it again.
    pub(super) fn is_synchrony_in_doubt(&self, at: At) -> bool {
        self.sync_touched_at.is_some_and(|touched| {
            at <= touched || self.sync_told_at <= touched || at <= self.sync_told_at
        })
    }

    /// Whether the store was put back to where it named others who may lead while it is away, or a
    /// tool took away whom it named, and no leader has come to say it again. One that the store does
    /// not reach cannot hear of it.
    pub(super) fn is_failsafe_in_doubt(&self, world: &World) -> bool {
        let is_put_back = world.put_back_at > At(0) && self.failsafe_told_at <= world.put_back_at;
        let is_by_tool = self
            .failsafe_touched_at
            .is_some_and(|at| self.failsafe_told_at <= at);
        (is_put_back && world.store.failsafe_key().is_some()) || is_by_tool
    }

    /// Who changed the sync key, if it leads because an operator chose it.
    fn lister(&self, change: &Change, world: &World) -> Option<Node> {
        let Writer::Commit { session, .. } = &change.by else {
            return None;
        };
        let node = world.store.owner(session.as_ref()?)?;
        self.tenure(node).is_by_hand.then_some(node)
    }

    /// A leader has told how far it is, on its own line.
    fn status_changed(&mut self, change: &Change, world: &World) {
        let session = match &change.by {
            Writer::Commit { session, .. } => session.as_ref(),
            Writer::Expiry | Writer::Close | Writer::Tool => None,
        };
        let owner = session.and_then(|session| world.store.owner(session));
        if owner.is_some_and(|node| self.tenures[node.index()].is_by_tool) {
            // Whoever a tool lets lead may be on a line that the cluster has left.
            self.published = None;
            return;
        }
        let wal = owner
            .or_else(|| world.leader())
            .and_then(|node| world.host(node).server.wal());
        let end = change.after.as_ref().map(|entry| position(&entry.value));
        self.is_published_left = false;
        self.published = wal.zip(end).map(|(wal, end)| world.tree.at(wal, end));
    }

    /// The cluster goes on from here. Where an operator has chosen that against what was published,
    /// nobody is measured by that any more, until somebody goes on from it nevertheless.
    pub(super) fn line_was_begun(&mut self, world: &World, node: Node, from: Wal) {
        let is_against = self.is_against(world, from);
        self.is_published_left &= is_against;
        self.is_published_left |= is_against && self.tenure(node).is_by_hand;
    }

    /// Whether this lacks what was published.
    fn is_against(&self, world: &World, wal: Wal) -> bool {
        let has_it = |published| world.tree.contains(wal, published);
        self.published.is_some_and(|published| !has_it(published))
    }

    fn leader_changed(&mut self, change: &Change, world: &World) {
        let before = change
            .before
            .as_ref()
            .and_then(|entry| entry.session.as_ref());
        let after = change.after.as_ref();
        let holder = after.and_then(|entry| entry.session.as_ref());
        // A restarted agent goes on with the leadership that it finds.
        let is_chosen = |tenure: &Tenure| tenure.session.as_ref() == before && tenure.is_by_hand;
        let is_tools = |tenure: &Tenure| tenure.session.as_ref() == before && tenure.is_by_tool;
        let was_chosen = before.is_some() && self.tenures.iter().any(is_chosen);
        let was_by_tool = before.is_some() && self.tenures.iter().any(is_tools);
        if before != holder
            && let Some(session) = before
        {
            self.end(session, change, world);
        }
        let by_tool = change.by == Writer::Tool;
        if let (Some(entry), Some(session)) = (after, holder)
            && before != holder
        {
            let is_resumed = matches!(
                change.by,
                Writer::Commit {
                    purpose: Some(Purpose::Resume),
                    ..
                }
            );
            let is_by_tool = by_tool || (is_resumed && (self.is_key_by_tool || was_by_tool));
            let goes_on = is_resumed && was_chosen;
            self.begin(session, &entry.value, world, is_by_tool, goes_on);
        }
        self.is_key_by_tool = by_tool && after.is_some();
    }

    fn begin(
        &mut self,
        session: &Arc<SessionName>,
        name: &str,
        world: &World,
        is_by_tool: bool,
        goes_on: bool,
    ) {
        let owner = world.store.owner(session);
        let Some(node) = owner.or_else(|| world.node_named(name)) else {
            return;
        };
        self.untold.retain(|(untold, _)| *untold != node);
        // A tool that writes a leader over itself leaves it what it had.
        let before = &self.tenures[node.index()];
        let unheard_until = before.ended.and_then(|ended| ended.unheard_until);
        let left = unheard_until.filter(|_| is_by_tool).unwrap_or_default();
        self.tenures[node.index()] = Tenure {
            session: Some(Arc::clone(session)),
            good_until: world
                .store
                .expires_at(session)
                .unwrap_or(world.now)
                .max(left),
            ended: None,
            is_by_hand: is_by_tool || goes_on || self.listed_by_hand == Some(node),
            is_by_tool,
            published: self.published,
        };
    }

    fn end(&mut self, session: &Arc<SessionName>, change: &Change, world: &World) {
        let unheard_until = match change.by {
            Writer::Tool => {
                // A store that was put back may know the session as it was before.
                let end = world.store.expires_at(session);
                let known = self
                    .tenures
                    .iter()
                    .find(|held| held.session.as_ref() == Some(session));
                let known = known.map(|held| held.good_until);
                let end = end.map(|end| known.map_or(end, |known| known.max(end)));
                Some(end.unwrap_or_else(|| change.at.plus(LONGEST.max(world.options.ttl))))
            }
            // Its own commit, or the end of its session, which it has counted itself.
            Writer::Commit { .. } | Writer::Expiry | Writer::Close => None,
        };
        let held = self
            .tenures
            .iter_mut()
            .find(|tenure| tenure.ended.is_none() && tenure.session.as_ref() == Some(session));
        if let Some(tenure) = held {
            tenure.ended = Some(Ended {
                at: change.at,
                unheard_until,
            });
        }
    }

    /// A leadership that answers a request which names its new leader and no old one.
    fn failover_changed(&mut self, change: &Change, world: &World) {
        let Writer::Commit {
            purpose: Some(Purpose::Acquire),
            session: Some(session),
            ..
        } = &change.by
        else {
            return;
        };
        let (Some(node), Some(before)) = (world.store.owner(session), &change.before) else {
            return;
        };
        let request: Value = serde_json::from_str(&before.value).unwrap_or_default();
        let names_us = request["member"].as_str() == Some(world.host(node).name.as_str());
        if names_us && request.get("leader").is_none() {
            self.tenures[node.index()].is_by_hand = true;
            let wal = world.host(node).server.wal();
            self.is_published_left |= wal.is_some_and(|wal| self.is_against(world, wal));
        }
    }
}

/// The position in a value of the status key.
fn position(text: &str) -> Lsn {
    let status: Value = serde_json::from_str(text).unwrap_or_default();
    Lsn(status["optime"].as_u64().unwrap_or(0))
}
