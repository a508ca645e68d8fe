//! Who may become leader. All vetoes are listed, so that an operator sees every reason at once.
//!
//! Positions are compared only between answers to a question that was asked after the leader key
//! was seen absent, and with our own position read again after the answers came in: two moments
//! compared would let each standby see the other ahead.

use alloc::vec::Vec;
use core::time::Duration;

use crate::config::SynchronousMode;
use crate::failsafe;
use crate::line;
use crate::memory::{Evidence, Memory};
use crate::mutant::Mutant;
use crate::parted;
use crate::reason::Veto;
use crate::remote;
use crate::time::Mono;
use crate::value::{Lsn, MemberName, Position, Timeline};
use crate::view::{ClusterView, MoveRequest, PeerAnswer, PeerReport, PeerServer, ServerView};

/// How old the answers of peers may be when they decide.
pub(crate) const EVIDENCE_LIFE: Duration = Duration::from_millis(1000);

/// How soon the others are asked again while nobody has taken the leadership.
pub(crate) const ASK_AGAIN: Duration = Duration::from_millis(300);

/// Whether this member may take a free leadership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fitness {
    /// Yes, as far as anybody knows.
    Fit,
    /// Nothing of its own speaks against it; the others must be asked.
    NeedsPeers,
    /// No.
    Unfit(Vec<Veto>),
}

impl Fitness {
    pub(crate) fn vetoes(&self) -> Vec<Veto> {
        match self {
            Self::Unfit(vetoes) => vetoes.clone(),
            Self::Fit | Self::NeedsPeers => Vec::new(),
        }
    }
}

/// Vetoes that do not depend on positions: they also keep a member from making a cluster.
pub(crate) fn standing_vetoes(memory: &Memory) -> Vec<Veto> {
    let rules = &memory.rules;
    let tags = &memory.settings.tags;
    let mut vetoes = Vec::new();
    let mut veto_if = |condition: bool, veto: Veto| {
        if condition {
            vetoes.push(veto);
        }
    };
    veto_if(tags.is_nofailover(), Veto::TaggedNoFailover);
    veto_if(tags.is_nostream(), Veto::TaggedNoStream);
    veto_if(memory.settings.watchdog_required, Veto::WatchdogRequired);
    let quorum = memory
        .view
        .as_ref()
        .map_or(0, |view| view.sync.value.quorum);
    veto_if(
        rules.synchronous_mode == SynchronousMode::Quorum || quorum > 0,
        Veto::QuorumMode,
    );
    if let Some(view) = &memory.view {
        vetoes.extend(unlisted_veto(memory, view));
    }
    vetoes.extend(failsafe::vetoes(memory));
    if is_held_back(memory) {
        vetoes.push(Veto::PromotionFailed);
    }
    vetoes
}

/// While the key says that commits waited for standbys, only those have them all, and the leader
/// that wrote it; also when the rules do not ask for it any more. By hand an operator takes the loss.
fn unlisted_veto(memory: &Memory, view: &ClusterView) -> Option<Veto> {
    let leader = view.sync.value.leader.as_ref()?;
    let is_by_hand = named_candidate(memory, view) == Named::Us { is_by_hand: true };
    let may_race = view.sync.value.names(memory.me())
        || is_by_hand
        || memory.breaks(Mutant::SynchronousModeIgnored);
    (!may_race).then(|| Veto::NotSynchronous {
        leader: leader.clone(),
    })
}

/// Whether a peer that has more than we have is worth waiting for, as far as the `sync` key tells:
/// what nobody listed has was acknowledged to nobody, and neither was what the former leader has
/// more than those whom its commits waited for.
fn holds_commits(memory: &Memory, peer: &MemberName) -> bool {
    if !failsafe::is_listed(memory, peer) {
        // It may not lead: nobody waits for it.
        return false;
    }
    let key = memory.view.as_ref().map(|view| &view.sync.value);
    key.is_none_or(|key| !key.is_in_force() || key.standbys.contains(peer))
}

/// A promotion that failed keeps its member back for one lease time, so that another one can try.
pub(crate) fn is_held_back(memory: &Memory) -> bool {
    memory
        .promotion_failed_at
        .is_some_and(|failed_at| memory.mono().since(failed_at) < memory.rules.ttl)
}

