//! Records of a cluster that each leader keeps, whether it is a primary or not.

use alloc::borrow::ToOwned;
use alloc::string::ToString;

use super::Machine;
use crate::schema::key;
use crate::task::{KeyState, Purpose, StoreGuard, Task};
use crate::value::Timeline;

impl Machine {
    /// The configuration, where the store lost it.
    pub(super) fn lost_config(&self) -> Option<Task> {
        let view = self.memory.current_view()?;
        let config = self.memory.config.as_ref()?;
        if view.config.revision.is_some() {
            return None;
        }
        let mut commit = self.guarded(Purpose::RestoreConfig, key::CONFIG, config.to_string())?;
        // Somebody may have written another one meanwhile.
        commit.guards.push(StoreGuard {
            key: key::CONFIG.to_owned(),
            is: KeyState::Absent,
        });
        Some(Task::Commit(commit))
    }

    /// Tells the history of the timeline that our server is on, unless that was just done.
    pub(super) fn history_task(&self, timeline: Timeline) -> Option<Task> {
        let memory = &self.memory;
        let view = memory.current_view()?;
        let session = memory
            .lease
            .session_name()
            .filter(|_| self.is_history_due())?;
        Some(Task::PublishHistory {
            session,
            timeline,
            published: view.history.value.to_vec(),
            seen: KeyState::seen(view.history.revision),
            keep: memory.rules.max_timelines_history,
        })
    }
}
