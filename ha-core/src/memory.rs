//! What a machine remembers between steps. Data and small questions about it; no policy.
//!
//! Nothing here needs to survive the process: a fresh machine with the same facts decides anew.

mod members;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::carry::Carried;
use crate::cascade::Cascade;
use crate::changes::Change;
use crate::config::{RejoinRules, RejoinSettings, Rules};
use crate::failsafe::Failsafe;
use crate::journal::Journal;
use crate::lease::Lease;
use crate::machine::Moving;
use crate::mutant::Broken;
use crate::reinit::Reinit;
use crate::requests::Requests;
use crate::restart::{Restart, Scheduled};
use crate::sync::Proof;
use crate::tags::Tags;
use crate::task::{Boot, KeyState, Purpose, SlotWork, Task, Upstream};
use crate::time::{Mono, Now};
use crate::value::{Generation, Lsn, MemberName, Position, Revision, SessionName, Timeline};
use crate::view::{
    ClusterView, ControlState, DataView, Fault, LocalView, MemberView, PeerReport, ServerIdentity,
    ServerView, StandbyView, StatusKey, SyncKey,
};
use crate::work::Work;

/// What a member is told once, by its own configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Its name.
    pub name: MemberName,
    /// Where clients reach its PostgreSQL, as published.
    pub conn_url: String,
    /// Where its REST API answers, as published.
    pub api_url: String,
    /// Where clients reach a pooler in front of its PostgreSQL, as published.
    #[serde(default)]
    pub proxy_url: Option<String>,
    /// What its operator said about it.
    pub tags: Tags,
    /// The configuration to begin a new cluster with; none: it never makes a cluster.
    pub bootstrap_config: Option<Value>,
    /// What the store said when the agent ran last: in force until it says something, and written to
    /// a store that has lost it.
    #[serde(default)]
    pub known_config: Option<Value>,
    /// How long a standby may take to accept connections; none: a minute.
    #[serde(default)]
    pub standby_start_limit: Option<Duration>,
    /// Whether leading needs a watchdog.
    pub watchdog_required: bool,
    /// What its operator permits about data that cannot follow the leader as it is.
    #[serde(default)]
    pub rejoin: RejoinSettings,
    /// Which commands of its operator's there are.
    #[serde(default)]
    pub scripts: Scripts,
}

/// Commands of a member's operator that change what is decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scripts {
    /// Whether one must agree to each promotion before it begins: `pre_promote`.
    pub pre_promote: bool,
    /// Whether one makes a copy of the data from a backup, without any running member: a method
    /// of `create_replica_methods` with `no_leader`.
    pub replica_without_leader: bool,
}