/// May this standby take the free leadership?
pub(crate) fn standby_fitness(memory: &Memory) -> Fitness {
    let (Some(view), Some(ServerView::Standby(standby))) = (&memory.view, memory.server()) else {
        return Fitness::Unfit(standing_vetoes(memory));
    };
    let mine = standby.position();
    let named = named_candidate(memory, view);
    let mut vetoes = standing_vetoes(memory);
    if !standby.wal_end_reached && !memory.breaks(Mutant::ReplayingStandbyRaces) {
        vetoes.push(Veto::WalEndNotReached);
    }
    if standby.is_blocked {
        vetoes.push(Veto::ReplayBlocked);
    }
    let is_standby_cluster = remote::is_followed(memory);
    if memory.rules.check_timeline && !is_standby_cluster {
        vetoes.extend(timeline_veto(memory, view, mine.timeline));
    }
    match named.clone() {
        Named::Us { is_by_hand: true } => {}
        // A leader that handed over in order has seen to it that its successor has everything; one
        // that died on the way has not.
        Named::Us { is_by_hand: false } | Named::Nobody => {
            vetoes.extend(line::lag_veto(memory, view, standby));
            if !is_standby_cluster {
                vetoes.extend(parted::veto(memory, view, mine));
            }
        }
        Named::Other(candidate) => vetoes.push(Veto::DeferringTo { candidate }),
        Named::NotUs => vetoes.push(Veto::SteppedDown),
    }
    weigh(memory, vetoes, |report, server| {
        primary_veto(memory, report, server).or_else(|| match named {
            // The operator chose this member whatever it has.
            Named::Us { is_by_hand: true } => None,
            Named::Us { is_by_hand: false } => ahead_veto(memory, mine, report, server),
            Named::Nobody | Named::Other(_) | Named::NotUs => {
                ahead_veto(memory, mine, report, server)
                    .or_else(|| preferred_veto(memory, mine, report, server))
            }
        })
    })
}

/// May this running primary, which holds no lease, take the free leadership back?
pub(crate) fn primary_fitness(memory: &Memory) -> Fitness {
    let (Some(view), Some(ServerView::Primary(primary))) = (&memory.view, memory.server()) else {
        return Fitness::Unfit(standing_vetoes(memory));
    };
    let mine = primary.position;
    let mut vetoes = standing_vetoes(memory);
    vetoes.extend(outdated_vetoes(memory, view, mine));
    let fitness = weigh(memory, vetoes, |report, server| {
        primary_veto(memory, report, server).or_else(|| {
            let is_newer = server.position.timeline > mine.timeline;
            is_newer.then(|| Veto::PeerAhead {
                name: report.name.clone(),
                at: server.position,
            })
        })
    });
    match fitness {
        // A primary that was the last leader does not stop because the others are silent.
        Fitness::Unfit(vetoes) if vetoes == [Veto::PeersSilent] => Fitness::Fit,
        Fitness::Fit | Fitness::NeedsPeers | Fitness::Unfit(_) => fitness,
    }
}

/// Adds what the answers of the others say, once they have been asked.
fn weigh(
    memory: &Memory,
    mut vetoes: Vec<Veto>,
    judge: impl Fn(&PeerReport, &PeerServer) -> Option<Veto>,
) -> Fitness {
    let others = memory.known_members();
    let evidence = fresh_evidence(memory);
    if let Some(evidence) = evidence {
        for report in &evidence.reports {
            if let PeerAnswer::Running(server) = &report.answer {
                vetoes.extend(judge(report, server));
            }
        }
        // A member that sees the store and no other member may be the one that is cut off: one
        // more round costs little.
        let is_silent = !evidence.reports.is_empty()
            && evidence
                .reports
                .iter()
                .all(|report| report.answer == PeerAnswer::Unreachable);
        let others_registered = memory
            .view
            .as_ref()
            .is_some_and(|view| view.members.keys().any(|name| name != memory.me()));
        if is_silent && others_registered && memory.silent_rounds < 2 {
            vetoes.push(Veto::PeersSilent);
        }
    }
    if !vetoes.is_empty() {
        Fitness::Unfit(vetoes)
    } else if evidence.is_some_and(|told| is_of_this_moment(memory, told)) || others.is_empty() {
        Fitness::Fit
    } else {
        Fitness::NeedsPeers
    }
}

