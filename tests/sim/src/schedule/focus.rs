//! Stories: faults in an order that a rule exists for.
//!
//! Chance alone seldom brings four things about in the right order. A focus tells one such story
//! again and again, between other faults; half of all worlds have one, so that what a broken rule
//! is caught by is searched in sound machines as well. Most stories do not know who leads: they
//! wait for the leader's next renewal.

mod diverging;
mod failsafe;
mod favours;
mod returning;
mod standbys;

use std::fmt;
use std::time::Duration;

use super::draw::{Draw, millis};
use crate::fault::{Call, Deed, End, Fault, Mishap, Quirk, Work};
use crate::ids::Node;

macro_rules! focuses {
    ($( $(#[$doc:meta])+ $name:ident $word:literal $tell:ident; )*) => {
        /// A story.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Focus { $( $(#[$doc])+ $name, )* }

        impl Focus {
            /// All of them.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            /// Its word.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$name => $word, )* }
            }

            /// The story once, each fault with the time that has passed in it.
            pub(super) fn tell(self, draw: &mut Draw<'_>, node: Node) -> Vec<(Duration, Fault)> {
                let ttl = draw.swarm.options.ttl;
                let mut tale = Tale { draw, ttl, node, faults: Vec::new() };
                match self { $( Self::$name => tale.$tell(), )* }
                tale.faults
            }
        }
    };
}

focuses! {
    /// A session whose opening took long is never renewed.
    LateSession "late-session" late_session;
    /// A member is shown what was before its own last change.
    OldViews "old-views" old_views;
    /// A leader whose key was removed is shown it once more when somebody else leads.
    OldKey "old-key" old_key;
    /// A server that does not hear a stop in order, and a lease that ends.
    DeafServer "deaf-server" deaf_server;
    /// An agent comes back without the store, to a server in any state.
    BlindReturn "blind-return" blind_return;
    /// An agent comes back when somebody else leads, to a server that stands still or is dead.
    LateReturn "late-return" late_return;
    /// A primary stands still until somebody else leads.
    SilentPrimary "silent-primary" silent_primary;
    /// Members that know different things about the past race for the leadership.
    Rivals "rivals" rivals;
    /// Whoever missed a leadership is the only one left.
    LeftBehind "left-behind" left_behind;
    /// A primary whose agent was away while somebody led for a moment.
    StalePrimary "stale-primary" stale_primary;
    /// A leadership is given up, the request stays on its way, and the heirs are gone.
    SlowRelease "slow-release" slow_release;
    /// An order is carried out late.
    StalledOrder "stalled-order" stalled_order;
    /// A lease ends while a server that has left processes behind is started.
    LongStart "long-start" long_start;
    /// The leader key goes, and whoever held it hears of it late.
    KeyRemoved "key-removed" key_removed;
    /// The store forgets everything while a member has no data.
    ForgottenCluster "forgotten-cluster" forgotten_cluster;
    /// The store is put back around a promotion.
    StoreRestored "store-restored" store_restored;
    /// A member that has diverged compares itself, and the leadership begins anew meanwhile.
    NewGeneration "new-generation" new_generation;
    /// A member that has diverged comes back to an old state, in which a standby leads.
    StaleWitness "stale-witness" stale_witness;
    /// People at work in a paused cluster, whose members see old states.
    OldPause "old-pause" old_pause;
    /// A standby that went on beyond the fork hears of the next timeline, and one of its processes
    /// crashes.
    Hearsay "hearsay" hearsay;
    /// Whoever makes the cluster stands still until its claim to do so has ended.
    SlowBeginning "slow-beginning" slow_beginning;
    /// The store is away for everybody.
    StoreAway "store-away" store_away;
    /// The leader alone is cut off from the store.
    CutOff "cut-off" cut_off;
    /// A member that nobody counts on returns while the leader is cut off.
    Stranger "stranger" stranger;
    /// Promises come late, and then none.
    SlowPromises "slow-promises" slow_promises;
    /// The key of a leader that is cut off is taken by somebody who is slow to become a primary.
    TakenBeside "taken-beside" taken_beside;
    /// The key of a leader that is cut off is asked for, and the request comes late.
    LateTaking "late-taking" late_taking;
    /// A leader that goes on by promises takes its key anew, and is cut off before it hears of it.
    Retaken "retaken" retaken;
    /// A store that forgot everything is told again who leads, and the leader is cut off.
    ListGone "list-gone" list_gone;
    /// A standby that others stream from gives nothing.
    SilentRelay "silent-relay" silent_relay;
    /// A standby that others should stream from has less than they.
    LaggingRelay "lagging-relay" lagging_relay;
    /// A standby beyond the fork finds the one that it should stream from on the next timeline.
    PartedTaker "parted-taker" parted_taker;
    /// Standbys have new data without logical slots, and are needed.
    NewCopies "new-copies" new_copies;
    /// A member that has diverged comes back while it lacks logical slots.
    PartedCopy "parted-copy" parted_copy;
    /// An operator chooses a member that lacks much, and nobody can record that it leads.
    ChosenLine "chosen-line" chosen_line;
    /// A planned move finds a member with more bytes on another line.
    ForeignSuccessor "foreign-successor" foreign_successor;
    /// A leader does not hear that its new list of those who may lead was written.
    UnheardList "unheard-list" unheard_list;
    /// An agent dies while its server is long in its promotion, and returns when somebody else leads.
    LeftOrder "left-order" left_order;
}

impl Focus {
    /// Those of leaders without the store, for worlds in failsafe mode.
    pub(super) const WITHOUT_STORE: &'static [Self] = &[
        Self::StoreAway,
        Self::CutOff,
        Self::Stranger,
        Self::SlowPromises,
        Self::TakenBeside,
        Self::LateTaking,
        Self::Retaken,
        Self::ListGone,
    ];

    /// Those of worlds in which standbys stream from each other or get logical slots.
    pub(super) const OF_STANDBYS: &'static [Self] = &[
        Self::SilentRelay,
        Self::LaggingRelay,
        Self::PartedTaker,
        Self::NewCopies,
        Self::PartedCopy,
    ];

    /// Those that came last.
    pub(super) const LATEST: &'static [Self] =
        &[Self::ChosenLine, Self::ForeignSuccessor, Self::UnheardList];

    /// Those for any world; `hearsay`, `slow-beginning` and `left-order` are drawn apart.
    pub(super) fn usual() -> &'static [Self] {
        let apart = Self::WITHOUT_STORE.len() + Self::OF_STANDBYS.len() + Self::LATEST.len() + 3;
        &Self::ALL[..Self::ALL.len() - apart]
    }

    /// Whether it is told before anything else happens, because it is about the beginning.
    pub(super) fn is_of_the_beginning(self) -> bool {
        self == Self::SlowBeginning
    }
}

