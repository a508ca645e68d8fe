//! The little world of a script: a clock, a store, and members that are stepped by hand.
//!
//! Every member name passes through [`World::name`], so that a script can be run a second time
//! with all members renamed: the outputs must be the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use herdsman_ha_core::{
    About, Boot, Deadline, Input, InstanceId, Lsn, MemberName, Mono, Now, OpId, Output, SenderView,
    Settings, SlotView, Step, SyncNames, SystemId, Task, Timeline, WaitsFor, Wall,
};

use super::command::finish;
use super::print;
use super::store::Store;
use herdsman_sim::checked::Checked;
use herdsman_sim::words::list;

/// `T+0` on the clock of the machines: late enough that subtracting a lease time is exact.
const ZERO: Mono = Mono(1_000_000_000_000);

/// How much a script prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// Names of tasks and what a reader looks for.
    Brief,
    /// Also guards and writes of commits.
    Full,
}

/// What happens to the writing that keeps the store and the slots up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upkeep {
    /// It succeeds at once and is not printed.
    Unseen,
    /// It is printed and finished by the script.
    ByHand,
}

/// Everything a script has set up.
#[derive(Clone, Debug)]
pub(crate) struct World {
    prefix: &'static str,
    now: Mono,
    pub(crate) store: Store,
    pub(crate) members: BTreeMap<String, Member>,
    pub(crate) show: Show,
    pub(crate) upkeep: Upkeep,
    /// The member that was stepped last, for commands that name none.
    current: Option<String>,
    /// Rules that were broken.
    pub(crate) violations: Vec<String>,
    /// The codes of all decisions that were printed.
    pub(crate) codes: BTreeSet<&'static str>,
}

/// A member: its machine, and its server as the facts have described it so far.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) subject: Checked,
    pub(crate) run: u32,
    pub(crate) sessions: u32,
    pub(crate) server: Server,
    wake: Option<(Mono, Deadline)>,
    printed_wake: Option<(Mono, Deadline)>,
}

/// What later `local` facts need not say again.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) was_primary: bool,
    pub(crate) timeline: Timeline,
    /// Where each earlier timeline of its history ended.
    pub(crate) past: Arc<[(Timeline, Lsn)]>,
    pub(crate) received: Lsn,
    pub(crate) replayed: Lsn,
    pub(crate) upstream: Option<String>,
    pub(crate) system: SystemId,
    /// Its slots; what is not said is at the end of its WAL and unused.
    pub(crate) slots: BTreeMap<String, Option<SlotView>>,
    pub(crate) about: Option<About>,
    /// Whom commits of its primary wait for.
    pub(crate) waits_for: WaitsFor,
    /// Who streams from it.
    pub(crate) senders: Vec<SenderView>,
}

/// The system identifier of a script's cluster, unless a fact says otherwise.
pub(crate) const SYSTEM: SystemId = SystemId(7_000_000_001);

impl World {
    /// An empty world in which every name begins with `prefix`.
    pub(crate) fn new(prefix: &'static str) -> Self {
        Self {
            prefix,
            now: ZERO,
            store: Store::default(),
            members: BTreeMap::new(),
            show: Show::Brief,
            upkeep: Upkeep::Unseen,
            current: None,
            violations: Vec::new(),
            codes: BTreeSet::new(),
        }
    }

    /// Forgets everything but what the harness itself counts.
    pub(crate) fn begin_anew(&mut self) {
        let fresh = Self::new(self.prefix);
        let before = std::mem::replace(self, fresh);
        self.violations = before.violations;
        self.codes = before.codes;
    }

    /// A member's name as the machines see it.
    pub(crate) fn name(&self, name: &str) -> MemberName {
        MemberName::from(format!("{}{name}", self.prefix))
    }

    pub(crate) fn now(&self) -> Mono {
        self.now
    }

    /// Moves the clock to `instant`, which must not have passed.
    pub(crate) fn advance(&mut self, instant: Mono) -> Result<(), String> {
        if instant < self.now {
            return Err(format!("{} has passed", print::instant(instant)));
        }
        self.now = instant;
        Ok(())
    }

    /// Makes a member, or starts its agent anew with the server as it is.
    pub(crate) fn start_agent(&mut self, name: &str, settings: Settings, seed: u64) {
        let before = self.members.get(name);
        let run = before.map_or(1, |member| member.run + 1);
        let sessions = before.map_or(0, |member| member.sessions);
        let server = before.map_or_else(Server::new, |member| member.server.clone());
        let boot = Boot::new(InstanceId::from(instance(&self.name(name), run)), seed);
        let member = Member {
            subject: Checked::new(settings, boot, self.clocks()),
            run,
            sessions,
            server,
            wake: None,
            printed_wake: None,
        };
        self.members.insert(name.to_owned(), member);
        self.current = Some(name.to_owned());
    }

    /// The named member, or the one of the last command.
    pub(crate) fn choose(&mut self, name: Option<String>) -> Result<String, String> {
        let name = name
            .or_else(|| self.current.clone())
            .ok_or("there is no member yet")?;
        if !self.members.contains_key(&name) {
            return Err(format!("there is no member {name}"));
        }
        self.current = Some(name.clone());
        Ok(name)
    }

    pub(crate) fn member(&self, name: &str) -> &Member {
        &self.members[name]
    }

    pub(crate) fn member_mut(&mut self, name: &str) -> &mut Member {
        self.members
            .get_mut(name)
            .expect("commands choose a member that is there")
    }

