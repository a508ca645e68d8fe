//! The promising side: what a member promises, what keeps it from promising, and what it may not do
//! meanwhile.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::command::{Answer, AnswerKind};
use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::reason::Veto;
use crate::schema::key;
use crate::situation::{self as word, Writable};
use crate::task::{Commit, KeyState, Lane, PromiseRequest, Purpose, StoreGuard, Task};
use crate::time::Mono;
use crate::value::{Generation, Lsn, MemberName, SessionName};
use crate::view::{ClusterView, LeaderKey, ServerView};

/// Nobody is bound for longer, whatever is asked.
const LONGEST: Duration = Duration::from_secs(3600);

/// A promise to hold back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    /// For whom.
    pub(super) to: MemberName,
    pub(super) until: Mono,
    /// The newest leadership that was known then; none: the asker does not know when a newer one
    /// frees us.
    newest: Option<Generation>,
    /// Where the slots of whoever was promised were then.
    pub(super) slots: BTreeMap<String, Lsn>,
}

impl Given {
    /// Whether a leadership that shows in the store frees from the promise: a newer one of whoever
    /// was promised. It is secured by the key, and knows: it does not count on promises for longer
    /// than that. A key in another name was written by a tool, or by somebody who promised nothing.
    pub(super) fn ends_with(&self, shown: &LeaderKey) -> bool {
        let is_newer = self.newest.is_some_and(|newest| shown.generation > newest);
        is_newer && shown.name == self.to && shown.session.is_some()
    }
}

/// A request for the leadership whose outcome is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    guards: Vec<StoreGuard>,
    session: Option<SessionName>,
}

impl Sent {
    /// What of a commit matters for whether it may still take effect.
    pub(crate) fn of(commit: &Commit) -> Self {
        Self {
            guards: commit.guards.clone(),
            session: commit.session.clone(),
        }
    }

    /// Whether a store that looks like this may still apply it. A key that was written since never
    /// has its old revision again; one that was absent may be so again, but for the record of
    /// leaderships, which nobody removes.
    pub(super) fn may_apply(&self, view: &ClusterView) -> bool {
        let seen = |key: &str| match key {
            key::LEADER => view.leader.as_ref().map(|leader| leader.revision),
            key::FAILOVER => view.failover.revision,
            key::SYNC => view.sync.revision,
            key::LEADERSHIP => view.leadership.revision,
            key::INITIALIZE => view.initialize.revision,
            key::FAILSAFE => view.failsafe.revision,
            _ => None,
        };
        self.guards.iter().all(|guard| match guard.is {
            KeyState::At(revision) => seen(&guard.key) == Some(revision),
            KeyState::Absent => guard.key != key::LEADERSHIP || seen(&guard.key).is_none(),
            KeyState::HeldBySession => true,
        })
    }

    /// Whether it can only be applied while this session lives.
    pub(crate) fn lives_with(&self, session: &SessionName) -> bool {
        self.session.as_ref() == Some(session)
    }
}

/// The answer to a request for a promise, which is kept from then on.
pub(crate) fn admit(memory: &mut Memory, request: &PromiseRequest) -> Answer {
    if let Some(refusal) = refusal(memory, request) {
        return refusal;
    }
    let ttl = request.ttl.unwrap_or(memory.rules.ttl);
    let until = memory.mono().plus(ttl);
    let before = memory.failsafe.given.as_ref();
    let until = before.map_or(until, |given| given.until.max(until));
    let newest = request
        .generation
        .map(|generation| generation.max(memory.failsafe.newest));
    memory.failsafe.newest = memory.failsafe.newest.max(newest.unwrap_or_default());
    memory.failsafe.given = Some(Given {
        to: request.name.clone(),
        until,
        newest,
        slots: request.slots.clone(),
    });
    memory.published.is_slots_due = true;
    answer(AnswerKind::Done, "Accepted")
}

