//! The beginning and the end of a run: folder, log, signals, the cluster, and the removal of all.
//!
//! Invariant: whatever happens, the servers are stopped before this returns, and the folder is
//! removed unless something failed, when it is evidence.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use herdsman_agent::Clock;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;
use tracing_subscriber::EnvFilter;

use crate::cluster::Cluster;
use crate::screen::Screen;
use crate::stage::Stage;
use crate::store::Kind;
use crate::table::table;
use crate::{AnyError, programs, stay, story};

/// What follows the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// Everything stops.
    End,
    /// The cluster goes on until somebody interrupts.
    Stay,
}

/// How a run ended in which nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The story was told to its end.
    Done,
    /// A signal came before.
    Interrupted,
}

/// How often the table is looked at.
const FRAME: Duration = Duration::from_millis(100);

/// Runs the demo.
pub(crate) fn run(kind: Kind, afterwards: Afterwards) -> Result<Ended, AnyError> {
    if rustix::process::geteuid().is_root() {
        return Err(
            "PostgreSQL refuses to run as root: start the demo by `cargo xtask demo`, or \
                    as another user"
                .into(),
        );
    }
    let bin_dir = programs::find()?;
    // The processes of a killed server are ours to bury: the first process of a container may
    // take seconds, and until then they cannot be told from living ones.
    herdsman_pgctl::become_subreaper()?;
    let folder = tempfile::Builder::new()
        .prefix("herdsman-demo-")
        .tempdir()?;
    let log = begin_log(folder.path())?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("demo")
        .enable_all()
        .build()?;
    let screen = Arc::new(Screen::new());
    let ended = runtime.block_on(play(folder.path(), bin_dir, kind, &screen, afterwards));
    // The last tasks that hold the cluster go with it.
    drop(runtime);
    finish(folder, &log, &screen, ended)
}

fn finish(
    folder: TempDir,
    log: &Path,
    screen: &Screen,
    ended: Result<Ended, AnyError>,
) -> Result<Ended, AnyError> {
    match ended {
        Ok(ended) => {
            folder.close()?;
            screen.say("  The servers are stopped and the folder is removed.");
            Ok(ended)
        }
        Err(error) => {
            let folder = folder.keep();
            screen.say(&format!(
                "  The servers are stopped. Kept: {}",
                folder.display()
            ));
            screen.say(&format!("  The log of the members: {}", log.display()));
            Err(error)
        }
    }
}

/// Three agents in one process: the name of the thread tells whose line it is.
fn begin_log(folder: &Path) -> Result<PathBuf, AnyError> {
    let path = folder.join("herdsman.log");
    let filter = EnvFilter::try_from_env("HERDSMAN_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_thread_names(true)
        .with_target(false)
        .with_ansi(false)
        .with_writer(File::create(&path)?)
        .init();
    Ok(path)
}

async fn play(
    folder: &Path,
    bin_dir: PathBuf,
    kind: Kind,
    screen: &Arc<Screen>,
    afterwards: Afterwards,
) -> Result<Ended, AnyError> {
    let mut interrupts = Interrupts::listen()?;
    let began = Clock::default().mono();
    let cluster = tokio::select! {
        cluster = Cluster::start(folder, bin_dir, kind) => Arc::new(cluster?),
        () = interrupts.next() => return Ok(Ended::Interrupted),
    };
    let table = tokio::spawn(keep_drawing(Arc::clone(screen), Arc::clone(&cluster)));
    let stage = Stage::new(Arc::clone(&cluster), Arc::clone(screen), began);
    let ended = tokio::select! {
        ended = tell(&stage, folder, afterwards) => ended.map(|()| Ended::Done),
        () = interrupts.next() => Ok(Ended::Interrupted),
    };
    table.abort();
    screen.end_table();
    if ended.is_err() {
        say_what_members_think(screen, &cluster);
    }
    screen.say("\n  Stopping.");
    tokio::select! {
        () = cluster.stop() => {}
        // Whoever interrupts twice is in a hurry: the servers are killed.
        () = interrupts.next() => {}
    }
    if afterwards == Afterwards::Stay && stage.is_told() {
        return ended.map(|_| Ended::Done);
    }
    ended
}

async fn tell(stage: &Stage, folder: &Path, afterwards: Afterwards) -> Result<(), AnyError> {
    let writer = story::tell(stage).await?;
    stage.mark_told();
    if afterwards == Afterwards::Stay {
        stay::stay(stage, &writer, folder).await?;
    }
    Ok(())
}

async fn keep_drawing(screen: Arc<Screen>, cluster: Arc<Cluster>) {
    loop {
        screen.show(table(&cluster));
        sleep(FRAME).await;
    }
}

/// What a person needs to see why something did not happen.
fn say_what_members_think(screen: &Screen, cluster: &Cluster) {
    const LAST: usize = 8;
    screen.say(&format!("\n{}", table(cluster).lines.join("\n")));
    let now = cluster.clock.mono();
    for status in cluster.statuses() {
        screen.say(&format!("\n  The last decisions of {}:", status.name));
        let skipped = status.decisions.len().saturating_sub(LAST);
        for decision in status.decisions.iter().skip(skipped) {
            let ago = crate::text::seconds(decision.at, now);
            screen.say(&format!("  {ago:>6} s ago  {}", decision.reason));
        }
    }
}

/// The signals that end a run.
struct Interrupts([Signal; 3]);

impl Interrupts {
    fn listen() -> std::io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self([interrupt, terminate, signal(SignalKind::hangup())?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
