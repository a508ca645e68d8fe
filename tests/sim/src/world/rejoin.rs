//! Replacing and rewinding data, stage by stage: what the driver does for these tasks.
//!
//! The proof that another member holds the good copy is checked once more right here.

use herdsman_ha_core::{Failure, LeaderElsewhere, OpId, Outcome, Report, Task, Upstream};

use super::World;
use super::draws::What;
use super::driver::transient;
use super::tasks::FAST_STOP_LIMIT;
use crate::fact::{Destruction, Fact};
use crate::ids::Node;
use crate::options::DriverMutant;
use crate::pg::Refused;

impl World {
    fn confirm(&self, node: Node, witness: &LeaderElsewhere, from: &Upstream) -> bool {
        if self.options.driver_mutant == Some(DriverMutant::NoSecondLookAtTheWitness) {
            return true;
        }
        let there = self.reach(node, from);
        let identity = there.and_then(|there| self.host(there).server.identity(&self.tree));
        identity.is_some_and(|identity| {
            identity.is_primary && identity.system_id == witness.system_id()
        })
    }

    pub(super) fn replace(
        &mut self,
        node: Node,
        op: OpId,
        (witness, leader): (&LeaderElsewhere, &Upstream),
        from: &Upstream,
        stage: u8,
    ) {
        match stage {
            0 | 2 if !self.confirm(node, witness, leader) => {
                self.end_soon(node, op, transient("the leader is not a running primary"));
            }
            0 => {
                self.stop_processes(node, false);
                let takes = self.draws.millis(What::Stop, node, 110, 300);
                self.next_stage(node, op, 2, takes);
            }
            2 => {
                let was = self.host(node).server.wal();
                let is_on_demand = matches!(
                    self.task_of(node, op).as_deref(),
                    Some(Task::Reinitialize { .. })
                );
                self.kill_server(node);
                if let Err(refused) = self.hosts[node.index()].server.wipe() {
                    self.end_soon(node, op, transient(refused.as_str()));
                    return;
                }
                self.tell(Fact::Destroyed {
                    node,
                    was,
                    by: if is_on_demand {
                        Destruction::OnDemand
                    } else {
                        Destruction::Replaced
                    },
                });
                self.copy_after_wipe(node, op, from);
            }
            _ => self.copy(node, op, from, 1),
        }
    }

    fn copy_after_wipe(&mut self, node: Node, op: OpId, from: &Upstream) {
        if self.hosts[node.index()].server.begin_copy().is_err() || self.reach(node, from).is_none()
        {
            self.end_soon(node, op, transient("the source does not answer"));
            return;
        }
        let takes = self.draws.millis(What::Copy, node, 500, 10_000);
        self.next_stage(node, op, 3, takes);
    }

    pub(super) fn rewind(
        &mut self,
        node: Node,
        op: OpId,
        witness: &LeaderElsewhere,
        from: &Upstream,
        stage: u8,
    ) {
        match stage {
            0 | 2 if !self.confirm(node, witness, from) => {
                self.end_soon(node, op, transient("the leader is not a running primary"));
            }
            0 => self.begin_stop_for_rewind(node, op, from),
            // A stop that is not over by then is not waited for any more.
            2 => self.begin_rewind(node, op, from),
            _ => {
                let outcome = self.finish_rewind(node, from);
                self.end_soon(node, op, outcome);
            }
        }
    }

    fn begin_stop_for_rewind(&mut self, node: Node, op: OpId, from: &Upstream) {
        let there = self.reach(node, from);
        let files = there.and_then(|there| self.host(there).server.files());
        if !files.is_some_and(|files| files.is_settled(&self.tree)) {
            self.end_soon(
                node,
                op,
                transient("the leader has not written its checkpoint"),
            );
            return;
        }
        let takes = if self.stop_processes(node, true) {
            self.draws.millis(What::Stop, node, 1_600, 1_900)
        } else {
            FAST_STOP_LIMIT
        };
        self.next_stage(node, op, 2, takes);
    }

    fn begin_rewind(&mut self, node: Node, op: OpId, from: &Upstream) {
        self.kill_server(node);
        let there = self.reach(node, from);
        let was = self.host(node).server.wal();
        let begun = match there {
            None => Err(Refused::SourceSilent),
            Some(there) => {
                let source = self.host(there).server.clone();
                let server = &mut self.hosts[node.index()].server;
                server
                    .can_rewind_to(&source, &self.tree)
                    .and_then(|is_needed| {
                        if is_needed {
                            server.begin_rewind()?;
                        }
                        Ok(is_needed)
                    })
            }
        };
        match begun {
            Ok(true) => {
                self.tell(Fact::Destroyed {
                    node,
                    was,
                    by: Destruction::Rewound,
                });
                let takes = self.draws.millis(What::Copy, node, 300, 5_000);
                self.next_stage(node, op, 3, takes);
            }
            Ok(false) => self.end_soon(node, op, Outcome::Done(Report::Nothing)),
            Err(Refused::WalGone) => {
                let failure = Failure {
                    is_transient: false,
                    message: Refused::WalGone.as_str().to_owned(),
                };
                self.end_soon(node, op, Outcome::Failed(failure));
            }
            Err(refused) => self.end_soon(node, op, transient(refused.as_str())),
        }
    }

    fn finish_rewind(&mut self, node: Node, from: &Upstream) -> Outcome {
        let Some(there) = self.reach(node, from) else {
            return transient("the source does not answer");
        };
        let source = self.host(there).server.clone();
        let server = &mut self.hosts[node.index()].server;
        match server.finish_rewind(&source, &self.tree) {
            Ok(()) => {
                self.tell(Fact::Copied { node, from: there });
                Outcome::Done(Report::Nothing)
            }
            Err(refused) => transient(refused.as_str()),
        }
    }
}