/// The memory of a machine.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub(crate) settings: Settings,
    pub(crate) boot: Boot,
    pub(crate) now: Now,
    /// When the machine was made.
    pub(crate) started_at: Mono,

    /// The latest complete view of the store; only [`Memory::take_view`] replaces it.
    pub(crate) view: Option<Arc<ClusterView>>,
    /// When that view came.
    pub(crate) seen_at: Mono,
    /// Its revision as it came: what we commit is put into the view, and is no view of the store.
    pub(crate) seen_revision: Revision,
    /// Why the view may be old; none: it is current.
    pub(crate) fault: Option<Fault>,
    /// The rules last read; an unreadable configuration never replaces them.
    pub(crate) rules: Arc<Rules>,
    /// The configuration last read, to restore it in a store that lost it.
    pub(crate) config: Option<Arc<Value>>,
    /// Whether the store has ever told us the identifier of the cluster.
    pub(crate) has_known_cluster: bool,
    /// The highest timeline number that any view told, also one of a store that was put back since.
    pub(crate) highest_timeline: Timeline,
    /// The timeline of our last promotion.
    pub(crate) promoted_to: Timeline,
    /// The members that were registered since there last was a leader for one time to live, as they
    /// were in the last view that showed each.
    old_members: BTreeMap<MemberName, Arc<MemberView>>,
    /// Who led in the latest view that had a leader.
    pub(crate) old_leader: Option<MemberName>,
    /// The leadership of the latest view that had one, and when it was first seen.
    pub(crate) leader_since: Option<(Generation, Mono)>,
    /// Since when the leader key is absent.
    pub(crate) unlocked_since: Option<Mono>,

    pub(crate) local: Option<LocalView>,
    /// Whether the server ran as a primary when it was last seen to answer.
    pub(crate) was_primary: bool,
    /// Whether the server is known to be a standby that nobody tells to become a primary: this agent
    /// has seen it answer as one, or starts it as one.
    pub(crate) is_known_standby: bool,
    /// The timeline that it was on when it last ran.
    pub(crate) last_timeline: Timeline,
    /// The session that our claim to make the cluster is bound to, from when we begin to make it
    /// until we lead it.
    pub(crate) claim: Option<SessionName>,
    /// Since when it is seen as a primary although we hold no leadership.
    pub(crate) unleased_since: Option<Mono>,
    /// Whether anything has been decided on a look at the local server.
    pub(crate) has_looked: bool,
    /// Since when the server is down.
    pub(crate) down_since: Option<Mono>,
    /// Since when the standby is up and not streaming.
    pub(crate) idle_since: Option<Mono>,
    /// Since when the standby has replayed nothing new.
    pub(crate) stalled_since: Option<Mono>,
    /// What our standby was told last to follow, by this run of the agent; none: nobody.
    pub(crate) followed: Option<Upstream>,
    /// Whether this run of the agent has copied what the standby cluster follows.
    pub(crate) has_copied_source: bool,
    /// Whether the cluster has been a standby cluster since our server was last a primary.
    pub(crate) has_followed: bool,
    /// The timeline on which the source of the standby cluster was seen last.
    pub(crate) source_timeline: Option<Timeline>,
    /// The leadership for which our data was rewound, or copied in a standby cluster.
    pub(crate) rewound_for: Option<Generation>,
    /// Why it cannot be rewound, and under which leadership that was found out.
    pub(crate) rewind_refused: Option<(Generation, String)>,
    /// No process of the server is left: proven since it went down.
    pub(crate) is_gone: bool,

    pub(crate) lease: Lease,
    /// What this member was promised, and what it has promised.
    pub(crate) failsafe: Failsafe,
    pub(crate) work: Work,
    /// What other members answered last.
    pub(crate) evidence: Option<Evidence>,
    /// How many rounds in a row nobody answered, since the leader key is absent.
    pub(crate) silent_rounds: u32,
    /// What the leader's server said about itself.
    pub(crate) identity: Option<IdentityCheck>,
    /// What is known of the member that our standby should stream from in the leader's place.
    pub(crate) cascade: Cascade,
    pub(crate) carried: Carried,
    /// Whether nobody else runs under our name.
    pub(crate) name: NameCheck,

    /// The leadership that we have begun to give up.
    pub(crate) releasing: Option<Generation>,
    /// When we last gave the leadership up by request.
    pub(crate) released_at: Option<Mono>,
    /// The leadership whose promotion the operator's script has agreed to.
    pub(crate) promotion_agreed: Option<Generation>,
    /// When a promotion failed.
    pub(crate) promotion_failed_at: Option<Mono>,
    /// When the last start as a primary failed; none: it did not.
    pub(crate) start_failed_at: Option<Mono>,
    /// The restart that is being carried out.
    pub(crate) restart: Option<Restart>,
    /// The restart that is scheduled.
    pub(crate) scheduled_restart: Option<Scheduled>,
    /// The change of the store that an operator waits for.
    pub(crate) change: Option<Change>,
    /// The new copy that is wanted.
    pub(crate) reinit: Option<Reinit>,
    /// Whether we took the server down on demand: then we bring it up again, also in a pause.
    pub(crate) is_ours_to_start: bool,
    /// Whether the checkpoint after our promotion is done.
    pub(crate) is_checkpointed: bool,
    /// That commits of our primary wait for whom they should.
    pub(crate) sync_proof: Option<Proof>,
    /// What the `sync` key was when a change of it was asked for whose outcome is unknown.
    pub(crate) sync_doubt: Option<KeyState>,
    /// What the `sync` key said before we prepared the promotion that has not happened yet.
    pub(crate) sync_before: Option<SyncKey>,
    /// The move request whose checkpoint is done, or needs none.
    pub(crate) move_checkpoint: Option<Revision>,
    /// The move request for which our primary stopped in vain.
    pub(crate) move_abandoned: Option<Revision>,
    /// When the present move request was first seen by us as leader.
    pub(crate) move_seen: Option<(Revision, Mono)>,
    /// The agent was asked to stop.
    pub(crate) leaving_since: Option<Mono>,
    /// The machine has nothing more to do.
    pub(crate) is_finished: bool,

    pub(crate) published: Published,
    /// At which revision each kind of change was last made.
    pub(crate) committed: BTreeMap<Purpose, Revision>,
    /// When each member's slot was last wanted.
    pub(crate) slot_wanted_at: BTreeMap<String, Mono>,
    pub(crate) requests: Requests,
    pub(crate) journal: Journal,
}

