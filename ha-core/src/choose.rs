//! Which situation goes to which table.
//!
//! The order is policy: what may make two servers writable comes first, what only delays comes
//! last.

use crate::candidate::{self, Fitness};
use crate::decide::leader::Fall;
use crate::decide::leaving::SessionState;
use crate::decide::{
    Act, Choice, act, blind, busy, carry, empty, errands, fence, follower, hold, leader,
    leaderless, leaving, paused, standby_leader, stopped,
};
use crate::failsafe;
use crate::lease::Hold;
use crate::memory::{Memory, NameCheck};
use crate::mutant::Mutant;
use crate::reason::Code;
use crate::reinit;
use crate::remote;
use crate::restart;
use crate::situation::{
    self as word, Asked, Downfall, Kin, Link, Lock, Made, Mode, Server, Writable,
};
use crate::sync;
use crate::view::ServerView;

/// The choice for the present facts.
pub(crate) fn choose(memory: &Memory) -> Choice {
    let choice = from_tables(memory);
    let makes_writable = matches!(choice.act, Act::StartPrimary | Act::Promote);
    let is_releasing = memory.is_releasing() && !memory.breaks(Mutant::StartsWhileReleasing);
    if makes_writable && is_releasing {
        return act(Act::Release, Code::Releasing);
    }
    remote::reworded(memory, choice)
}

fn from_tables(memory: &Memory) -> Choice {
    if memory.is_finished {
        return hold(Code::Left);
    }
    let Some(server) = word::server(memory) else {
        return hold(Code::GettingStarted);
    };
    let mode = word::mode(memory);
    let busy = word::busy(memory);
    let writable = word::writable(memory);
    let unleased = word::unleased(memory);
    // An agent that leaves a paused cluster leaves the server as it is.
    let kept = match word::is_paused(memory) {
        true => Mode::Paused,
        false => mode,
    };
    if let Some(choice) = fence::decide(kept, word::hold(memory), writable, busy, unleased) {
        return choice;
    }
    if memory.name == NameCheck::Taken {
        return act(Act::Quit, Code::NameTaken);
    }
    if let Some(choice) = busy::decide(mode, busy, word::lock(memory)) {
        return choice;
    }
    match mode {
        Mode::Leaving => leave(memory, server),
        Mode::Paused => pause(memory, server),
        Mode::Normal => live(memory, server, writable),
    }
}

fn live(memory: &Memory, server: Server, writable: Writable) -> Choice {
    let lock = word::lock(memory);
    if memory.view.is_some() && memory.name == NameCheck::Unproven {
        return act(Act::AskName, Code::NameUnproven);
    }
    let made = word::made(memory);
    if made == Made::Mismatch {
        return act(Act::Quit, Code::SystemIdMismatch);
    }
    // Too late to begin anything that writes.
    if word::hold(memory) == Hold::Ending && writable == Writable::No {
        return hold(Code::LeaseEnding);
    }
    if let Some(choice) = errand(memory, lock, server) {
        return choice;
    }
    if let Some(choice) = remote::making(memory, lock, made, server) {
        return choice;
    }
    if lock == Lock::Mine
        && let Some(choice) = crate::decide::failsafe::decide(server, failsafe::refuge(memory))
    {
        return choice;
    }
    match lock {
        Lock::Unseen => blind_choice(memory, server),
        Lock::Stale if failsafe::is_bound(memory) => hold(Code::ResumeHeldBack),
        // Whoever goes on without the store has not been asked by whom a tool wrote into the key.
        Lock::Stale if is_by_hand(memory) && failsafe::is_left_out(memory) => {
            hold(Code::NotCandidate)
        }
        Lock::Stale if !matches!(server, Server::Empty | Server::Leftover) => {
            act(Act::Resume, Code::ResumingLease)
        }
        Lock::Mine if memory.fault.is_some() && server == Server::Primary => {
            hold(Code::StoreUnreachableLeading)
        }
        Lock::Mine => leading(memory, server),
        Lock::Other => following(memory, server),
        Lock::Free => leaderless_choice(memory, server),
        Lock::Stale => without_data(memory, lock),
    }
}

/// Whether the leader key lives with no session: no earlier run of ours has left it.
fn is_by_hand(memory: &Memory) -> bool {
    let leader = memory.view.as_ref().and_then(|view| view.leader.as_ref());
    leader.is_some_and(|leader| leader.session.is_none())
}

/// What an operator asked the server to go through.
fn errand(memory: &Memory, lock: Lock, server: Server) -> Option<Choice> {
    let mode = word::mode(memory);
    let lock = remote::lock_for_errands(memory, lock, server);
    // What waits for a checkpoint or a stop that failed waits in the tables of everyday life.
    errands::restart(mode, lock, server, restart::wanted(memory))
        .or_else(|| errands::reinit(mode, lock, server, reinit::wanted(memory)))
}

fn blind_choice(memory: &Memory, server: Server) -> Choice {
    let server = word::unled(memory, server);
    let backoff = word::backoff(memory, &["start-standby"]);
    blind::decide(server, word::blind(memory), backoff, word::kin(memory))
}

fn leading(memory: &Memory, server: Server) -> Choice {
    if remote::is_followed(memory) {
        return remote::leading(memory, server, link(memory));
    }
    let running = leader::running(
        server,
        word::movement(memory),
        word::promotion(memory),
        word::overdue(memory),
        sync::synchrony(memory),
    );
    if let Some(choice) = running {
        return choice;
    }
    match server {
        Server::Empty | Server::Leftover | Server::Wreck | Server::Unusable => {
            without_data(memory, Lock::Mine)
        }
        Server::Down
        | Server::Starting
        | Server::Stopping
        | Server::Unresponsive
        | Server::Primary
        | Server::Standby => leader::down(Fall {
            downfall: word::downfall(memory),
            heir: word::heir(memory),
            gone: word::gone(memory),
        }),
    }
}