/// Answers that were asked for after the leader key was seen absent, and are not old.
pub(crate) fn fresh_evidence(memory: &Memory) -> Option<&Evidence> {
    if memory.breaks(Mutant::OldAnswersCount) {
        return memory.evidence.as_ref();
    }
    let evidence = memory.evidence_since(memory.unlocked_since?)?;
    (memory.mono().since(evidence.answered_at) < EVIDENCE_LIFE).then_some(evidence)
}

/// Whether our server has stood still since the others told where they are. What has come in since
/// may have come in everywhere, as long as somebody sends it.
fn is_of_this_moment(memory: &Memory, evidence: &Evidence) -> bool {
    evidence.own == memory.own_position() || memory.breaks(Mutant::OwnLookMayBeLater)
}

/// When the others should be asked again, for a member that holds back on their word.
pub(crate) fn ask_again_at(memory: &Memory) -> Option<Mono> {
    let evidence = memory.evidence_since(memory.unlocked_since?)?;
    Some(evidence.answered_at.plus(ASK_AGAIN))
}

/// What tells that a running primary is not the cluster's latest.
pub(crate) fn outdated_vetoes(memory: &Memory, view: &ClusterView, mine: Position) -> Vec<Veto> {
    let mut vetoes = Vec::new();
    if let Some(record) = &view.leadership.value
        && record.owner != *memory.me()
        && record.from_timeline >= mine.timeline
        && !memory.breaks(Mutant::LastLeadershipIgnored)
    {
        vetoes.push(Veto::LedSince {
            name: record.owner.clone(),
        });
    }
    vetoes.extend(timeline_veto(memory, view, mine.timeline));
    vetoes
}

/// A cluster does not go back to a timeline that it has left.
fn timeline_veto(memory: &Memory, view: &ClusterView, mine: Timeline) -> Option<Veto> {
    let cluster = view.timeline()?;
    let is_behind = mine < cluster && !memory.breaks(Mutant::ClusterTimelineIgnored);
    is_behind.then_some(Veto::TimelineBehind { mine, cluster })
}

fn primary_veto(memory: &Memory, report: &PeerReport, server: &PeerServer) -> Option<Veto> {
    let is_primary = server.is_primary && !memory.breaks(Mutant::PeerPrimaryIgnored);
    is_primary.then(|| Veto::PeerIsPrimary {
        name: report.name.clone(),
    })
}

/// Where a peer is; one that does not tell its timeline is compared on ours.
fn position_of(server: &PeerServer, mine: Position) -> Position {
    match server.position.timeline {
        Timeline(0) => Position {
            timeline: mine.timeline,
            lsn: server.position.lsn,
        },
        Timeline(_) => server.position,
    }
}

fn ahead_veto(
    memory: &Memory,
    mine: Position,
    report: &PeerReport,
    server: &PeerServer,
) -> Option<Veto> {
    let theirs = position_of(server, mine);
    let may_lead = server.may_lead || memory.breaks(Mutant::WaitsForTheUnwilling);
    let is_worth_it = may_lead && holds_commits(memory, &report.name);
    (is_worth_it && is_ahead(memory, theirs, mine)).then(|| Veto::PeerAhead {
        name: report.name.clone(),
        at: theirs,
    })
}

fn is_ahead(memory: &Memory, theirs: Position, mine: Position) -> bool {
    if memory.breaks(Mutant::PeerAheadIgnored) {
        false
    } else if memory.breaks(Mutant::PeerTimelineIgnored) {
        theirs.lsn > mine.lsn
    } else if memory.breaks(Mutant::WaitsForAnEqual) {
        theirs >= mine
    } else {
        theirs > mine
    }
}

