//! One round of facts.
//!
//! Invariant: a round never fails and never hangs: every part has a limit, and
//! what cannot be seen is a fact. It costs one SQL round trip over a session
//! that is kept, a few small file reads, and a program only when the control
//! file has changed.

mod query;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::connection::Session;
use crate::control_data::{ControlData, Leading};
use crate::data_directory::{Seen, look};
use crate::error::{Error, Result};
use crate::facts::{DataDirectory, Facts, Process, Server, ServerRole};
use crate::instance::Instance;
use crate::process::{LockFile, Postmaster, Status, orphans_of, reap_orphans};
use crate::promote::mark;
use crate::timeline::{HistoryLine, Timeline};

/// A disk that does not answer for so long counts as unreadable.
const DISK_LIMIT: Duration = Duration::from_secs(5);

/// What is kept from one round to the next.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    session: Option<(PostmasterId, Session)>,
    control: Option<KnownControl>,
    /// The recovery that was seen at the end of its local log: the postmaster's
    /// start and the process that recovers, because a crash of a backend makes
    /// recovery begin anew under the same postmaster.
    wal_end: Option<(i64, u32)>,
}

/// Process id and start.
type PostmasterId = (u32, u64);

#[derive(Debug)]
struct KnownControl {
    bytes: Vec<u8>,
    running: Option<PostmasterId>,
    data: ControlData,
}

/// What the files and processes show.
struct Ground {
    seen: Seen,
    orphans: bool,
    lock: Option<LockFile>,
    /// The mark of a promotion.
    order: Option<String>,
}

impl Instance {
    /// One round of facts. It takes about twice the SQL timeout at the very
    /// most, unless the disk hangs, and is never an error: what cannot be seen
    /// is a fact as well.
    ///
    /// Rounds of one instance do not overlap; a second call waits for the first.
    pub async fn facts(&self) -> Facts {
        let mut probe = self.probe().lock().await;
        let mut postmaster = self.postmaster();
        let mut ground = self.look_at_ground(postmaster.is_none()).await;
        if postmaster.is_none() {
            // One that was started while we looked is what was seen, and no remains of another: they
            // would be killed.
            postmaster = self.postmaster();
            ground.orphans &= postmaster.is_none();
        }
        let (process, mut server) = match &postmaster {
            None => (Process::Down, None),
            Some(postmaster) => self.ask(&mut probe, postmaster, ground.lock.as_ref()).await,
        };
        if let (Some(postmaster), Some(server)) = (&postmaster, &mut server) {
            let is_told = mark::is_for(ground.order.as_deref(), postmaster);
            server.is_being_promoted = is_told && server.is_in_recovery();
        }
        let running = match (&process, &postmaster) {
            (Process::Running { .. }, Some(postmaster)) => Some(id_of(postmaster)),
            (_, _) => None,
        };
        let data = match ground.seen {
            Seen::Other(other) => other,
            Seen::Cluster { control } => self.read_control(&mut probe, control, running).await,
        };
        Facts {
            data,
            process,
            orphans: ground.orphans,
            server,
        }
    }

    async fn look_at_ground(&self, is_down: bool) -> Ground {
        let data_dir = self.data_dir().to_owned();
        let looking = tokio::task::spawn_blocking(move || look_around(&data_dir, is_down));
        match tokio::time::timeout(DISK_LIMIT, looking).await {
            Ok(looked) => looked.expect("looking around does not panic"),
            Err(_) => {
                let why = format!("no answer from the disk within {DISK_LIMIT:?}");
                Ground {
                    seen: Seen::Other(DataDirectory::Unreadable(why)),
                    // Nobody has seen that there are none.
                    orphans: is_down,
                    lock: None,
                    order: None,
                }
            }
        }
    }

    async fn ask(
        &self,
        probe: &mut Probe,
        postmaster: &Arc<Postmaster>,
        lock: Option<&LockFile>,
    ) -> (Process, Option<Server>) {
        let pid = postmaster.pid;
        let answer = self.ask_server(probe, postmaster).await;
        if !postmaster.is_alive() {
            probe.session = None;
            return (Process::Down, None);
        }
        match answer {
            Ok(server) => {
                let start_time = lock
                    .filter(|lock| lock.pid == pid)
                    .map_or(server.postmaster_start_millis / 1000, |lock| {
                        lock.start_time
                    });
                (Process::Running { pid, start_time }, Some(server))
            }
            Err(error) => {
                let lock = LockFile::read(self.data_dir()).ok().flatten();
                let status = lock
                    .filter(|lock| lock.pid == pid)
                    .and_then(|lock| lock.status);
                (without_answer(pid, status, &error), None)
            }
        }
    }

    async fn ask_server(&self, probe: &mut Probe, postmaster: &Arc<Postmaster>) -> Result<Server> {
        let limit = self.options().sql_timeout;
        let id = id_of(postmaster);
        // It is put back only after a whole answer. A round that is dropped or
        // late leaves an answer in the pipe that would be taken for the next.
        let kept = probe.session.take();
        if let Some((_, session)) = kept.filter(|kept| kept.0 == id && !kept.1.is_closed()) {
            match self.ask_session(probe, &session, limit).await {
                Ok(server) => {
                    probe.session = Some((id, session));
                    return Ok(server);
                }
                Err(error @ Error::TimedOut { .. }) => return Err(error),
                // The session was ended, or the role changed between two
                // expressions of one statement.
                Err(error) => tracing::debug!(%error, "asking again with a new session"),
            }
        }
        let session = Session::local(self, limit).await?;
        let server = self.ask_session(probe, &session, limit).await?;
        probe.session = Some((id, session));
        Ok(server)
    }

