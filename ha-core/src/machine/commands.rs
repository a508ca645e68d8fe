//! Taking in what operators ask for: it is answered at once, or becomes a wish that is followed.

use super::{Machine, Output, Step};
use crate::changes;
use crate::command::Command;
use crate::failsafe;
use crate::reinit;
use crate::requests::Requests;
use crate::restart;
use crate::situation as word;
use crate::switchover::{Kind, Wanted};
use crate::task::Lane;
use crate::value::RequestId;

impl Machine {
    pub(super) fn absorb_command(&mut self, request: RequestId, command: Command, step: &mut Step) {
        match command {
            Command::Leave => {
                let now = self.memory.mono();
                self.memory.leaving_since.get_or_insert(now);
                self.memory.requests.leave = Some(request);
            }
            Command::Restart(order) => {
                if let Some(answer) = restart::admit(&mut self.memory, request, order) {
                    step.outputs.push(Output::Reply { request, answer });
                }
            }
            Command::CancelRestart => {
                let answer = restart::cancel(&mut self.memory);
                step.outputs.push(Output::Reply { request, answer });
            }
            Command::Reinitialize { force, from_leader } => {
                self.absorb_reinit(request, force, from_leader, step);
            }
            Command::Switchover {
                leader,
                candidate,
                scheduled_at,
            } => {
                let wanted = Wanted {
                    kind: Kind::Switchover,
                    leader,
                    candidate,
                    scheduled_at,
                };
                self.absorb_move(request, wanted, step);
            }
            Command::Failover {
                leader,
                candidate,
                scheduled_at,
            } => {
                let wanted = Wanted {
                    kind: Kind::Failover,
                    leader,
                    candidate,
                    scheduled_at,
                };
                self.absorb_move(request, wanted, step);
            }
            Command::Promise(asked) => {
                let answer = failsafe::admit(&mut self.memory, &asked);
                step.outputs.push(Output::Reply { request, answer });
            }
            Command::FlushSwitchover => {
                if let Some(answer) = changes::flush(&mut self.memory, request) {
                    step.outputs.push(Output::Reply { request, answer });
                }
            }
            Command::ChangeConfig(change) => {
                if let Some(answer) = changes::change_config(&mut self.memory, request, change) {
                    step.outputs.push(Output::Reply { request, answer });
                }
            }
        }
    }

    fn absorb_move(&mut self, request: RequestId, wanted: Wanted, step: &mut Step) {
        if let Err(answer) = Requests::begin(&mut self.memory, request, wanted) {
            step.outputs.push(Output::Reply { request, answer });
        }
    }

    fn absorb_reinit(
        &mut self,
        request: RequestId,
        force: bool,
        from_leader: bool,
        step: &mut Step,
    ) {
        let busy = || reinit::busy(&self.memory).filter(|_| !force);
        if let Some(answer) = reinit::refusal(&self.memory).or_else(busy) {
            step.outputs.push(Output::Reply { request, answer });
            return;
        }
        // What ends the server ends by itself, and a copy waits for it: nobody takes a fence back.
        if word::busy(&self.memory) != word::Busy::Stopping
            && let Some(op) = self.memory.work.cancel(Lane::Server)
        {
            step.outputs.push(Output::Cancel { op });
        }
        let displaced = [
            restart::displace(&mut self.memory),
            reinit::displace(&mut self.memory),
        ];
        for (request, answer) in displaced.into_iter().flatten() {
            step.outputs.push(Output::Reply { request, answer });
        }
        reinit::begin(&mut self.memory, request, from_leader);
    }
}