/// The answers of one round of questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// When the round began.
    pub(crate) asked_at: Mono,
    /// When it ended.
    pub(crate) answered_at: Mono,
    /// Where our own server was then; none: it had no position to tell.
    pub(crate) own: Option<Position>,
    pub(crate) reports: Vec<PeerReport>,
}

/// What a leader's server said, and under which leadership it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdentityCheck {
    pub(crate) generation: Generation,
    /// Whose server it is: the leader's, or what a standby cluster follows.
    pub(crate) server: MemberName,
    pub(crate) asked_at: Mono,
    /// The timeline of our own data then.
    pub(crate) own_timeline: Option<Timeline>,
    pub(crate) identity: ServerIdentity,
}

/// Whether another agent may run under our name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameCheck {
    /// Not asked yet.
    Unproven,
    /// Nobody else does.
    Ours,
    /// Somebody else does.
    Taken,
}

/// What we last wrote to the store, so that nothing is written twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Published {
    pub(crate) member_at: Mono,
    /// What was last found about our own key as the view shows it; none: to be found out.
    pub(crate) known: Option<KnownKey>,
    pub(crate) status: Option<StatusKey>,
    pub(crate) status_at: Mono,
    /// What was last asked for about slots, but for how far they are; none: anything may be asked.
    pub(crate) slots: Option<SlotWork>,
    /// Whether something is new since the slots were last compared with what they should be.
    pub(crate) is_slots_due: bool,
    /// The leadership for which slots of members that are away were taken over.
    pub(crate) inherited_for: Option<Generation>,
    /// The slots that the members of the present view need; none: to be found out.
    pub(crate) wanted_slots: Option<BTreeSet<String>>,
    /// When the history was published for the present timeline.
    pub(crate) history_at: Option<Mono>,
}

/// What our own key in the view was compared with, and how alike the two were.
#[derive(Clone, Debug)]
pub(crate) struct KnownKey {
    /// Our session then.
    pub(crate) session: SessionName,
    /// What our value was made of, beside the settings.
    pub(crate) moving: Moving,
    /// Whether not even a position differed.
    pub(crate) is_equal: bool,
}

impl Memory {
    pub(crate) fn new(settings: Settings, boot: Boot, now: Now) -> Self {
        let config = settings.known_config.as_ref();
        let config = config.or(settings.bootstrap_config.as_ref()).cloned();
        let rules = config.as_ref().map(|config| Rules::read(config).0);
        Self {
            lease: Lease::new(Broken::of(&boot)),
            failsafe: Failsafe::default(),
            boot,
            now,
            started_at: now.mono,
            view: None,
            seen_at: now.mono,
            seen_revision: Revision(0),
            fault: None,
            rules: Arc::new(rules.unwrap_or_default()),
            config: config.map(Arc::new),
            settings,
            has_known_cluster: false,
            highest_timeline: Timeline(0),
            promoted_to: Timeline(0),
            old_members: BTreeMap::new(),
            old_leader: None,
            leader_since: None,
            unlocked_since: None,
            local: None,
            was_primary: false,
            is_known_standby: false,
            last_timeline: Timeline(0),
            claim: None,
            unleased_since: None,
            has_looked: false,
            down_since: None,
            idle_since: None,
            stalled_since: None,
            followed: None,
            has_copied_source: false,
            has_followed: false,
            source_timeline: None,
            rewound_for: None,
            rewind_refused: None,
            is_gone: false,
            work: Work::default(),
            evidence: None,
            silent_rounds: 0,
            identity: None,
            cascade: Cascade::default(),
            carried: Carried::default(),
            name: NameCheck::Unproven,
            releasing: None,
            released_at: None,
            promotion_agreed: None,
            promotion_failed_at: None,
            start_failed_at: None,
            restart: None,
            scheduled_restart: None,
            change: None,
            reinit: None,
            is_ours_to_start: false,
            is_checkpointed: true,
            sync_proof: None,
            sync_doubt: None,
            sync_before: None,
            move_checkpoint: None,
            move_abandoned: None,
            move_seen: None,
            leaving_since: None,
            is_finished: false,
            published: Published::default(),
            committed: BTreeMap::new(),
            slot_wanted_at: BTreeMap::new(),
            requests: Requests::default(),
            journal: Journal::default(),
        }
    }

