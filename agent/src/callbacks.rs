//! The user's scripts at events of the server: `callbacks` of the section `postgresql`.
//!
//! Scripts are told what has happened and decide nothing: the loop never waits for one but at its end,
//! and what becomes of it is only logged. One runs at a time; a new one ends the one before with all of its
//! children. Reloads have a turn of their own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herdsman_ha_core::{LocalView, StartAs, Task};
use herdsman_pgctl::Script;
use tokio::task::JoinHandle;

use crate::member::{self, Effective};
use crate::settings::ServerRole;

/// How long a script may go on when the agent ends.
const LAST_LIMIT: Duration = Duration::from_secs(30);

/// What happened, in the words that scripts are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Start,
    Stop,
    Restart,
    Reload,
    RoleChange,
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "on_start",
            Self::Stop => "on_stop",
            Self::Restart => "on_restart",
            Self::Reload => "on_reload",
            Self::RoleChange => "on_role_change",
        }
    }
}

/// What a finished task has done to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// It was started in this role.
    Started(ServerRole),
    /// It became primary while running.
    Promoted,
    /// It was ended, in order or not.
    Stopped,
    /// It was ended to be started again, as somebody asked for.
    TakenDown,
}

impl Deed {
    /// What a task will have done when it succeeds; `is_up` tells whether there is a server now,
    /// and `is_restart` whether a stop belongs to a restart.
    pub(crate) fn of(task: &Task, is_up: bool, is_restart: bool) -> Option<Self> {
        match task {
            Task::Bootstrap => Some(Self::Started(ServerRole::Primary)),
            Task::Start { role, .. } => Some(Self::Started(match role {
                StartAs::Primary(_) => ServerRole::Primary,
                StartAs::Standby(_) => ServerRole::Replica,
            })),
            Task::Promote { .. } => Some(Self::Promoted),
            Task::Stop { .. } if is_up && is_restart => Some(Self::TakenDown),
            Task::CopySlots { .. } if is_up => Some(Self::TakenDown),
            Task::Stop { .. }
            | Task::Fence
            | Task::Replace { .. }
            | Task::Reinitialize { .. }
            | Task::Rewind { .. }
                if is_up =>
            {
                Some(Self::Stopped)
            }
            Task::Stop { .. }
            | Task::Fence
            | Task::Replace { .. }
            | Task::Reinitialize { .. }
            | Task::Rewind { .. }
            | Task::ProveGone
            | Task::PrePromote { .. }
            | Task::Clone { .. }
            | Task::Follow { .. }
            | Task::OpenSession { .. }
            | Task::Renew { .. }
            | Task::CloseSession { .. }
            | Task::Commit(_)
            | Task::PublishHistory { .. }
            | Task::AskPeers { .. }
            | Task::AskPromises { .. }
            | Task::Identify { .. }
            | Task::Checkpoint
            | Task::SyncSlots { .. }
            | Task::CopySlots { .. }
            | Task::WaitFor { .. } => None,
        }
    }
}

/// Runs the scripts. Cheap to clone; clones share the turns.
#[derive(Clone, Debug)]
pub(crate) struct Callbacks {
    effective: Effective,
    scope: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// What scripts were last told the server is.
    role: Option<ServerRole>,
    /// Whether it was taken down for a restart and has not come up since.
    is_restarting: bool,
    usual: Option<JoinHandle<()>>,
    reload: Option<JoinHandle<()>>,
}

impl Callbacks {
    pub(crate) fn new(effective: Effective, scope: String) -> Self {
        Self {
            effective,
            scope,
            state: Arc::default(),
        }
    }

