//! Which versions of etcd can end a lease that its holder has renewed.
//!
//! A leader of etcd that stood still and goes on believes for a moment that it still leads. In old
//! versions it then lets leases run out by its own account, which has missed the renewals that
//! others took (etcd's issue 15247). A holder cannot protect itself from that; it only notices.

/// The first version of each line in which a leader asks the others before it ends leases.
const MENDED: [(u32, u32, u32); 2] = [(3, 4, 31), (3, 5, 13)];

/// Whether servers of this version may end leases early. What is no version is not judged.
pub(super) fn may_end_leases_early(version: &str) -> bool {
    let mut numbers = version.split(['.', '-', '+']).map(str::parse::<u32>);
    let mut next = || numbers.next().and_then(Result::ok);
    let (Some(major), Some(minor), Some(patch)) = (next(), next(), next()) else {
        return false;
    };
    let line = MENDED.iter().find(|(a, b, _)| (*a, *b) == (major, minor));
    match line {
        Some((_, _, mended)) => patch < *mended,
        None => (major, minor) < (MENDED[0].0, MENDED[0].1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_are_known() {
        for old in [
            "3.4.23",
            "3.4.30",
            "3.5.0",
            "3.5.12",
            "3.3.27",
            "3.5.12+git",
        ] {
            assert!(may_end_leases_early(old), "{old}");
        }
        for mended in [
            "3.4.31",
            "3.5.13",
            "3.6.0",
            "3.6.0-rc.1",
            "4.0.0",
            "",
            "next",
        ] {
            assert!(!may_end_leases_early(mended), "{mended}");
        }
    }
}
