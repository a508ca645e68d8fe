//! A member at one instant, in at most four letters.

use crate::trace::Mark;

/// `?!LP`: out of the store's reach, agent absent, leader, and what its server is.
pub(super) fn letters(mark: &Mark) -> String {
    let server = match (mark.is_writable, mark.is_standby) {
        (true, _) => "P",
        (false, true) => "s",
        (false, false) => "-",
    };
    let signs = [
        (mark.is_cut_off, "?"),
        (mark.is_absent, "!"),
        (mark.is_leader, "L"),
        (true, server),
    ];
    let signs = signs.into_iter().filter(|(is_there, _)| *is_there);
    signs.map(|(_, sign)| sign).collect()
}
