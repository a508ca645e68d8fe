//! A cluster of real daemons, PostgreSQL servers and a store on this machine, to be broken and asked.
//!
//! All calls block. Everything lives in a temporary folder and on ports of its own, so that
//! clusters run beside each other. The waiting calls panic after a minute with what they waited
//! for. Only interfaces that Patroni has as well are asked, so that another program can be put in
//! the daemon's place.
//!
//! Invariant: whatever a test does, its processes end with its [`Cluster`].

mod builder;
mod configuration;
mod control;
mod failure;
mod http;
mod load;
mod member;
mod ports;
pub(crate) mod processes;
mod programs;
mod relay;
mod security;
mod session;
mod store;
mod writer;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

pub use builder::Builder;
pub use control::{Control, Ended};
pub use http::{Response, get};
pub use load::Load;
pub use member::Member;
pub use ports::free as free_port;
pub use programs::{built as built_program, control as control_program, postgres_folder};
pub use security::Security;
pub use session::{Endpoint, Notice, Session, SqlError, Wanted};
pub use store::{StoreKind, StoreServers};
pub use writer::{Ack, Refusal, Writer, Written};

/// How long a condition may take to come true. Generous, because other tests share the machine.
pub const LONG: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(20);

/// Waits until there is a value.
///
/// # Panics
/// When there is none in time.
pub fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_within(LONG, what, condition)
}

/// Waits until there is a value, for at most `limit`.
///
/// # Panics
/// When there is none in time.
pub fn wait_within<T>(limit: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} for {what}");
        std::thread::sleep(STEP);
    }
}

/// Members, their store and their folder.
#[derive(Debug)]
pub struct Cluster {
    members: Vec<Member>,
    builder: Builder,
    store: Mutex<StoreServers>,
    folder: TempDir,
}

impl Cluster {
    /// A cluster to be configured and started.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// All members, in the order of their names `n1`, `n2` ...
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member of this name.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn member(&self, name: &str) -> &Member {
        let mut members = self.members.iter();
        let found = members.find(|member| member.name() == name);
        found.unwrap_or_else(|| panic!("there is no member {name}"))
    }

    /// All members but this one.
    #[must_use]
    pub fn others(&self, name: &str) -> Vec<&Member> {
        let members = self.members.iter();
        members.filter(|member| member.name() != name).collect()
    }

    /// Adds an empty member to the running cluster and starts its daemon.
    pub fn add_member(&mut self) -> &Member {
        let number = self.members.len() + 1;
        let store = self.store.get_mut().unwrap_or_else(PoisonError::into_inner);
        let member = self.builder.member(number, self.folder.path(), store);
        self.members.push(member);
        let member = &self.members[number - 1];
        member.start_daemon();
        member
    }

    /// The store's servers. Do not hold the guard while waiting.
    pub fn store(&self) -> MutexGuard<'_, StoreServers> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cluster's name.
    #[must_use]
    pub const fn scope(&self) -> &'static str {
        configuration::SCOPE
    }

    /// What all keys of this cluster in the store begin with.
    #[must_use]
    pub fn store_prefix(&self) -> String {
        format!("/service/{}/", configuration::SCOPE)
    }

    /// Where everything of this cluster is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client that writes a row every so often to whoever is primary.
    #[must_use]
    pub fn writer(&self, every: Duration) -> Writer {
        let servers = self.members.iter().map(Member::endpoint).collect();
        Writer::start(self, servers, every)
    }

    /// A client that writes a row every so often through a port of this machine, behind which
    /// something finds the primary; acknowledgements count as of `name`.
    #[must_use]
    pub fn writer_through(&self, name: &str, port: u16, every: Duration) -> Writer {
        let way = Endpoint {
            member: name.to_owned(),
            port,
            ..self.members[0].endpoint()
        };
        Writer::start(self, vec![way], every)
    }

    /// A client that writes a row every so often to one member, while its server takes writes.
    #[must_use]
    pub fn pinned_writer(&self, member: &str, every: Duration) -> Writer {
        Writer::start(self, vec![self.member(member).endpoint()], every)
    }

    /// Orders a planned move from the leader; answers when it is done or refused.
    ///
    /// # Panics
    /// When the leader does not answer.
    #[must_use]
    pub fn switchover(&self, leader: &str, candidate: Option<&str>) -> Response {
        let mut order = json!({"leader": leader});
        if let Some(candidate) = candidate {
            order["candidate"] = candidate.into();
        }
        let answer = self.member(leader).send("POST", "/switchover", &order);
        answer.unwrap_or_else(|error| panic!("{leader} does not answer: {error}"))
    }

    /// A member that says it leads and whose server takes writes; nothing when there is none.
    #[must_use]
    pub fn primary(&self) -> Option<&Member> {
        let mut members = self.members.iter();
        members.find(|member| is_primary(member))
    }

    /// The timeline of the primary.
    ///
    /// # Panics
    /// When none answers in time.
    #[must_use]
    pub fn timeline(&self) -> u64 {
        wait_for("the primary's timeline", || {
            self.primary()?.status()?["timeline"].as_u64()
        })
    }
}

