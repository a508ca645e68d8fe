//! A way in words, for the list that a search ends with.

use std::fmt;

use super::small::Small;
use super::way::{Mended, Moment, Trouble, Way};
use crate::ids::Node;

impl Small {
    /// What is about to happen, with the instant at which it does.
    pub(super) fn words(&self, way: Way) -> String {
        format!("{:<8} {}", self.now.to_string(), Words { small: self, way })
    }

    fn task(&self, node: Node, job: usize) -> String {
        let jobs = &self.member(node).jobs;
        jobs.get(job).map_or_else(String::new, |job| {
            format!("{} ({})", job.ask.task.name(), job.op)
        })
    }
}

struct Words<'a> {
    small: &'a Small,
    way: Way,
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = |node, job| self.small.task(node, job);
        match self.way {
            Way::Wake(node) => write!(f, "{node}: its timer runs out"),
            Way::Look(node, Moment::Beginning) => {
                write!(
                    f,
                    "{node}: its look at the server tells what was there when it began"
                )
            }
            Way::Look(node, Moment::End) => {
                write!(f, "{node}: its look at the server tells what is there")
            }
            Way::View(node) => write!(f, "{node}: a view of the store arrives"),
            Way::WatchLost(node) => write!(f, "{node}: gives up its watch"),
            Way::WatchBack(node) => write!(f, "{node}: its watch works again"),
            Way::Work(node, job) => write!(f, "{node}: {} is done", task(node, job)),
            Way::Answer(node, job, whom) => {
                write!(f, "{node}: {} is answered by {whom}", task(node, job))
            }
            Way::End(node, job) => write!(f, "{node}: hears of the end of {}", task(node, job)),
            Way::Timeout(node, job) => write!(f, "{node}: gives up {}", task(node, job)),
            Way::Late(node, index) => {
                let late = &self.small.member(node).late[index];
                write!(f, "{node}: {} of before arrives", late.task.name())
            }
            Way::Process(node) => {
                let process = self.small.disks.server(node).process;
                write!(f, "server of {node}: goes on from {process:?}")
            }
            Way::Stream(node) => write!(f, "server of {node}: looks for WAL"),
            Way::Expire => f.write_str("store: ends the sessions whose time is over"),
            Way::Guard(node) => write!(f, "guardian of {node}: kills the server"),
            Way::Write(node) => write!(f, "client: {node} acknowledges a row"),
            Way::Pass(at) => write!(f, "time passes until {at}"),
            Way::Mend(node, mended) => match mended {
                Mended::Cut => write!(f, "{node}: reaches the store again"),
                Mended::Freeze => write!(f, "agent of {node}: moves again"),
                Mended::FrozenServer => write!(f, "server of {node}: moves again"),
                Mended::Crash => write!(f, "agent of {node}: is started"),
            },
            Way::Fault(trouble) => self.trouble(trouble, f),
        }
    }
}

impl Words<'_> {
    fn trouble(&self, trouble: Trouble, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FAULT ")?;
        match trouble {
            Trouble::Server { node, orphans } => {
                let rest = if orphans {
                    "its backends live on"
                } else {
                    "all of it is gone"
                };
                write!(f, "the postmaster of {node} is killed, {rest}")
            }
            Trouble::Agent(node) => write!(f, "the agent of {node} is killed"),
            Trouble::Cut(node) => write!(f, "{node} is cut off from the store"),
            Trouble::Freeze(node) => write!(f, "the agent of {node} stands still"),
            Trouble::FreezeServer(node) => write!(f, "the server of {node} stands still"),
            Trouble::Mute(node, job) => {
                let task = self.small.task(node, job);
                write!(f, "{task} of {node} is done and its answer is lost")
            }
            Trouble::Linger(node, job) => {
                let task = self.small.task(node, job);
                write!(f, "{task} of {node} is held up")
            }
            Trouble::Move(node) => write!(f, "an operator asks {node} for a switchover"),
        }
    }
}
