//! Three members in one process over one store.
//!
//! Invariant: when a [`Cluster`] is gone no process of its servers is left, however it went.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use herdsman_agent::Clock;
use herdsman_ha_core::{Code, Lsn, ServerView, Status};
use rustix::process::{Pid, Signal, kill_process};

use crate::configuration::{Place, Shared};
use crate::member::Member;
use crate::store::{Kind, Store};
use crate::{AnyError, chance, ports};

const NAMES: [&str; 3] = ["n1", "n2", "n3"];
/// How long members may take to stop in order.
const LEAVE: Duration = Duration::from_secs(15);
/// How long killing the processes of a server may take.
const KILL: Duration = Duration::from_secs(10);

/// The members, running.
pub(crate) struct Cluster {
    members: Vec<Member>,
    pub(crate) clock: Arc<Clock>,
    superuser_password: String,
    /// Gone after the members.
    store: Store,
}

/// A member of the cluster, by its place in the list: stable as long as the cluster lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Index(pub(crate) usize);

impl Cluster {
    /// Starts all members at once, in empty folders below `folder`.
    pub(crate) async fn start(
        folder: &Path,
        bin_dir: PathBuf,
        kind: Kind,
    ) -> Result<Self, AnyError> {
        // Servers of a store take a moment, and whoever waits for them blocks.
        let store = tokio::task::spawn_blocking(move || Store::start(kind)).await??;
        let superuser_password = chance::password()?;
        let shared = Shared {
            bin_dir,
            superuser_password: superuser_password.clone(),
            replication_password: chance::password()?,
            store: store.section(),
        };
        let clock = Arc::new(Clock::default());
        let ports = ports::free(2 * NAMES.len())?;
        let mut cluster = Self {
            members: Vec::new(),
            clock,
            superuser_password,
            store,
        };
        for (name, ports) in NAMES.iter().zip(ports.chunks_exact(2)) {
            let place = Place {
                name: (*name).to_owned(),
                folder: folder.join(name),
                port: ports[0],
                api_port: ports[1],
            };
            std::fs::create_dir(&place.folder)?;
            let member = Member::start(&shared, place, &cluster.store).await?;
            cluster.members.push(member);
        }
        Ok(cluster)
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (Index, &Member)> {
        self.members
            .iter()
            .enumerate()
            .map(|(index, member)| (Index(index), member))
    }

    pub(crate) fn member(&self, index: Index) -> &Member {
        &self.members[index.0]
    }

    pub(crate) fn name(&self, index: Index) -> &str {
        &self.members[index.0].place.name
    }

    pub(crate) fn statuses(&self) -> Vec<Arc<Status>> {
        self.members
            .iter()
            .map(|member| member.handle.status())
            .collect()
    }

    /// Where the servers listen, in the order of the members.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.members
            .iter()
            .map(|member| ([127, 0, 0, 1], member.place.port).into())
            .collect()
    }

    pub(crate) fn superuser_password(&self) -> &str {
        &self.superuser_password
    }

    /// The member that holds the lease and whose server is primary.
    pub(crate) fn primary(&self) -> Option<Index> {
        let found = self.members().find(|(_, member)| {
            let status = member.handle.status();
            status.lease.is_some() && primary_position(&status).is_some()
        });
        found.map(|(index, _)| index)
    }

    /// Whether the member has found itself leading: the last step of becoming the primary.
    pub(crate) fn leads(&self, index: Index) -> bool {
        let status = self.member(index).handle.status();
        let decision = status
            .decision
            .as_ref()
            .map(|decision| decision.reason.code());
        status.lease.is_some() && decision == Some(Code::Leading)
    }

    /// The primary, when every other member streams from it.
    pub(crate) fn complete(&self) -> Option<Index> {
        let primary = self.primary()?;
        let others = self.members().filter(|(index, _)| *index != primary);
        let timeline = timeline(&self.member(primary).handle.status());
        others
            .map(|(_, member)| member.handle.status())
            .all(|status| {
                is_streaming(&status)
                    && self::timeline(&status) == timeline
                    && current_code(&status) == Some(Code::FollowingLeader)
            })
            .then_some(primary)
    }

    /// What ended a member that should run.
    pub(crate) fn first_end(&self) -> Option<String> {
        self.members.iter().find_map(|member| {
            let end = member.end()?;
            Some(format!(
                "the agent of {} has ended: {end}",
                member.place.name
            ))
        })
    }

    /// Kills the process that all others of a server hang on, as the kernel does when memory runs
    /// out. Nobody is told.
    pub(crate) fn kill_postmaster(&self, index: Index) -> Result<u32, AnyError> {
        let path = self.member(index).place.data_dir().join("postmaster.pid");
        let text = std::fs::read_to_string(&path)?;
        let pid: i32 = text.lines().next().unwrap_or_default().trim().parse()?;
        let pid = Pid::from_raw(pid).ok_or("postmaster.pid names no process")?;
        kill_process(pid, Signal::KILL)?;
        Ok(pid.as_raw_nonzero().get().unsigned_abs())
    }

    /// Stops everything in order: standbys first, so that nobody has to take over.
    pub(crate) async fn stop(&self) {
        let primary = self.primary();
        let standbys = self.members().filter(|(index, _)| Some(*index) != primary);
        let standbys: Vec<&Member> = standbys.map(|(_, member)| member).collect();
        leave_all(&standbys).await;
        if let Some(primary) = primary {
            leave_all(&[self.member(primary)]).await;
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // An agent that runs would start again what is killed.
        for member in &mut self.members {
            member.abandon();
        }
        for member in &self.members {
            // After an orderly stop there is nothing to kill.
            if let Err(error) = herdsman_pgctl::kill_server(&member.place.data_dir(), KILL) {
                tracing::error!(%error, member = member.place.name, "its server is left");
            }
        }
    }
}

async fn leave_all(members: &[&Member]) {
    for member in members {
        member.handle.leave();
    }
    let all_left = async {
        for member in members {
            member.ended().await;
        }
    };
    if tokio::time::timeout(LEAVE, all_left).await.is_err() {
        tracing::warn!("the members did not leave in {LEAVE:?}: their servers are killed");
    }
}

fn current_code(status: &Status) -> Option<Code> {
    status
        .decision
        .as_ref()
        .map(|decision| decision.reason.code())
}

/// The end of a primary's WAL; `None` for everything that is no primary.
pub(crate) fn primary_position(status: &Status) -> Option<Lsn> {
    match &status.local.as_ref()?.server {
        ServerView::Primary(primary) => Some(primary.position.lsn),
        ServerView::Standby(_)
        | ServerView::Down { .. }
        | ServerView::Starting
        | ServerView::Stopping
        | ServerView::Unresponsive => None,
    }
}

/// Whether the server is a standby into which WAL streams.
pub(crate) fn is_streaming(status: &Status) -> bool {
    match status.local.as_ref().map(|local| &local.server) {
        Some(ServerView::Standby(standby)) => standby.is_streaming,
        Some(
            ServerView::Primary(_)
            | ServerView::Down { .. }
            | ServerView::Starting
            | ServerView::Stopping
            | ServerView::Unresponsive,
        )
        | None => false,
    }
}

/// The timeline that the server is on.
pub(crate) fn timeline(status: &Status) -> Option<u32> {
    let position = status.local.as_ref()?.server.position()?;
    Some(position.timeline.0)
}
