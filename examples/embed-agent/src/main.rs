//! How does a service keep its own PostgreSQL highly available? It runs a member inside.
//!
//! `herdsman-embed-agent LISTEN CONFIG.yml` serves its own routes on LISTEN beside the member that
//! the configuration describes: `/` says who leads, `/ready` is for the service's own health check,
//! and one instance of the service at a time does the work that belongs beside the primary.
//! Runtime, signals, log and routes are the service's; the library brings none of them.

use std::path::Path;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Router, routing::get};
use herdsman_agent::settings::Settings;
use herdsman_agent::{Agent, Handle, Leadership, connect};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

type AnyError = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, configuration] = arguments.as_slice() else {
        return Err("usage: herdsman-embed-agent LISTEN CONFIG.yml".into());
    };
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
    log.with_ansi(false).init();
    let listener = TcpListener::bind(listen).await?;
    tracing::info!("the service listens on {}", listener.local_addr()?);
    let mut terminate = signal(SignalKind::terminate())?;

    let settings = Settings::from_file(Path::new(configuration))?;
    let store = connect(&settings.store)?;
    let agent = Agent::builder(settings).store(store).build().await?;
    let handle = agent.handle();
    let mut member = tokio::spawn(agent.run());

    let routes = Router::new()
        .route("/", get(who_leads))
        .route("/ready", get(is_ready))
        .with_state(handle.clone());
    tokio::spawn(work_beside_the_primary(handle.clone()));
    let served = tokio::select! {
        served = axum::serve(listener, routes).into_future() => served,
        ended = &mut member => return Ok(ended??),
        _ = terminate.recv() => Ok(()),
    };

    // Whatever ended the service: the member stops its server and hands its leadership over.
    handle.leave();
    member.await??;
    Ok(served?)
}

/// `GET /`
async fn who_leads(State(member): State<Handle>) -> String {
    let status = member.status();
    let view = status.cluster.as_ref();
    let leader = view.and_then(|view| view.leader.as_ref());
    let leader = leader.map_or("nobody", |leader| leader.name.as_str());
    let why = status.decision.as_ref().map(|now| now.reason.to_string());
    format!(
        "{leader} leads; {} is {}: {}\n",
        status.name,
        status.role,
        why.unwrap_or_default()
    )
}

/// `GET /ready`
async fn is_ready(State(member): State<Handle>) -> StatusCode {
    match member.status().state {
        "running" => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Only the instance beside the primary works, and it stops with the leadership.
async fn work_beside_the_primary(member: Handle) {
    let mut changes = member.leadership();
    let mut leadership = changes.next().await;
    while let Some(now) = leadership {
        if now != Leadership::Ours {
            leadership = changes.next().await;
            continue;
        }
        tracing::info!("the work begins");
        tokio::select! {
            () = work() => return,
            next = changes.next() => leadership = next,
        }
        tracing::info!("the work ends");
    }
}

/// What the service does: here it waits for something to do.
async fn work() {
    std::future::pending().await
}