/// Waiting for conditions.
impl Cluster {
    /// Waits until this member leads as primary.
    pub fn wait_for_leader(&self, name: &str) {
        let member = self.member(name);
        wait_for(&format!("{name} to lead"), || {
            is_primary(member).then_some(())
        });
    }

    /// Waits until another member than this one leads as primary.
    pub fn wait_for_leader_other_than(&self, name: &str) -> &Member {
        wait_for(&format!("another member than {name} to lead"), || {
            let others = self.others(name).into_iter();
            others.clone().find(|member| is_primary(member))
        })
    }

    /// Waits until all members whose daemon runs agree on one leader, its server takes writes, and
    /// the others stream from it on its timeline. Returns the leader.
    pub fn wait_until_settled(&self) -> &Member {
        let mut missing = String::new();
        let deadline = Instant::now() + LONG;
        while Instant::now() < deadline {
            match self.settled_leader() {
                Ok(leader) => return leader,
                Err(problem) => missing = problem,
            }
            std::thread::sleep(STEP);
        }
        panic!("the cluster has not settled in {LONG:?}: {missing}");
    }

    /// Waits until every member's server has received all that the primary has written.
    pub fn wait_until_caught_up(&self) {
        let leader = self.wait_until_settled();
        let end = wait_for("the primary's position", || {
            leader.ask("SELECT pg_catalog.pg_current_wal_flush_lsn()")
        });
        let query = format!("SELECT pg_catalog.pg_last_wal_receive_lsn() >= '{end}'");
        for member in self.others(leader.name()) {
            if member.is_daemon_running() {
                wait_for(&format!("{} to receive {end}", member.name()), || {
                    (member.ask(&query)? == "t").then_some(())
                });
            }
        }
    }

    /// The leader of a cluster in order, or what is not in order.
    fn settled_leader(&self) -> Result<&Member, String> {
        let mut running = self.members.iter();
        let running: Vec<&Member> = running
            .by_ref()
            .filter(|member| member.is_daemon_running())
            .collect();
        let first = running.first().ok_or("no daemon runs")?;
        let leader = named_leader(first)?;
        for member in &running {
            let named = named_leader(member)?;
            if named != leader {
                let (a, b) = (first.name(), member.name());
                return Err(format!("{a} says {leader} leads, {b} says {named}"));
            }
        }
        let leader = self.member(&leader);
        let timeline = is_primary(leader)
            .then(|| leader.status())
            .flatten()
            .map(|status| status["timeline"].clone())
            .ok_or_else(|| format!("{} is not primary", leader.name()))?;
        for member in running.iter().filter(|m| m.name() != leader.name()) {
            is_streaming(member, &timeline)?;
        }
        let query = "SELECT count(*) FROM pg_catalog.pg_stat_replication WHERE state = 'streaming'";
        let streams = leader
            .ask(query)
            .and_then(|count| count.parse::<usize>().ok());
        match streams {
            Some(count) if count + 1 >= running.len() => Ok(leader),
            count => Err(format!(
                "{} standbys stream from {}",
                count.unwrap_or(0),
                leader.name()
            )),
        }
    }
}

/// Whether the member says that it leads and its server takes writes.
fn is_primary(member: &Member) -> bool {
    let answer = member.get("/primary");
    answer.is_ok_and(|answer| answer.status == 200)
}

fn is_streaming(member: &Member, timeline: &Value) -> Result<(), String> {
    let name = member.name();
    let status = member
        .status()
        .ok_or_else(|| format!("{name} does not answer"))?;
    let is_it = status["replication_state"] == "streaming" && status["timeline"] == *timeline;
    if is_it {
        Ok(())
    } else {
        Err(format!(
            "{name} does not stream on timeline {timeline}: {status}"
        ))
    }
}

/// The one leader that a member sees in the store.
fn named_leader(member: &Member) -> Result<String, String> {
    let name = member.name();
    let view = member
        .get("/cluster")
        .map_err(|error| format!("{name} does not answer: {error}"))?;
    let view = view.json();
    let members = view["members"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut leaders = members.iter().filter(|member| member["role"] == "leader");
    match (leaders.next(), leaders.next()) {
        (Some(leader), None) => Ok(leader["name"].as_str().unwrap_or_default().to_owned()),
        _ => Err(format!("{name} does not see one leader: {view}")),
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        failure::end(&self.members, &mut self.folder, self.builder.errors());
    }
}
