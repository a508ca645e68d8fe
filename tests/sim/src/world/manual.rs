//! Tasks of a server that a script answers by hand instead of the driver.
//!
//! A kill is never held back: the lease counts on its time.

use std::sync::Arc;

use herdsman_ha_core::{Lane, OpId, Outcome, Task};

use super::World;
use crate::ids::Node;

impl World {
    /// Tasks of this member's server lane wait until they are answered, or no longer do.
    pub fn answer_by_hand(&mut self, node: Node, is_by_hand: bool) {
        if is_by_hand {
            self.by_hand.insert(node);
        } else {
            self.by_hand.remove(&node);
        }
    }

    pub(super) fn waits_for_a_hand(&self, node: Node, task: &Task) -> bool {
        !self.by_hand.is_empty()
            && self.by_hand.contains(&node)
            && task.lane() == Lane::Server
            && *task != Task::Fence
    }

    /// A task that waits is carried out as the driver does it.
    pub fn carry_out_by_hand(&mut self, node: Node, op: OpId) {
        if let Some(task) = self.task_of(node, op) {
            let task = Arc::clone(&task);
            self.begin(node, op, &task);
        }
    }

    /// A task that waits ends like this, without any effect.
    pub fn end_by_hand(&mut self, node: Node, op: OpId, outcome: Outcome) {
        self.finish(node, op, outcome);
        self.broadcast();
    }
}