    pub(crate) fn mono(&self) -> Mono {
        self.now.mono
    }

    pub(crate) fn me(&self) -> &MemberName {
        &self.settings.name
    }

    /// The view, when it is current.
    pub(crate) fn current_view(&self) -> Option<&ClusterView> {
        self.view.as_deref().filter(|_| self.fault.is_none())
    }

    /// What may be done about data that cannot follow the leader as it is.
    pub(crate) fn rejoin_rules(&self) -> RejoinRules {
        self.settings.rejoin.over(self.rules.rejoin)
    }

    pub(crate) fn server(&self) -> Option<&ServerView> {
        self.local.as_ref().map(|local| &local.server)
    }

    /// Our server, when it runs as a standby.
    pub(crate) fn standby(&self) -> Option<&StandbyView> {
        match self.server()? {
            ServerView::Standby(standby) => Some(standby),
            ServerView::Down { .. }
            | ServerView::Starting
            | ServerView::Stopping
            | ServerView::Unresponsive
            | ServerView::Primary(_) => None,
        }
    }

    /// How far the standby had replayed when it was last looked at.
    pub(crate) fn replayed(&self) -> Option<Lsn> {
        Some(self.standby()?.replayed)
    }

    pub(crate) fn control_state(&self) -> Option<ControlState> {
        match &self.local.as_ref()?.data {
            DataView::Cluster(control) => Some(control.state),
            DataView::Empty | DataView::Leftover | DataView::Wreck(_) | DataView::Unusable(_) => {
                None
            }
        }
    }

    /// Whether the present leadership is being given up. A request to do so that was sent, or whose
    /// outcome is not known, may take effect at any time: nothing may rest on this leadership again.
    pub(crate) fn is_releasing(&self) -> bool {
        self.releasing.is_some() && self.releasing == self.lease.leadership()
    }

    /// The timeline that our server is on, or was on when it went down.
    pub(crate) fn own_timeline(&self) -> Option<Timeline> {
        let local = self.local.as_ref()?;
        let running = local.server.position().map(|position| position.timeline);
        // The first checkpoint after a promotion comes late: a control file may tell less than what
        // was seen while the server ran.
        running.or_else(|| match &local.data {
            DataView::Cluster(control) => Some(self.last_timeline.max(control.newest_timeline())),
            DataView::Empty | DataView::Leftover | DataView::Wreck(_) | DataView::Unusable(_) => {
                None
            }
        })
    }

    /// Whether a commit rests on a view from before the last commit of its kind: its guards on
    /// what that one wrote cannot hold.
    pub(crate) fn is_overtaken(&self, task: &Task) -> bool {
        let Task::Commit(commit) = task else {
            return false;
        };
        let rests_on_view = commit
            .guards
            .iter()
            .any(|guard| guard.is != KeyState::HeldBySession);
        let seen = self.view.as_ref().map(|view| view.revision);
        let last = self.committed.get(&commit.purpose).copied();
        rests_on_view && last > seen
    }

    /// The end of our server's WAL, as last seen.
    pub(crate) fn own_position(&self) -> Option<Position> {
        self.server()?.position()
    }

    /// The answers of a round that began at or after `instant`.
    pub(crate) fn evidence_since(&self, instant: Mono) -> Option<&Evidence> {
        self.evidence
            .as_ref()
            .filter(|evidence| evidence.asked_at >= instant)
    }
}