impl fmt::Display for Focus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Focus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|one| one.name() == text);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|one| one.name()).collect();
            format!("`{text}` is no focus; there are: {}", names.join(" "))
        })
    }
}

/// A story that is being told.
struct Tale<'a, 'b> {
    draw: &'a mut Draw<'b>,
    ttl: Duration,
    node: Node,
    faults: Vec<(Duration, Fault)>,
}

const NOW: Duration = Duration::ZERO;

impl Tale<'_, '_> {
    fn add(&mut self, after: Duration, fault: Fault) {
        self.faults.push((after, fault));
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        self.draw.chance.millis(from, to)
    }

    /// A time between two shares of a ttl, in hundredths.
    fn share(&mut self, from: u64, to: u64) -> Duration {
        let ttl = millis(self.ttl);
        self.millis(ttl * from / 100, ttl * to / 100)
    }

    fn once_in(&mut self, odds: u64) -> bool {
        self.draw.chance.once_in(odds)
    }

    /// This happens to whoever begins this work next.
    fn upon(&mut self, at: Duration, work: Work, mishap: Mishap, after: Duration, last: Duration) {
        let fault = Fault::Upon {
            work,
            after,
            mishap,
            lasting: last,
        };
        self.add(at, fault);
    }

    /// This happens to whoever leads.
    fn leader(&mut self, at: Duration, mishap: Mishap, after: Duration, last: Duration) {
        self.upon(at, Work::Renew, mishap, after, last);
    }

    /// Of the member that leads at first, more often than of others.
    fn likely_leader(&mut self) -> Node {
        if self.once_in(2) { Node(0) } else { self.node }
    }