    async fn ask_session(
        &self,
        probe: &mut Probe,
        session: &Session,
        limit: Duration,
    ) -> Result<Server> {
        let results = session
            .run("asking for facts", &query::text(), limit)
            .await?;
        let parameters = self.parameters();
        let mut answer = query::read(&results, session.version, &parameters)?;
        if let ServerRole::Standby(standby) = &mut answer.server.role {
            let recovery = (answer.server.postmaster_start_millis, answer.startup_pid);
            if standby.wal_end_reached {
                probe.wal_end = Some(recovery);
            }
            standby.wal_end_reached = probe.wal_end == Some(recovery);
            answer.server.history = self.history_of(answer.server.timeline).await;
            if standby.replay_paused && session.version.major() >= 14 {
                // Without an answer the server is looked at again soon.
                let limits = self.control_data().await.map(|control| control.limits);
                let limits = limits.unwrap_or_default();
                let is_too_small = |(name, needed): &(&'static str, u64)| {
                    answer.maxima.get(*name).is_some_and(|own| own < needed)
                };
                let too_small = limits.into_iter().filter(is_too_small);
                answer.server.too_small = too_small.map(|(name, _)| name).collect();
            }
        }
        answer.server.synchronous.is_overruled = self.overrules(&parameters);
        Ok(answer.server)
    }

    /// A disk that does not answer tells nothing.
    async fn history_of(&self, timeline: Timeline) -> Vec<HistoryLine> {
        let reading = tokio::time::timeout(DISK_LIMIT, self.own_history(timeline));
        match reading.await {
            Ok(Ok(history)) => history,
            Ok(Err(error)) => {
                tracing::debug!(%error, "our history is not known");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }

    async fn read_control(
        &self,
        probe: &mut Probe,
        bytes: Vec<u8>,
        running: Option<PostmasterId>,
    ) -> DataDirectory {
        if let Some(known) = &probe.control {
            if known.bytes == bytes {
                return DataDirectory::Cluster(known.data.clone());
            }
            // A running server changes the file all the time and tells more
            // itself: the fields that matter are read without the program.
            if running.is_some()
                && known.running == running
                && let Some(leading) = Leading::read(&bytes)
            {
                return DataDirectory::Cluster(leading.refresh(&known.data));
            }
        }
        match self.control_data().await {
            Ok(data) => {
                probe.control = Some(KnownControl {
                    bytes,
                    running,
                    data: data.clone(),
                });
                DataDirectory::Cluster(data)
            }
            Err(error) => {
                probe.control = None;
                DataDirectory::Unreadable(error.to_string())
            }
        }
    }
}

fn id_of(postmaster: &Postmaster) -> PostmasterId {
    (postmaster.pid, postmaster.start_ticks)
}

fn look_around(data_dir: &Path, is_down: bool) -> Ground {
    if is_down {
        reap_orphans();
    }
    Ground {
        seen: look(data_dir),
        // What cannot be looked at is not known to be free of them.
        orphans: is_down && !orphans_of(data_dir).is_ok_and(|pids| pids.is_empty()),
        lock: LockFile::read(data_dir).ok().flatten(),
        order: mark::read(data_dir),
    }
}

/// What a postmaster does that gave no facts, by its own note.
fn without_answer(pid: u32, status: Option<Status>, error: &Error) -> Process {
    match status {
        Some(Status::Stopping) => Process::Stopping { pid },
        Some(Status::Starting | Status::Standby) | None => Process::Starting { pid },
        Some(Status::Ready) => {
            let code = if let Error::Unreachable { code, .. } = error {
                code.as_deref()
            } else {
                None
            };
            match code {
                // Recovering after the crash of a backend; the note says ready.
                Some("57P03") => Process::Starting { pid },
                Some(_) | None => Process::Unresponsive {
                    pid,
                    why: error.to_string(),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_of_a_ready_server_is_told_from_its_recovery() {
        let refused = |code: &str| Error::Unreachable {
            to: "x".to_owned(),
            message: "no".to_owned(),
            code: Some(code.to_owned()),
        };
        let ready = Some(Status::Ready);
        assert_eq!(
            without_answer(7, ready, &refused("57P03")),
            Process::Starting { pid: 7 }
        );
        let full = without_answer(7, ready, &refused("53300"));
        assert!(
            matches!(full, Process::Unresponsive { pid: 7, .. }),
            "{full:?}"
        );
        let stopping = Some(Status::Stopping);
        assert_eq!(
            without_answer(7, stopping, &refused("57P03")),
            Process::Stopping { pid: 7 }
        );
        assert_eq!(
            without_answer(7, None, &Error::NotRunning),
            Process::Starting { pid: 7 }
        );
    }
}