    /// A task on the server has succeeded.
    pub(crate) fn done(&self, deed: Deed) {
        let mut state = self.state();
        let is_restarting = std::mem::take(&mut state.is_restarting);
        // Whether a standby leads is seen once it runs.
        let is_leader = state.role == Some(ServerRole::StandbyLeader);
        let deed = match deed {
            Deed::Started(ServerRole::Replica) if is_leader => {
                Deed::Started(ServerRole::StandbyLeader)
            }
            Deed::Started(_) | Deed::Promoted | Deed::Stopped | Deed::TakenDown => deed,
        };
        let (action, role) = match deed {
            // Whoever was told of another role is told of the change alone.
            Deed::Started(role) if state.role.is_some_and(|before| before != role) => {
                (Action::RoleChange, role)
            }
            Deed::Started(role) if is_restarting => (Action::Restart, role),
            Deed::Started(role) => (Action::Start, role),
            Deed::Promoted => (Action::RoleChange, ServerRole::Primary),
            Deed::Stopped => (Action::Stop, state.role.unwrap_or(ServerRole::Replica)),
            // Stop and start are told as one.
            Deed::TakenDown => {
                state.is_restarting = true;
                return;
            }
        };
        state.role = Some(role);
        self.call(&mut state, action, role);
    }

    /// The server is seen while no task concerns it: one that ran before we did, or that somebody
    /// else has promoted.
    pub(crate) fn seen(&self, local: &LocalView, is_standby_leader: bool) {
        let Some(role) = member::role_of(&local.server, is_standby_leader) else {
            return;
        };
        let mut state = self.state();
        let action = match state.role {
            None => Action::Start,
            Some(before) if before != role => Action::RoleChange,
            Some(_) => return,
        };
        state.role = Some(role);
        self.call(&mut state, action, role);
    }

    /// The running server has read its configuration anew.
    pub(crate) fn reloaded(&self) {
        let mut state = self.state();
        if let Some(role) = state.role {
            self.call(&mut state, Action::Reload, role);
        }
    }

    /// Waits for the scripts that run still: whoever drops us kills them.
    pub(crate) async fn finish(&self) {
        let running = {
            let mut state = self.state();
            [state.usual.take(), state.reload.take()]
        };
        for script in running.into_iter().flatten() {
            let abort = script.abort_handle();
            if tokio::time::timeout(LAST_LIMIT, script).await.is_err() {
                abort.abort();
                tracing::warn!("a callback still ran when the agent ended, and is ended with it");
            }
        }
    }

