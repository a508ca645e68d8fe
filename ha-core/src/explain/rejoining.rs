//! The words for data that cannot come back by itself: what is in the way, and what to do.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use crate::memory::Memory;
use crate::remote;
use crate::view::DataView;

/// What an operator can do about what a rewind left.
pub(super) const ADVICE_ON_WRECKS: &str = "reinitialise this member, or permit that with \
     postgresql.remove_data_directory_on_rewind_failure";

/// Why diverged data is left alone, and what an operator can do about it.
pub(super) fn barred(memory: &Memory) -> String {
    let rules = memory.rejoin_rules();
    let what = match &memory.rewind_refused {
        Some((_, error)) if rules.rewinds => format!("it cannot be rewound ({error})"),
        Some(_) | None if rules.rewinds => {
            "it cannot be rewound (it has neither wal_log_hints nor checksums)".to_owned()
        }
        Some(_) | None => "rewinding is off (postgresql.use_pg_rewind)".to_owned(),
    };
    if remote::is_followed(memory) {
        return format!(
            "{what}, and a standby cluster is never copied anew by itself: permit rewinding, or \
             empty the data directory of this member"
        );
    }
    format!(
        "{what} and may not be removed: reinitialise this member, or permit that with \
         postgresql.remove_data_directory_on_diverged_timelines"
    )
}

/// Why a rewind did not come to its end.
pub(super) fn wreck(memory: &Memory) -> String {
    match memory.local.as_ref().map(|local| &local.data) {
        Some(DataView::Wreck(wreck)) => wreck
            .why
            .clone()
            .unwrap_or_else(|| "it was interrupted".to_owned()),
        Some(
            DataView::Empty | DataView::Leftover | DataView::Unusable(_) | DataView::Cluster(_),
        )
        | None => String::new(),
    }
}

/// The WAL segment that our standby needs and the leader does not have.
pub(super) fn segment(memory: &Memory) -> String {
    memory
        .identity
        .as_ref()
        .and_then(|check| check.identity.missing_wal.clone())
        .unwrap_or_default()
}
