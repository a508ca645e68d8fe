//! A leader whose server starts and starts: may another member take over?

use super::{Overdue, published_or_own_end, shutdown_checkpoint, successor};
use crate::candidate::{Needed, Successor};
use crate::memory::Memory;
use crate::time::Mono;
use crate::view::ServerView;

/// Since when answers count that say whether somebody can take over from a server that does not
/// come up: not for ever, because a start may take long and members come and go.
pub(crate) fn overdue_since(memory: &Memory) -> Option<Mono> {
    let failed_at = memory.start_failed_at?;
    let is_starting = memory.server() == Some(&ServerView::Starting);
    let recent = memory.mono().minus(memory.rules.loop_wait);
    is_starting.then(|| failed_at.max(recent))
}

/// Whether the start of our server takes longer than it may, while we hold the leadership.
pub(crate) fn overdue(memory: &Memory) -> Overdue {
    let Some(since) = overdue_since(memory) else {
        return Overdue::No;
    };
    let needed = match shutdown_checkpoint(memory) {
        Some(checkpoint) => Needed::Record(checkpoint),
        None => Needed::Near(published_or_own_end(memory)),
    };
    match successor(memory, since, needed) {
        Successor::Unasked if memory.known_members().is_empty() => Overdue::No,
        Successor::Unasked => Overdue::Unasked,
        Successor::Ready => Overdue::Replaceable,
        Successor::NotYet | Successor::Missing => Overdue::No,
    }
}