/// Of two equals the one with the higher priority goes first.
fn preferred_veto(
    memory: &Memory,
    mine: Position,
    report: &PeerReport,
    server: &PeerServer,
) -> Option<Veto> {
    let is_preferred = server.may_lead
        && holds_commits(memory, &report.name)
        && position_of(server, mine) == mine
        && server.failover_priority > memory.settings.tags.failover_priority()
        && memory.old_leader.as_ref() != Some(&report.name)
        && server.wal_end_reached != Some(false);
    is_preferred.then(|| Veto::PeerPreferred {
        name: report.name.clone(),
    })
}

/// What a move request says about who shall lead, while there is no leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// Nothing about us or any other.
    Nobody,
    /// This member.
    Us {
        /// Whether the request names no leader that hands over: a failover by hand.
        is_by_hand: bool,
    },
    /// Another member, which gets a chance first.
    Other(MemberName),
    /// Anybody but this member.
    NotUs,
}

/// Deference to a named candidate ends after one lease time: it may be unable to reach the store.
pub(crate) fn named_candidate(memory: &Memory, view: &ClusterView) -> Named {
    let Some(request) = &view.failover.value else {
        return Named::Nobody;
    };
    if is_scheduled(request) {
        return Named::Nobody;
    }
    let is_overdue = memory
        .unlocked_since
        .is_some_and(|since| memory.mono().since(since) >= memory.rules.ttl)
        && !memory.breaks(Mutant::DefersForEver);
    match &request.candidate {
        Some(candidate) if candidate == memory.me() => Named::Us {
            is_by_hand: request.is_by_hand() || memory.breaks(Mutant::NamedCandidateNotMeasured),
        },
        _ if is_overdue => Named::Nobody,
        Some(candidate) => Named::Other(candidate.clone()),
        None if request.leader.as_ref() == Some(memory.me()) => Named::NotUs,
        None => Named::Nobody,
    }
}

/// A request for later is not acted on.
pub(crate) fn is_scheduled(request: &MoveRequest) -> bool {
    request.scheduled_at.is_some()
}

/// Whether some member could take over from us, as far as the answers to a question tell that was
/// asked at or after `since`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Successor {
    /// Nobody has been asked.
    Unasked,
    /// Somebody can.
    Ready,
    /// Nobody can, at the moment.
    NotYet,
    /// Nobody can, and we have waited long enough.
    Missing,
}

impl Successor {
    /// All words, for the enumeration of the tables.
    pub const ALL: [Self; 4] = [Self::Unasked, Self::Ready, Self::NotYet, Self::Missing];
}

/// What a successor must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needed {
    /// Everything up to and including the record at this position.
    Record(Lsn),
    /// Not more than the permitted lag behind this position.
    Near(Lsn),
}

/// The members that could take over from us.
pub(crate) fn successors(memory: &Memory, evidence: &Evidence, needed: Needed) -> Vec<MemberName> {
    let request = memory
        .view
        .as_ref()
        .and_then(|view| view.failover.value.as_ref())
        .filter(|request| !is_scheduled(request));
    let wanted = request.and_then(|request| request.candidate.as_ref());
    let is_by_hand = request.is_some_and(MoveRequest::is_by_hand);
    let ours = memory.own_timeline();
    let can = |report: &&PeerReport| {
        let PeerAnswer::Running(server) = &report.answer else {
            return false;
        };
        let has = match needed {
            Needed::Record(lsn) => server.position.lsn > lsn,
            Needed::Near(lsn) => {
                lsn.bytes_after(server.position.lsn) <= memory.rules.maximum_lag_on_failover
            }
        };
        // Bytes on another timeline are no bytes of ours.
        let is_our_line = server.position.timeline == Timeline(0)
            || ours.is_none_or(|ours| server.position.timeline == ours)
            || memory.breaks(Mutant::SuccessorTimelineIgnored);
        let is_wanted = wanted.is_none_or(|wanted| *wanted == report.name);
        let knows_its_end = server.wal_end_reached != Some(false);
        let may_race = (is_by_hand || holds_commits(memory, &report.name))
            && failsafe::may_take_over(memory, &report.name);
        has && may_race
            && is_our_line
            && is_wanted
            && server.may_lead
            && !server.is_primary
            && knows_its_end
    };
    evidence
        .reports
        .iter()
        .filter(can)
        .map(|report| report.name.clone())
        .collect()
}
