//! Copying logical slots, stage by stage: what the driver does for that task.

use std::collections::BTreeMap;
use std::time::Duration;

use herdsman_ha_core::{Failure, LogicalSlot, OpId, Outcome, Report, Upstream};

use super::World;
use super::draws::What;
use super::driver::transient;
use super::host::CopiedSlots;
use super::tasks::FAST_STOP_LIMIT;
use crate::fact::Fact;
use crate::ids::Node;
use crate::pg::Refused;

impl World {
    pub(super) fn copy_slots(
        &mut self,
        node: Node,
        op: OpId,
        from: &Upstream,
        slots: &BTreeMap<String, LogicalSlot>,
        stage: u8,
    ) {
        let own = self.host(node).server.files();
        let is_there = |name: &&String| own.is_some_and(|own| own.logical.contains_key(*name));
        let missing: Vec<&String> = slots.keys().filter(|name| !is_there(name)).collect();
        if stage == 0 && missing.is_empty() {
            self.end_soon(node, op, Outcome::Done(Report::Nothing));
            return;
        }
        if stage == 0 {
            // They are read before the server is stopped.
            let Some(found) = self.logical_slots(node, from, &missing) else {
                self.end_soon(node, op, transient("the leader has no such slots"));
                return;
            };
            if let Err(refused) = self.compare_line(node, &found) {
                self.end_soon(node, op, transient(refused.as_str()));
                return;
            }
            self.host_mut(node).copied_slots = Some(found);
            let takes = self.go_down_for_slots(node);
            self.next_stage(node, op, 2, takes);
            return;
        }
        // A stop that is not over by then is not waited for any more.
        if !self.host(node).server.is_down() {
            self.kill_server(node);
        }
        self.slot_copies += 1;
        let Some(found) = self.host_mut(node).copied_slots.take() else {
            self.end_soon(node, op, transient("no slots were read"));
            return;
        };
        let compared = self.compare_line(node, &found);
        let server = &mut self.host_mut(node).server;
        let outcome = match compared.and_then(|()| server.copy_logical(&found.slots)) {
            Ok(()) => {
                let from = found.from;
                self.tell(Fact::SlotsCopied { node, from });
                Outcome::Done(Report::Nothing)
            }
            Err(refused) => Outcome::Failed(Failure {
                is_transient: false,
                message: refused.as_str().to_owned(),
            }),
        };
        self.end_soon(node, op, outcome);
    }

    /// Whether the newest log on our disk is on the timeline that the slots come from: a control file
    /// may tell of an earlier one, and a machine that stood still may rest on an old view.
    fn compare_line(&self, node: Node, found: &CopiedSlots) -> Result<(), Refused> {
        let own = self.host(node).server.wal();
        let own = own.map(|wal| self.tree.timeline(wal));
        match own == Some(found.timeline) {
            true => Ok(()),
            false => Err(Refused::OtherTimeline),
        }
    }

    /// Tells how long it is waited for.
    fn go_down_for_slots(&mut self, node: Node) -> Duration {
        if self.host(node).server.is_down() {
            return Duration::from_millis(1);
        }
        self.begin_errand(node);
        if self.stop_processes(node, true) {
            self.draws.millis(What::Stop, node, 1_600, 1_900)
        } else {
            FAST_STOP_LIMIT
        }
    }

    /// Those of the slots that a running primary has; none: it has none of them, or is no primary.
    fn logical_slots(&self, node: Node, from: &Upstream, names: &[&String]) -> Option<CopiedSlots> {
        let from = self.reach(node, from)?;
        let there = &self.host(from).server;
        if !there.is_primary() {
            return None;
        }
        let mut slots = there.files()?.logical.clone();
        slots.retain(|name, _| names.contains(&name));
        let timeline = self.tree.timeline(there.wal()?);
        (!slots.is_empty()).then_some(CopiedSlots {
            from,
            timeline,
            slots,
        })
    }
}
