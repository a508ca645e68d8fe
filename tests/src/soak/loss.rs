//! Which rows a killed primary may take with it.
//!
//! Invariant: asynchronous replication loses an end, never a hole: whoever has a row of a server
//! has all that it acknowledged before.

use std::time::{Duration, Instant};

use crate::cluster::Written;

/// How old a row may be and still not have arrived at any standby of a healthy cluster.
const LONGEST_LAG: Duration = Duration::from_secs(2);

/// What about the loss is not explained by the death of `old`, whose server acknowledged rows
/// until it was killed; nothing when all is.
pub(super) fn unexplained(written: &Written, lost: &[i64], old: &str) -> Option<String> {
    let by_old: Vec<_> = written.acks.iter().filter(|ack| *ack.by == *old).collect();
    let newest = &by_old[by_old.len().saturating_sub(lost.len())..];
    let ids: Vec<i64> = newest.iter().map(|ack| ack.id).collect();
    if ids != lost {
        return Some(format!(
            "lost {lost:?}, but the newest rows of {old} are {ids:?}"
        ));
    }
    let (Some(first), Some(last)) = (newest.first(), newest.last()) else {
        return None;
    };
    let age = age(first.at, last.at);
    (age > LONGEST_LAG).then(|| format!("lost rows that {old} acknowledged {age:?} before its end"))
}

fn age(earlier: Instant, later: Instant) -> Duration {
    later.saturating_duration_since(earlier)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::Ack;

    /// Rows 1 to 6, half a second apart; the last two are of the new primary.
    fn written() -> Written {
        let begin = Instant::now();
        let ack = |id: i64| {
            let at = begin + Duration::from_millis(500) * u32::try_from(id).unwrap();
            let by = Arc::from(if id < 5 { "old" } else { "new" });
            Ack {
                id,
                sent: at,
                at,
                by,
            }
        };
        Written {
            acks: (1..=6).map(ack).collect(),
            ..Written::default()
        }
    }

    #[test]
    fn newest_rows_of_the_dead_are_explained() {
        assert_eq!(unexplained(&written(), &[], "old"), None);
        assert_eq!(unexplained(&written(), &[4], "old"), None);
        assert_eq!(unexplained(&written(), &[3, 4], "old"), None);
    }

    #[test]
    fn holes_and_rows_of_others_are_not() {
        for lost in [&[3][..], &[1, 2], &[5], &[4, 6]] {
            assert!(unexplained(&written(), lost, "old").is_some(), "{lost:?}");
        }
    }

    #[test]
    fn old_rows_are_not() {
        let mut written = written();
        written.acks[0].at -= LONGEST_LAG;
        assert!(unexplained(&written, &[1, 2, 3, 4], "old").is_some());
        assert_eq!(unexplained(&written, &[2, 3, 4], "old"), None);
    }
}
