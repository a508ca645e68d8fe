//! Faults as lines of a script, and back without loss.
//!
//! One fault is one line. A cut or a delay of both directions, and a cut from several at once, are
//! one line too and several faults: [`lines`] puts together what [`read`] takes apart.

use std::fmt;

use super::{Deed, End, Fault, Lasting};
use crate::ids::Node;
use crate::units::Seconds;

mod read;
#[cfg(test)]
mod tests;

pub use read::read;

/// The first words of all faults.
pub const VERBS: &[&str] = &[
    "crash",
    "start",
    "pause",
    "quirk",
    "cut",
    "slow",
    "heal",
    "dcs",
    "watch",
    "stale",
    "recycle",
    "lose-disk",
    "operator",
    "upon",
];

/// The lines of faults that happen in one instant: both directions of a connection are one line.
#[must_use]
pub fn lines(faults: &[Fault]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = faults;
    while let Some(fault) = rest.first() {
        let (line, taken) = match both_ways(rest) {
            Some(joined) => joined,
            None => (fault.to_string(), 1),
        };
        lines.push(line);
        rest = &rest[taken..];
    }
    lines
}

/// The line of what cuts or slows both directions, and how many faults that are.
fn both_ways(faults: &[Fault]) -> Option<(String, usize)> {
    let (verb, from, first, rest_of_line) = pair(faults)?;
    let mut others = vec![first];
    if verb == "cut" {
        while let Some((verb, again, other, tail)) = pair(&faults[2 * others.len()..]) {
            if (verb, again, &tail) != ("cut", from, &rest_of_line) {
                break;
            }
            others.push(other);
        }
    }
    let taken = 2 * others.len();
    let others: Vec<String> = others.iter().map(End::to_string).collect();
    Some((
        format!("{verb} {from} {}{rest_of_line}", others.join(",")),
        taken,
    ))
}

/// Whether the first two faults are the two directions of one.
fn pair(faults: &[Fault]) -> Option<(&'static str, End, End, String)> {
    let [there, back, ..] = faults else {
        return None;
    };
    let (verb, from, to, tail) = connection(there)?;
    (connection(back)? == (verb, to, from, tail.clone())).then_some((verb, from, to, tail))
}

fn connection(fault: &Fault) -> Option<(&'static str, End, End, String)> {
    if let Fault::Cut { from, to, lasting } = fault {
        return Some(("cut", *from, *to, For(*lasting).to_string()));
    }
    let Fault::Slow {
        from,
        to,
        by,
        lasting,
    } = fault
    else {
        return None;
    };
    let tail = format!(" by={}{}", Seconds(*by), For(*lasting));
    Some(("slow", *from, *to, tail))
}

/// ` for=40`, or nothing.
struct For(Lasting);

impl fmt::Display for For {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(duration) => write!(f, " for={}", Seconds(duration)),
            None => Ok(()),
        }
    }
}

/// ` to=c`, or nothing.
struct To(Option<Node>);

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(node) => write!(f, " to={node}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "{node}"),
            Self::Store => f.write_str("dcs"),
            Self::Clients => f.write_str("clients"),
        }
    }
}

impl fmt::Display for Fault {
    /// The line of a script that does this, and nothing else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CrashHost(node, lasting) => write!(f, "crash {node}{}", For(*lasting)),
            Self::CrashAgent(node, lasting) => write!(f, "crash {node} agent{}", For(*lasting)),
            Self::CrashServer { node, orphans } => {
                let orphans = if *orphans { " orphans" } else { "" };
                write!(f, "crash {node} server{orphans}")
            }
            Self::CrashBackend(node) => write!(f, "crash {node} backend"),
            Self::FreezeAgent(node, lasting) => write!(f, "pause {node}{}", For(*lasting)),
            Self::FreezeServer(node, lasting) => write!(f, "pause {node} server{}", For(*lasting)),
            Self::FreezeHost(node, lasting) => write!(f, "pause {node} host{}", For(*lasting)),
            Self::Start(node) => write!(f, "start {node}"),
            Self::Quirk(node, quirk, lasting) => {
                write!(f, "quirk {node} {}{}", quirk.word(), For(*lasting))
            }
            Self::RecycleWal(node) => write!(f, "recycle {node}"),
            Self::LoseDisk(node) => write!(f, "lose-disk {node}"),
            Self::Cut { from, to, lasting } => {
                write!(f, "cut {from} {to} oneway{}", For(*lasting))
            }
            Self::Slow {
                from,
                to,
                by,
                lasting,
            } => write!(
                f,
                "slow {from} {to} oneway by={}{}",
                Seconds(*by),
                For(*lasting)
            ),
            Self::Heal => f.write_str("heal"),
            Self::StoreDown(lasting) => write!(f, "dcs down{}", For(*lasting)),
            Self::StoreUp => f.write_str("dcs up"),
            Self::StoreElection(duration) => write!(f, "dcs election for={}", Seconds(*duration)),
            Self::LoseReply(call) => write!(f, "dcs lose-reply next={}", call.word()),
            Self::Delay(call, by) => {
                write!(f, "dcs delay next={} by={}", call.word(), Seconds(*by))
            }
            Self::BreakWatch(node, duration) => {
                write!(f, "watch {node} broken for={}", Seconds(*duration))
            }
            Self::StaleReads(node, lasting) => write!(f, "stale {node}{}", For(*lasting)),
            Self::OldView {
                node,
                back,
                reconnects,
            } => {
                let how = if *reconnects { "reconnect" } else { "once" };
                write!(f, "stale {node} {how} back={}", Seconds(*back))
            }
            Self::Deed(deed) => write!(f, "operator {deed}"),
            Self::Upon {
                work,
                after,
                mishap,
                lasting,
            } => write!(
                f,
                "upon {} {} after={} for={}",
                work.word(),
                mishap.word(),
                Seconds(*after),
                Seconds(*lasting)
            ),
        }
    }
}

impl fmt::Display for Deed {
    /// What follows `operator`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switchover { at, to } => write!(f, "{at} switchover{}", To(*to)),
            Self::Failover { to } => write!(f, "failover to={to}"),
            Self::Restart { at, away } => write!(f, "{at} restart away={}", Seconds(*away)),
            Self::RestartServer { at } => write!(f, "{at} restart-server"),
            Self::Reinit { at } => write!(f, "{at} reinit"),
            Self::Pause(true) => f.write_str("pause"),
            Self::Pause(false) => f.write_str("resume"),
            Self::SetTtl(ttl) => write!(f, "ttl={}", Seconds(*ttl)),
            Self::DeleteLeaderKey => f.write_str("delete-leader-key"),
            Self::OverwriteLeaderKey(node) => write!(f, "overwrite-leader-key {node}"),
            Self::WipeStore => f.write_str("wipe-store"),
            Self::RestoreStore(back) => write!(f, "restore-store back={}", Seconds(*back)),
        }
    }
}