    fn cut(&mut self, at: Duration, node: Node, other: End, last: Duration) {
        for (from, to) in [(End::Node(node), other), (other, End::Node(node))] {
            let lasting = Some(last);
            self.add(at, Fault::Cut { from, to, lasting });
        }
    }

    fn cut_from_members(&mut self, at: Duration, node: Node, last: Duration) {
        for other in (0..self.draw.swarm.options.nodes).map(Node) {
            if other != node {
                self.cut(at, node, End::Node(other), last);
            }
        }
    }

    /// One of the ways in which the leadership comes to somebody else.
    fn change_of_leader(&mut self, at: Duration) {
        match self.draw.chance.below(4) {
            0 => {
                let (to, node) = (self.draw.other(self.node), self.node);
                let to = (!self.once_in(3)).then_some(to);
                self.add(at, Fault::Deed(Deed::Switchover { at: node, to }));
            }
            1 => self.leader(at, Mishap::CrashServer, NOW, NOW),
            _ => {
                let last = self.share(110, 300);
                self.leader(at, Mishap::CrashHost, NOW, last);
            }
        }
    }

    fn late_session(&mut self) {
        let node = self.likely_leader();
        let by = self.millis(550, 1500);
        let away = self.millis(100, 800);
        self.add(NOW, Fault::CrashAgent(node, Some(away)));
        let lasting = Some(away + by * 3);
        let (from, to) = (End::Store, End::Node(node));
        self.add(
            NOW,
            Fault::Slow {
                from,
                to,
                by,
                lasting,
            },
        );
        let free = (millis(self.ttl) / 3).saturating_sub(millis(by));
        let cut_at = away + by * 2 + self.millis(50, 100 + free);
        let last = self.share(150, 300);
        self.cut(cut_at, node, End::Store, last);
    }

    fn slow_beginning(&mut self) {
        let mishaps = [Mishap::FreezeAgent, Mishap::FreezeHost];
        let mishap = self.draw.chance.one_of(&mishaps);
        let (after, last) = (self.millis(1, 1500), self.share(105, 250));
        self.upon(NOW, Work::Bootstrap, mishap, after, last);
    }

    fn old_views(&mut self) {
        self.change_of_leader(NOW);
        for _ in 0..1 + self.draw.chance.below(3) {
            let works = [Work::Acquire, Work::Release, Work::Promote, Work::Stop];
            let work = self.draw.chance.one_of(&works);
            let mishaps = [Mishap::OldView, Mishap::OldServer];
            let mishap = self.draw.chance.one_of(&mishaps);
            let (after, back) = (self.millis(1, 3000), self.millis(10, 6000));
            self.upon(NOW, work, mishap, after, back);
        }
    }

    fn deaf_server(&mut self) {
        let (deaf, cut) = (self.share(200, 400), self.share(150, 400));
        self.leader(NOW, Mishap::IgnoreStops, NOW, deaf);
        self.leader(NOW, Mishap::CutStore, NOW, cut);
    }

    fn rivals(&mut self) {
        let last = self.share(50, 200);
        let quirks = [Quirk::ReceivesNothing, Quirk::ReplaysSlowly];
        let quirk = self.draw.chance.one_of(&quirks);
        self.add(NOW, Fault::Quirk(self.node, quirk, Some(last)));
        let at = self.millis(500, 5000);
        self.change_of_leader(at);
    }

    fn left_behind(&mut self) {
        let alone = self.share(350, 600);
        self.cut_from_members(NOW, self.node, alone);
        let (first, second) = (self.share(300, 400), self.share(150, 300));
        self.leader(NOW, Mishap::CrashHost, NOW, first);
        let at = self.share(140, 260);
        self.leader(at, Mishap::CrashHost, NOW, second);
    }

    fn stale_primary(&mut self) {
        let (away, dead) = (self.share(190, 260), self.share(150, 400));
        self.leader(NOW, Mishap::CrashAgent, NOW, away);
        let at = self.share(30, 60);
        for _ in 0..3 {
            self.add(at, Fault::Delay(Call::Commit, self.ttl * 4));
        }
        let after = self.millis(1, 1500);
        self.upon(at, Work::Promote, Mishap::CrashHost, after, dead);
    }

