//! How does a member run as a daemon? Settings, a store, an agent, and the signals around them.
//!
//! Everything that decides lives in libraries; this file only connects.

mod init;
mod log;
mod rotating;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use herdsman_agent::settings::Settings;
use herdsman_agent::{Agent, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

const USAGE: &str = "usage: herdsman [CONFIG.yml | --version | --help]

CONFIG.yml is a file or a folder of files as Patroni reads them; without one the
environment variables PATRONI_* are the configuration.
SIGTERM and SIGINT hand the leadership over and stop, SIGHUP reads the file again.";

/// What the command line asks for.
enum Wanted {
    Run(Option<PathBuf>),
    Print(String),
    Refuse(String),
}

fn main() -> ExitCode {
    match wanted() {
        Wanted::Print(text) => {
            #[expect(clippy::print_stdout, reason = "it was asked for")]
            {
                println!("{text}");
            }
            ExitCode::SUCCESS
        }
        Wanted::Refuse(text) => {
            eprintln!("{text}\n{USAGE}");
            ExitCode::from(2)
        }
        // As the first process of a container we are also the one who buries the dead.
        Wanted::Run(_) if init::is_needed() => init::run(),
        Wanted::Run(path) => match run(path) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("herdsman: {}", with_causes(error.as_ref()));
                ExitCode::FAILURE
            }
        },
    }
}

/// An error with its causes on one line.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn wanted() -> Wanted {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => Wanted::Run(None),
        ["--help" | "-h"] => Wanted::Print(USAGE.to_owned()),
        ["--version"] => Wanted::Print(format!("herdsman {}", env!("CARGO_PKG_VERSION"))),
        [path] if !path.starts_with('-') => Wanted::Run(Some(PathBuf::from(path))),
        [option, ..] => Wanted::Refuse(format!("herdsman: `{option}` is not understood")),
    }
}

type AnyError = Box<dyn std::error::Error>;

fn run(path: Option<PathBuf>) -> Result<(), AnyError> {
    let read = move || Settings::from_path_or_env(path.as_deref(), std::env::vars());
    let settings = read()?;
    log::begin(&settings.log)?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    // Servers that an earlier run left behind are ours to bury when their parent is gone.
    herdsman_pgctl::become_subreaper()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("herdsman")
        .enable_all()
        .build()?;
    runtime.block_on(async {
        store::refuse_old_interface(&settings).await?;
        let store = store::connect(&settings)?;
        let wanted = Arc::new(Notify::new());
        let asked = Arc::clone(&wanted);
        let agent = Agent::builder(settings)
            .store(store)
            .on_reload(move || asked.notify_one())
            .build()
            .await?;
        tokio::spawn(obey(agent.handle(), read, wanted));
        agent.run().await?;
        Ok(())
    })
}

/// SIGTERM and SIGINT: leave. SIGHUP, and a call to the REST API: read the configuration again.
async fn obey(
    handle: Handle,
    read: impl Fn() -> Result<Settings, herdsman_agent::settings::Error>,
    reload: Arc<Notify>,
) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => handle.leave(),
            _ = interrupt.recv() => handle.leave(),
            _ = hangup.recv() => read_again(&handle, &read),
            () = reload.notified() => read_again(&handle, &read),
        }
    }
}

fn read_again(
    handle: &Handle,
    read: &impl Fn() -> Result<Settings, herdsman_agent::settings::Error>,
) {
    match read() {
        Ok(settings) => handle.reload(settings),
        Err(error) => tracing::error!(%error, "the configuration stays as it was"),
    }
}