fn following(memory: &Memory, server: Server) -> Choice {
    let server = word::unled(memory, server);
    let link = link(memory);
    let leader = word::leader(memory);
    let kin = match memory.breaks(Mutant::SlotsOfAnotherLine) {
        true => Kin::Same,
        false => word::kin(memory),
    };
    carry::decide(server, leader, link, kin, word::carry(memory))
        .or_else(|| follower::running(server, leader, link, word::way(memory, link)))
        .unwrap_or_else(|| down(memory, server, Lock::Other))
}

fn leaderless_choice(memory: &Memory, server: Server) -> Choice {
    let race = word::race(memory, &fitness(memory));
    leaderless::running(server, word::made(memory), race)
        .unwrap_or_else(|| down(memory, server, Lock::Free))
}

/// The server is down, or there is no data, and we do not lead.
fn down(memory: &Memory, server: Server, lock: Lock) -> Choice {
    if matches!(server, Server::Empty | Server::Leftover) {
        return without_data(memory, lock);
    }
    stopped::decide(
        lock,
        word::leader(memory),
        word::made(memory),
        word::origin(memory),
        word::handover(memory),
        word::backoff(memory, &["start-standby"]),
        word::kin(memory),
    )
}

fn without_data(memory: &Memory, lock: Lock) -> Choice {
    empty::decide(
        lock,
        word::made(memory),
        word::may_make(memory),
        word::backup(memory),
        word::leader(memory),
        word::backoff(memory, &["clone", "bootstrap"]),
        word::gone(memory),
    )
}

fn leave(memory: &Memory, server: Server) -> Choice {
    if memory.rules.pause {
        return act(Act::Quit, Code::LeavingPaused);
    }
    if sync::stays_until(memory).is_some() {
        return hold(Code::LeavingSync);
    }
    let session = match memory.lease.session() {
        Some(_) => SessionState::Open,
        None => SessionState::Closed,
    };
    // Without the store nothing can be handed over: once nothing of the server is left, what
    // remains is to go.
    let lock = if memory.fault.is_some() && memory.is_gone {
        Lock::Unseen
    } else {
        word::lock(memory)
    };
    leaving::decide(
        lock,
        server,
        word::heir(memory),
        word::gone(memory),
        session,
    )
}

fn pause(memory: &Memory, server: Server) -> Choice {
    if memory.view.is_some() && memory.name == NameCheck::Unproven {
        return act(Act::AskName, Code::NameUnproven);
    }
    let lock = word::lock(memory);
    if let Some(choice) = errand(memory, lock, server) {
        return choice;
    }
    if let Some(choice) = moving_in_pause(memory, lock, server) {
        return choice;
    }
    if lock == Lock::Mine && server == Server::Standby && remote::is_followed(memory) {
        return standby_leader::paused(link(memory));
    }
    // What we took down on demand we bring up again.
    let is_ours_to_start = memory.is_ours_to_start
        && matches!(server, Server::Down | Server::Empty | Server::Leftover)
        && matches!(lock, Lock::Other | Lock::Free);
    if is_ours_to_start {
        return down(memory, server, lock);
    }
    paused::decide(
        lock,
        server,
        word::made(memory),
        word::gone(memory),
        word::leader(memory),
        link(memory),
        word::standing(memory),
    )
}

/// Moves of the leadership to a named member are carried out in a pause as well.
fn moving_in_pause(memory: &Memory, lock: Lock, server: Server) -> Option<Choice> {
    let is_wanted = memory.move_seen.is_some();
    match (lock, server) {
        (Lock::Mine, Server::Primary) if is_wanted => Some(leading(memory, server)),
        (Lock::Mine, Server::Standby) if word::asked(memory) == Asked::Yes => {
            Some(leading(memory, server))
        }
        (Lock::Mine, Server::Down) if word::downfall(memory) == Downfall::HandedOver => {
            Some(leading(memory, server))
        }
        (Lock::Free, Server::Standby) if word::asked(memory) == Asked::Yes => {
            Some(leaderless_choice(memory, server))
        }
        (
            Lock::Mine | Lock::Stale | Lock::Other | Lock::Free | Lock::Unseen,
            Server::Empty
            | Server::Leftover
            | Server::Wreck
            | Server::Unusable
            | Server::Down
            | Server::Starting
            | Server::Stopping
            | Server::Unresponsive
            | Server::Primary
            | Server::Standby,
        ) => None,
    }
}

fn link(memory: &Memory) -> Link {
    match memory.server() {
        Some(ServerView::Standby(standby)) => word::link(memory, standby),
        Some(ServerView::Down { .. }) if word::server(memory) == Some(Server::Wreck) => {
            word::wreck_link(memory)
        }
        Some(
            ServerView::Down { .. }
            | ServerView::Starting
            | ServerView::Stopping
            | ServerView::Unresponsive
            | ServerView::Primary(_),
        )
        | None => Link::Quiet,
    }
}

/// Whether this member may take a free leadership with what it runs.
pub(crate) fn fitness(memory: &Memory) -> Fitness {
    match memory.server() {
        Some(ServerView::Primary(_)) => candidate::primary_fitness(memory),
        Some(
            ServerView::Standby(_)
            | ServerView::Down { .. }
            | ServerView::Starting
            | ServerView::Stopping
            | ServerView::Unresponsive,
        )
        | None => candidate::standby_fitness(memory),
    }
}
