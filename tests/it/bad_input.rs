//! What the daemon does with input that is wrong: its configuration, the machine that it is
//! started on, a store that is not there.
//!
//! Invariant of all refusals: nothing on disk is changed, the exit code says so, and every line
//! of the message tells what to do.

mod configuration;
mod daemon;
mod files;
mod machine;
mod member;
mod store;

use daemon::Refusal;
use member::Member;

/// Starts the daemon on a member that it must refuse; nothing of the member may change.
fn refusal(member: &Member) -> Refusal {
    let before = files::tree(member.folder());
    let refusal = daemon::refused(member);
    let after = files::tree(member.folder());
    assert_eq!(before, after, "files differ after a refusal");
    refusal
}