    fn clocks(&self) -> Now {
        Now {
            mono: self.now,
            wall: wall_at(self.now),
        }
    }

    /// One step of a member, and of the upkeep that it starts.
    pub(crate) fn feed(&mut self, name: &str, input: Input, lines: &mut Vec<String>) {
        let now = self.clocks();
        let member = self.member_mut(name);
        let Step { outputs, wake } = member.subject.step(now, input);
        member.wake = wake;
        let broken = member.subject.violations();
        self.violations.extend(broken);
        let mut upkeep = Vec::new();
        for output in outputs {
            if let Output::Decided(decision) = &output {
                self.codes.insert(decision.reason.code().as_str());
            }
            match &output {
                Output::Start { op, task } if self.is_unseen(task) => upkeep.push(*op),
                Output::Start { .. }
                | Output::Decided(_)
                | Output::Cancel { .. }
                | Output::Reply { .. }
                | Output::Quit(_) => lines.push(print::output(self, name, &output)),
            }
        }
        for op in upkeep {
            self.finish_upkeep(name, op, lines);
        }
    }

    fn is_unseen(&self, task: &Task) -> bool {
        let is_upkeep = matches!(
            task.name(),
            "publish-member" | "publish-status" | "sync-slots"
        );
        is_upkeep && self.upkeep == Upkeep::Unseen
    }

    fn finish_upkeep(&mut self, name: &str, op: OpId, lines: &mut Vec<String>) {
        match finish::succeed(self, name, op) {
            Ok(outcome) => self.feed(name, Input::Done { op, outcome }, lines),
            Err(problem) => self.violations.push(problem),
        }
    }

    /// The next wake of a member.
    pub(crate) fn wake(&self, name: &str) -> Option<(Mono, Deadline)> {
        self.member(name).wake
    }

    /// The wake, when it has changed since it was last printed.
    pub(crate) fn changed_wake(&mut self) -> Option<String> {
        let name = self.current.clone()?;
        let member = self.members.get_mut(&name)?;
        if member.wake == member.printed_wake {
            return None;
        }
        member.printed_wake = member.wake;
        let (at, deadline) = member.wake?;
        Some(format!(
            "wake {} {}",
            print::instant(at),
            print::word(&deadline)
        ))
    }

    /// An output as the script's author wrote the names.
    pub(crate) fn unprefixed(&self, line: &str) -> String {
        if self.prefix.is_empty() {
            return line.to_owned();
        }
        let slots = self.prefix.replace('-', "_");
        line.replace(self.prefix, "").replace(&slots, "")
    }
}

impl Server {
    pub(crate) fn wait_for(&mut self, names: &SyncNames) {
        self.waits_for = match names {
            SyncNames::Configured => WaitsFor::default(),
            SyncNames::All(names) => WaitsFor::All(names.clone()),
            SyncNames::Unmatched => WaitsFor::Unmatched,
        };
    }

    fn new() -> Self {
        Self {
            was_primary: false,
            timeline: Timeline(1),
            past: Arc::default(),
            received: Lsn(0x300_0000),
            replayed: Lsn(0x300_0000),
            upstream: None,
            system: SYSTEM,
            slots: BTreeMap::new(),
            about: None,
            waits_for: WaitsFor::default(),
            senders: Vec::new(),
        }
    }

    /// The end of its WAL.
    pub(crate) fn end(&self) -> Lsn {
        self.received.max(self.replayed)
    }
}

/// The instance of a member's n-th agent.
pub(crate) fn instance(name: &MemberName, run: u32) -> String {
    format!("{name}#{run}")
}

/// The name of a member's n-th session.
pub(crate) fn session(name: &MemberName, number: u32) -> String {
    format!("{name}.{number}")
}

/// Seconds since `T+0` as a duration, for printing.
pub(crate) fn since_zero(instant: Mono) -> Duration {
    instant.since(ZERO)
}

/// What a clock on the wall shows at an instant of a script.
pub(crate) fn wall_at(instant: Mono) -> Wall {
    let milliseconds = instant.0 / 1_000_000;
    Wall(i64::try_from(milliseconds).unwrap_or(i64::MAX))
}

/// `1:0/3000000,2:0/4000000`: which timeline ended where.
pub(crate) fn read_history(text: &str) -> Result<Vec<(Timeline, Lsn)>, String> {
    let lines = list(text);
    let lines = lines.iter().map(|line| {
        let wrong = || format!("{line} is not timeline:position");
        let (timeline, end) = line.split_once(':').ok_or_else(wrong)?;
        let timeline = timeline.parse().map_err(|_| wrong())?;
        Ok((Timeline(timeline), end.parse().map_err(|_| wrong())?))
    });
    lines.collect()
}

/// `T+12.5` as an instant.
pub(crate) fn read_instant(text: &str) -> Result<Mono, String> {
    let wrong = || format!("{text} is no instant such as T+12.5");
    let seconds: f64 = text
        .strip_prefix("T+")
        .and_then(|seconds| seconds.parse().ok())
        .ok_or_else(wrong)?;
    let after = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
    // Whole microseconds: what a decimal fraction of seconds means.
    let micros =
        u64::try_from((after + Duration::from_nanos(500)).as_micros()).map_err(|_| wrong())?;
    Ok(ZERO.plus(Duration::from_micros(micros)))
}