    fn slow_release(&mut self) {
        let by = self.share(40, 120);
        self.add(NOW, Fault::Delay(Call::Release, by));
        if self.once_in(4) {
            self.add(NOW, Fault::LoseReply(Call::Release));
        }
        let after = self.millis(0, 300);
        let last = self.share(50, 150);
        self.upon(NOW, Work::Release, Mishap::CutMembers, after, last);
        let away = self.millis(200, 5000);
        let deed = match self.draw.chance.below(3) {
            0 => Deed::Restart {
                at: self.node,
                away,
            },
            1 => Deed::Switchover {
                at: self.node,
                to: None,
            },
            _ => return self.leader(NOW, Mishap::CrashServer, NOW, NOW),
        };
        self.add(NOW, Fault::Deed(deed));
    }

    fn stalled_order(&mut self) {
        self.change_of_leader(NOW);
        let works = [
            Work::Promote,
            Work::Promote,
            Work::StartPrimary,
            Work::Acquire,
            Work::Release,
            Work::Replace,
        ];
        let work = self.draw.chance.one_of(&works);
        let mishaps = [Mishap::FreezeAgent, Mishap::FreezeHost];
        let mishap = self.draw.chance.one_of(&mishaps);
        let after = if self.once_in(2) {
            NOW
        } else {
            self.millis(1, 40)
        };
        let last = self.share(90, 300);
        self.upon(NOW, work, mishap, after, last);
    }

    fn long_start(&mut self) {
        let cut = self.share(150, 300);
        self.leader(NOW, Mishap::CutStore, NOW, cut);
        let after = self.share(55, 85);
        self.leader(NOW, Mishap::Orphan, after, NOW);
    }

    fn key_removed(&mut self) {
        let node = self.likely_leader();
        let deaf = self.share(30, 150);
        self.add(NOW, Fault::BreakWatch(node, deaf));
        let deed = if self.once_in(6) {
            Deed::OverwriteLeaderKey(self.node)
        } else {
            Deed::DeleteLeaderKey
        };
        let at = self.millis(1, 1000);
        self.add(at, Fault::Deed(deed));
    }

    fn old_key(&mut self) {
        let node = self.likely_leader();
        let deaf = self.share(30, 90);
        self.add(NOW, Fault::BreakWatch(node, deaf));
        let at = self.millis(1, 1000);
        self.add(at, Fault::Deed(Deed::DeleteLeaderKey));
        let later = self.share(105, 160);
        let (back, reconnects) = (later, self.once_in(2));
        let fault = Fault::OldView {
            node,
            back,
            reconnects,
        };
        self.add(later, fault);
    }

    fn forgotten_cluster(&mut self) {
        let node = self.node;
        let last = self.share(100, 300);
        self.add(NOW, Fault::Quirk(node, Quirk::CopyFails, Some(last)));
        let lost = self.draw.lose_disk(node);
        for fault in lost {
            self.add(NOW, fault);
        }
        if self.once_in(2) {
            self.leader(NOW, Mishap::CrashHost, NOW, last);
        }
        let at = self.share(20, 150);
        self.add(at, Fault::Deed(Deed::WipeStore));
    }

    fn store_restored(&mut self) {
        self.change_of_leader(NOW);
        let at = self.share(5, 200);
        let back = self.share(5, 250);
        self.add(at, Fault::Deed(Deed::RestoreStore(back)));
    }

    fn old_pause(&mut self) {
        self.add(NOW, Fault::Deed(Deed::Pause(true)));
        let lasting = self.share(50, 200);
        let deaths = [Mishap::CrashServer, Mishap::Orphan, Mishap::CrashHost];
        let death = self.draw.chance.one_of(&deaths);
        let at = self.millis(100, 3000);
        self.leader(at, death, NOW, lasting);
        for _ in 0..2 {
            let node = self.draw.node();
            let later = at + self.millis(0, 3000);
            let back = later + self.millis(100, 3000);
            let reconnects = self.once_in(2);
            let fault = Fault::OldView {
                node,
                back,
                reconnects,
            };
            self.add(later, fault);
        }
        let end = at + lasting;
        self.add(end, Fault::Deed(Deed::Pause(false)));
    }
}
