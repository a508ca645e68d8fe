//! A wanted move of the leadership, before the server is stopped for it.
//!
//! A server that stops sends its last records to whoever streams from it. A successor that does not
//! would not have them, and the stop would have been an outage for nothing.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::{Asked, CONFIRM, Move, asked, published_or_own_end, successor};
use crate::candidate::{self, Needed, Successor};
use crate::memory::Memory;
use crate::switchover;
use crate::sync::is_named;
use crate::time::Mono;
use crate::view::{MoveRequest, ServerView};

/// The wanted move and what is known about it.
pub(crate) fn movement(memory: &Memory) -> Move {
    let Some((revision, seen_at)) = memory.move_seen else {
        return match (switchover::is_due(memory), switchover::refusal(memory)) {
            (false, _) => Move::None,
            (true, None) => Move::Due,
            (true, Some(_)) => Move::Impossible,
        };
    };
    if asked(memory) == Asked::Yes {
        return Move::Done;
    }
    if switchover::refusal(memory).is_some() {
        return Move::Impossible;
    }
    match successor(memory, seen_at, Needed::Near(published_or_own_end(memory))) {
        Successor::Unasked => Move::Unchecked,
        Successor::NotYet | Successor::Missing => Move::Impossible,
        Successor::Ready if !has_connected_successor(memory, seen_at) => {
            if is_patience_over(memory, seen_at) {
                Move::Impossible
            } else {
                Move::Unconnected
            }
        }
        Successor::Ready if memory.move_checkpoint == Some(revision) => Move::Ready,
        Successor::Ready => Move::NeedsCheckpoint,
    }
}

/// Until when a wanted move waits for a successor that streams, when there is one that does not.
pub(crate) fn move_patience_ends(memory: &Memory) -> Option<Mono> {
    let (_, seen_at) = memory.move_seen?;
    let is_primary = matches!(memory.server(), Some(ServerView::Primary(_)));
    let is_waiting = is_primary && movement(memory) == Move::Unconnected;
    let evidence = memory.evidence_since(seen_at).filter(|_| is_waiting)?;
    Some(evidence.answered_at.plus(CONFIRM))
}

fn is_patience_over(memory: &Memory, seen_at: Mono) -> bool {
    let evidence = memory.evidence_since(seen_at);
    evidence.is_some_and(|evidence| memory.mono().since(evidence.answered_at) >= CONFIRM)
}

/// Whether somebody who could take over would receive the last records of our server as it stops.
/// Who streams from another member is beyond our sight.
fn has_connected_successor(memory: &Memory, seen_at: Mono) -> bool {
    let (Some(view), Some(ServerView::Primary(primary))) = (&memory.view, memory.server()) else {
        return false;
    };
    let Some(evidence) = memory.evidence_since(seen_at) else {
        return false;
    };
    let needed = Needed::Near(published_or_own_end(memory));
    let request = view.failover.value.as_ref();
    let is_by_hand = request.is_some_and(MoveRequest::is_by_hand);
    candidate::successors(memory, evidence, needed)
        .iter()
        .any(|name| {
            let tags = view.members.get(name).map(|member| &member.tags);
            let is_cascaded = tags.is_some_and(|tags| tags.replicatefrom().is_some());
            let mut senders = primary.sync.senders.iter();
            let streams = senders.any(|sender| sender.is_streaming && is_named(&sender.name, name));
            streams || is_cascaded || is_by_hand
        })
}

/// Why a wanted move cannot be done.
pub(crate) fn why_impossible(memory: &Memory) -> String {
    if let Some(why) = switchover::refusal(memory) {
        return why;
    }
    let since = memory.move_seen.map(|(_, seen_at)| seen_at);
    let needed = Needed::Near(published_or_own_end(memory));
    let found = since.map(|since| successor(memory, since, needed));
    if found == Some(Successor::Ready) {
        format!("no candidate streams from {}", memory.me())
    } else {
        "no good candidates have been found".to_owned()
    }
}