    fn call(&self, state: &mut State, action: Action, role: ServerRole) {
        let effective = self.effective.get();
        let Some(command) = effective.callbacks.get(action.as_str()) else {
            return;
        };
        let name = action.as_str();
        let script = match Script::new(command) {
            Ok(script) => script.arg(name).arg(role.as_str()).arg(&self.scope),
            Err(error) => {
                tracing::warn!(%error, "postgresql.callbacks.{name} is not called");
                return;
            }
        };
        let turn = match action {
            Action::Reload => &mut state.reload,
            Action::Start | Action::Stop | Action::Restart | Action::RoleChange => &mut state.usual,
        };
        let before = turn.take();
        *turn = Some(tokio::spawn(async move {
            if let Some(before) = before.filter(|before| !before.is_finished()) {
                tracing::warn!("the callback before {name} still ran and is ended");
                before.abort();
                // What it started is dead when this returns.
                let _ = before.await;
            }
            tracing::info!(role = role.as_str(), "callback {name}");
            let said = |line: &str| tracing::info!(line, "callback {name}");
            if let Err(error) = script.run(None, said).await {
                tracing::warn!(%error, "callback {name}");
            }
        }));
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use herdsman_ha_core::ServerView;

    use super::*;
    use std::path::Path;
    use std::time::Instant;

    fn callbacks(folder: &Path, command: &str) -> Callbacks {
        let folder = folder.display();
        let command = command.replace("FOLDER", &folder.to_string());
        let actions = [
            "on_start",
            "on_stop",
            "on_restart",
            "on_reload",
            "on_role_change",
        ];
        let lines = actions.map(|action| format!("    {action}: {command}\n"));
        let text = format!(
            "scope: demo\nname: n1\nrestapi: {{listen: '127.0.0.1:8008'}}\n\
             etcd3: {{hosts: '127.0.0.1:2379'}}\n\
             postgresql:\n  listen: 127.0.0.1:5432\n  data_dir: {folder}/data\n  \
             authentication: {{superuser: {{username: a}}, replication: {{username: b}}}}\n  \
             callbacks:\n{}",
            lines.concat()
        );
        let settings = crate::settings::Settings::from_text(&text, "test.yml").unwrap();
        let effective = Effective::new(&settings, &serde_json::json!({}));
        Callbacks::new(effective, "demo".to_owned())
    }

    async fn wait_for(path: &Path, wanted: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let found = std::fs::read_to_string(path).unwrap_or_default();
            if found == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{found:?} is not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn local(server: ServerView) -> LocalView {
        LocalView {
            seen_at: herdsman_ha_core::Mono(1),
            data: herdsman_ha_core::DataView::Empty,
            server,
            about: None,
        }
    }

    #[tokio::test]
    async fn scripts_are_told_action_role_and_cluster() {
        let folder = tempfile::tempdir().unwrap();
        let told = folder.path().join("told");
        let script = "sh -c 'echo \"$@\" >> FOLDER/told' x";
        let callbacks = callbacks(folder.path(), script);
        let mut expected = String::new();
        let steps: [(&dyn Fn(), &str); 7] = [
            (
                &|| callbacks.seen(&local(ServerView::Standby(Default::default())), false),
                "on_start replica demo",
            ),
            (&|| callbacks.reloaded(), "on_reload replica demo"),
            (
                &|| callbacks.done(Deed::Promoted),
                "on_role_change primary demo",
            ),
            (&|| callbacks.done(Deed::Stopped), "on_stop primary demo"),
            (
                &|| callbacks.done(Deed::Started(ServerRole::Primary)),
                "on_start primary demo",
            ),
            (&|| callbacks.done(Deed::Stopped), "on_stop primary demo"),
            (
                &|| callbacks.done(Deed::Started(ServerRole::Replica)),
                "on_role_change replica demo",
            ),
        ];
        for (step, line) in steps {
            step();
            expected.push_str(&format!("{line}\n"));
            wait_for(&told, &expected).await;
        }
        // A restart is told when it is over, and as a change when it was one.
        callbacks.done(Deed::TakenDown);
        callbacks.done(Deed::Started(ServerRole::Replica));
        expected.push_str("on_restart replica demo\n");
        wait_for(&told, &expected).await;
        callbacks.done(Deed::TakenDown);
        callbacks.done(Deed::Started(ServerRole::Primary));
        expected.push_str("on_role_change primary demo\n");
        wait_for(&told, &expected).await;
        callbacks.done(Deed::Stopped);
        expected.push_str("on_stop primary demo\n");
        wait_for(&told, &expected).await;
        callbacks.done(Deed::Started(ServerRole::Replica));
        expected.push_str("on_role_change replica demo\n");
        wait_for(&told, &expected).await;
        // What was told is not told again.
        callbacks.seen(&local(ServerView::Standby(Default::default())), false);
        callbacks.done(Deed::Stopped);
        expected.push_str("on_stop replica demo\n");
        wait_for(&told, &expected).await;
    }

    #[tokio::test]
    async fn a_new_script_ends_the_one_before_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let script = "sh -c 'sleep 600 & echo $! > FOLDER/child-$1; wait' x";
        let callbacks = callbacks(folder.path(), script);
        callbacks.done(Deed::Started(ServerRole::Replica));
        let first = folder.path().join("child-on_start");
        let deadline = Instant::now() + Duration::from_secs(30);
        let read = |path: &Path| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            text.trim().parse::<u32>().ok()
        };
        while read(&first).is_none() {
            assert!(Instant::now() < deadline, "the first script has not begun");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let child = read(&first).unwrap();
        callbacks.done(Deed::Promoted);
        let is_alive = |pid: u32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ")
                .is_some_and(|(_, rest)| !rest.starts_with('Z'))
        };
        while is_alive(child) || read(&folder.path().join("child-on_role_change")).is_none() {
            assert!(Instant::now() < deadline, "the child lives on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
