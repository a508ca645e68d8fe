//! What a script waits for.

use std::time::Duration;

use super::look;
use super::news::News;
use super::stage::Stage;
use crate::ids::{At, Node};
use crate::units;
use crate::world::World;

/// How long a cluster must work without a break before it counts as working.
const STEADY: Duration = Duration::from_secs(1);

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// An instant.
    Instant(At),
    /// A cluster that works.
    Stable,
    /// A member holds the leader key.
    Leader(Node),
    /// A member's server takes writes.
    Primary(Node),
    /// A member's server has no postmaster.
    Down(Node),
    /// A task of a member runs.
    Task(Node, String),
    /// A member decides with this code.
    Decision(Node, String),
}

impl Until {
    pub(super) fn read(stage: &Stage, text: &str) -> Result<Self, String> {
        if text == "stable" {
            return Ok(Self::Stable);
        }
        if text.starts_with("T+") {
            return Ok(Self::Instant(units::instant(text)?));
        }
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            ["leader", member] => Ok(Self::Leader(stage.member(member)?)),
            ["primary", member] => Ok(Self::Primary(stage.member(member)?)),
            ["down", member] => Ok(Self::Down(stage.member(member)?)),
            ["task", member, task] => Ok(Self::Task(stage.member(member)?, task.to_owned())),
            [member, code] => Ok(Self::Decision(stage.member(member)?, code.to_owned())),
            _ => Err(format!("nobody can wait for {text}")),
        }
    }

    fn is_so(&self, world: &World, news: &News) -> bool {
        match self {
            Self::Instant(at) => world.instant() >= *at,
            Self::Stable => look::is_stable(world),
            Self::Leader(node) => world.leader() == Some(*node),
            Self::Primary(node) => world.host(*node).server.is_writable(),
            Self::Down(node) => world.host(*node).server.is_down(),
            Self::Task(node, name) => {
                let agent = world.host(*node).agent.as_ref();
                agent.is_some_and(|agent| agent.subject.find(name).is_some())
            }
            Self::Decision(node, code) => news.has_decided(*node, code),
        }
    }
}

/// Lets time pass until something is so; what to say when it never was.
pub(super) fn wait(
    stage: &mut Stage,
    until: &Until,
    limit: Duration,
) -> Result<Result<(), String>, String> {
    let end = stage.world()?.instant().plus(limit);
    loop {
        let now = stage.world()?.instant();
        let came = stage.pass(end.since(now), |world, news| until.is_so(world, news))?;
        let is_there = matches!(until, Until::Instant(at) if stage.world()?.instant() >= *at);
        if !came && !is_there {
            return Ok(Err(look::everybody(stage.world()?)));
        }
        let must_last = *until == Until::Stable;
        if !must_last || !stage.pass(STEADY, |world, _| !look::is_stable(world))? {
            return Ok(Ok(()));
        }
    }
}