fn refusal(memory: &Memory, request: &PromiseRequest) -> Option<Answer> {
    // A fresh agent knows no rules, and can keep the promise all the same.
    let is_off = match &memory.view {
        Some(_) => !memory.rules.failsafe_mode,
        None => request.ttl.is_none(),
    };
    if is_off {
        return Some(answer(AnswerKind::Absent, "failsafe mode is off"));
    }
    let refuse = |text: &str| Some(answer(AnswerKind::Broken, text));
    if leads(memory) || request.name == *memory.me() {
        return refuse("Running as a leader");
    }
    if is_taking(memory) && !memory.breaks(Mutant::PromisesWhileTaking) {
        return refuse("a request for the leadership is on its way");
    }
    // Whoever took it was told its own generation as well: each of the two rules alone refuses.
    if is_outdated(memory, request) && !memory.breaks(Mutant::PromisesWhileTaking) {
        return refuse("another member has led since");
    }
    if request.ttl.is_some_and(|ttl| ttl > LONGEST) {
        return refuse("the promise would last too long");
    }
    None
}

fn leads(memory: &Memory) -> bool {
    let is_primary = matches!(memory.server(), Some(ServerView::Primary(_)));
    let view = memory.view.as_ref();
    let leader = view.and_then(|view| view.leader.as_ref());
    // A key in our own name may be bound to us anew.
    let is_named = leader.is_some_and(|leader| leader.name == *memory.me());
    let may_begin =
        is_named || word::writable(memory) == Writable::Yes || memory.lease.leadership().is_some();
    is_primary || (may_begin && !memory.breaks(Mutant::PromisesWhileTaking))
}

/// Whether a request of ours for the leadership may take effect.
fn is_taking(memory: &Memory) -> bool {
    let running = memory.work.on(Lane::Leadership);
    let is_on_its_way = running.is_some_and(|running| {
        matches!(&running.task, Task::Commit(commit) if commit.purpose != Purpose::Release)
    });
    is_on_its_way || !memory.failsafe.sent.is_empty()
}

/// Whether somebody has led after whoever asks, as far as we know.
fn is_outdated(memory: &Memory, request: &PromiseRequest) -> bool {
    match request.generation {
        Some(generation) => generation < memory.failsafe.newest,
        None => {
            let leader = memory.current_view().and_then(|view| view.leader.as_ref());
            leader.is_some_and(|leader| leader.name != request.name)
        }
    }
}

/// Whether a promise keeps this member from taking the leadership.
pub(crate) fn is_bound(memory: &Memory) -> bool {
    super::promised_to(memory).is_some() && !memory.breaks(Mutant::PromisesAreBroken)
}

/// Whether this agent may have promised something before it was started, and forgotten it.
pub(crate) fn is_young(memory: &Memory) -> bool {
    let is_kept = (memory.view.as_ref()).is_some_and(|view| view.failsafe.value.is_some());
    // A primary promises nothing.
    let may_have_promised = !matches!(memory.server(), Some(ServerView::Primary(_)));
    is_kept
        && may_have_promised
        && memory.mono() < sits_out_until(memory)
        && !memory.breaks(Mutant::ForgottenPromisesAreBroken)
}

fn sits_out_until(memory: &Memory) -> Mono {
    memory.started_at.plus(memory.rules.ttl)
}

/// Whether the failsafe key names others and not us. It counts also when the rules do not ask for it
/// any more: somebody who does not know that yet may go on by the promises of those who are listed.
pub(crate) fn is_left_out(memory: &Memory) -> bool {
    !super::is_listed(memory, memory.me()) && !memory.breaks(Mutant::UnlistedMemberRaces)
}

/// What of failsafe mode keeps a member from leading.
pub(crate) fn vetoes(memory: &Memory) -> Vec<Veto> {
    let promised = super::promised_to(memory).filter(|_| is_bound(memory));
    let vetoes = [
        is_left_out(memory).then_some(Veto::NotInFailsafe),
        promised.map(|(to, _)| Veto::Promised { to: to.clone() }),
        is_young(memory).then_some(Veto::MayHavePromised),
    ];
    vetoes.into_iter().flatten().collect()
}

/// When something of it ends.
pub(crate) fn ends(memory: &Memory) -> impl Iterator<Item = Mono> {
    let promised = super::promised_to(memory).map(|(_, until)| until);
    let young = is_young(memory).then(|| sits_out_until(memory));
    promised.into_iter().chain(young)
}

fn answer(kind: AnswerKind, text: &str) -> Answer {
    let text: String = text.to_owned();
    Answer { kind, text }
}
