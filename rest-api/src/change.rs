//! The calls that change something: which there are, who may make them, and how they are answered.
//!
//! What is asked for is a command to the machine; its answer becomes the answer to the call.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use tokio::time::timeout;

use herdsman_ha_core::{Answer, AnswerKind, Command, Wall};

use crate::answer::{self, Answered};
use crate::bodies::{self, BadBody, Movement, restart};
use crate::route::{Site, segment};
use crate::snapshot::Snapshot;

/// How much longer than the machine an answer is waited for.
const ANSWER_SLACK: Duration = Duration::from_secs(10);
/// The longest that a restart waits for its stop.
const STOP_SLACK: Duration = Duration::from_secs(120);

/// The calls that change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Move(Movement),
    FlushMove,
    Restart,
    CancelRestart,
    Reinitialize,
    Reload,
    PatchConfig,
    PutConfig,
    /// A primary without a store asks for a promise.
    Failsafe,
    /// Means nothing where signals exist.
    Sigterm,
    /// Known and missing, in words.
    NotServed(&'static str),
}

impl Change {
    fn of(method: &Method, segment: &str) -> Option<Self> {
        Some(match (method.as_str(), segment) {
            ("POST", "switchover") => Self::Move(Movement::Switchover),
            ("POST", "failover") => Self::Move(Movement::Failover),
            ("DELETE", "switchover") => Self::FlushMove,
            ("POST", "restart") => Self::Restart,
            ("DELETE", "restart") => Self::CancelRestart,
            ("POST", "reinitialize") => Self::Reinitialize,
            ("POST", "reload") => Self::Reload,
            ("PATCH", "config") => Self::PatchConfig,
            ("PUT", "config") => Self::PutConfig,
            ("POST", "failsafe") => Self::Failsafe,
            ("POST", "sigterm") => Self::Sigterm,
            ("POST", "citus" | "mpp") => Self::NotServed("Citus"),
            _ => return None,
        })
    }

    /// Whether the call means nothing without a body.
    fn needs_body(self) -> bool {
        match self {
            Self::Move(_) | Self::PatchConfig | Self::PutConfig | Self::Failsafe => true,
            Self::FlushMove
            | Self::Restart
            | Self::CancelRestart
            | Self::Reinitialize
            | Self::Reload
            | Self::Sigterm
            | Self::NotServed(_) => false,
        }
    }
}

/// Answers what would change something.
pub(crate) async fn change(site: &Site, parts: &Parts, body: Bytes) -> Answered {
    let segment = segment(parts.uri.path());
    let Some(change) = Change::of(&parts.method, segment) else {
        let message = format!("Unsupported method ('{}')", parts.method);
        return answer::error_page(StatusCode::NOT_IMPLEMENTED, &message);
    };
    if let Some(refusal) = unauthorised(site, parts) {
        return refusal;
    }
    if change.needs_body() && !parts.headers.contains_key(CONTENT_LENGTH) {
        return answer::error_page(StatusCode::LENGTH_REQUIRED, "Content-Length is missing");
    }
    match change {
        Change::Move(movement) => move_leadership(site, movement, &body).await,
        Change::FlushMove => flush(site).await,
        Change::Restart => restart_server(site, &body).await,
        Change::CancelRestart => plain(site, Ok(Command::CancelRestart)).await,
        Change::Reinitialize => plain(site, bodies::reinitialize(&body)).await,
        Change::Reload => reload(site),
        Change::PatchConfig => patch(site, bodies::patch(&body)).await,
        Change::PutConfig => put(site, bodies::replacement(&body)).await,
        Change::Failsafe => promise(site, bodies::failsafe::read(&body)).await,
        Change::Sigterm => answer::text(StatusCode::ACCEPTED, "shutdown scheduled"),
        Change::NotServed(what) => {
            let message = format!("not served yet: {what}");
            answer::error_page(StatusCode::NOT_IMPLEMENTED, &message)
        }
    }
}

/// The refusal, when credentials are needed and not given.
fn unauthorised(site: &Site, parts: &Parts) -> Option<Answered> {
    let credentials = site.options.credentials.as_ref()?;
    let message = match parts.headers.get(AUTHORIZATION) {
        None => "no auth header received",
        Some(header) if !credentials.are_in(header.as_bytes()) => "not authenticated",
        Some(_) => return None,
    };
    let mut refusal = answer::text(StatusCode::UNAUTHORIZED, message);
    // The realm that existing clients know.
    let realm = HeaderValue::from_static("Basic realm=\"Patroni\"");
    refusal.headers_mut().insert(WWW_AUTHENTICATE, realm);
    Some(refusal)
}

/// The longest time that a command takes to be answered. The machine gives up before.
pub(crate) fn answer_limit(snapshot: &Snapshot) -> Duration {
    let loop_wait = snapshot.status.rules.loop_wait;
    loop_wait.max(Duration::from_secs(10)) * 2 + ANSWER_SLACK
}

/// Hands a command over; the error is an answer already.
async fn ask(site: &Site, command: Command, limit: Duration) -> Result<Answer, Answered> {
    let unavailable = |text: &str| answer::text(StatusCode::SERVICE_UNAVAILABLE, text);
    match timeout(limit, site.commands.ask(command)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(unavailable(&error.to_string())),
        Err(_) => Err(unavailable(&format!(
            "status unknown after {} seconds; operation may still be in progress",
            limit.as_secs()
        ))),
    }
}

fn malformed(error: &BadBody) -> Answered {
    answer::error_page(StatusCode::BAD_REQUEST, &error.to_string())
}

fn told(answer: &Answer) -> Answered {
    answer::text(bodies::status(answer), &answer.text)
}

/// A command whose answer is a line for people.
async fn plain(site: &Site, command: Result<Command, BadBody>) -> Answered {
    let command = match command {
        Ok(command) => command,
        Err(error) => return malformed(&error),
    };
    let limit = answer_limit(&site.snapshots.latest());
    match ask(site, command, limit).await {
        Ok(answer) => told(&answer),
        Err(answered) => answered,
    }
}

async fn move_leadership(site: &Site, movement: Movement, body: &[u8]) -> Answered {
    let command = match bodies::movement(movement, body) {
        Ok(command) => command,
        Err(error) => return malformed(&error),
    };
    let limit = answer_limit(&site.snapshots.latest());
    match timeout(limit, site.commands.ask(command)).await {
        Ok(Ok(answer)) => told(&answer),
        Ok(Err(error)) => answer::text(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        Err(_) => {
            let word = match movement {
                Movement::Switchover => "Switchover",
                Movement::Failover => "Failover",
            };
            let text = format!(
                "{word} status unknown after {} seconds; operation may still be in progress",
                limit.as_secs()
            );
            answer::text(StatusCode::SERVICE_UNAVAILABLE, &text)
        }
    }
}

async fn flush(site: &Site) -> Answered {
    let limit = answer_limit(&site.snapshots.latest());
    match ask(site, Command::FlushSwitchover, limit).await {
        // Existing clients know a page here.
        Ok(answer) if answer.kind == AnswerKind::Conflict => {
            answer::error_page(StatusCode::CONFLICT, &answer.text)
        }
        Ok(answer) => told(&answer),
        Err(answered) => answered,
    }
}

async fn restart_server(site: &Site, body: &[u8]) -> Answered {
    let snapshot = site.snapshots.latest();
    let rules = &snapshot.status.rules;
    let order = match restart::read(body, wall_now(site, &snapshot), rules.pause) {
        Ok(order) => order,
        Err(restart::Refusal::Malformed(error)) => return malformed(&error),
        Err(restart::Refusal::Field(status, text)) => return answer::text(status, &text),
    };
    // The checkpoint before the stop may take as long as any.
    let start_limit = order.timeout.unwrap_or_else(|| rules.start_limit());
    let limit = answer_limit(&snapshot) + STOP_SLACK + start_limit;
    match ask(site, Command::Restart(order), limit).await {
        Ok(answer) => told(&answer),
        Err(answered) => answered,
    }
}

/// What the wall shows, as far as the machine's clocks tell.
fn wall_now(site: &Site, snapshot: &Snapshot) -> Wall {
    let then = snapshot.status.now;
    let passed = (site.options.clock)().since(then.mono);
    let millis = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
    Wall(then.wall.0.saturating_add(millis))
}

/// A promise to hold back, with the end of our own WAL as existing clients read it.
async fn promise(site: &Site, command: Result<Command, BadBody>) -> Answered {
    let command = match command {
        Ok(command) => command,
        Err(error) => return malformed(&error),
    };
    let answer = match ask(site, command, answer_limit(&site.snapshots.latest())).await {
        Ok(answer) => answer,
        Err(answered) => return answered,
    };
    match answer.kind {
        // Existing clients know a page here, and take it for a refusal like any other.
        AnswerKind::Absent => answer::error_page(StatusCode::BAD_GATEWAY, &answer.text),
        AnswerKind::Done => {
            let mut accepted = told(&answer);
            let snapshot = site.snapshots.latest();
            let local = snapshot.status.local.as_ref();
            if let Some(position) = local.and_then(|local| local.server.position()) {
                let lsn = HeaderValue::from(position.lsn.0);
                accepted.headers_mut().insert("lsn", lsn);
            }
            accepted
        }
        AnswerKind::Accepted
        | AnswerKind::Invalid
        | AnswerKind::Conflict
        | AnswerKind::Unusable
        | AnswerKind::Broken
        | AnswerKind::Refused
        | AnswerKind::Failed => told(&answer),
    }
}

fn reload(site: &Site) -> Answered {
    match &site.options.on_reload {
        Some(reload) => {
            reload();
            answer::text(StatusCode::ACCEPTED, "reload scheduled")
        }
        None => answer::error_page(
            StatusCode::NOT_IMPLEMENTED,
            "the program that runs this member does not read its configuration again",
        ),
    }
}

async fn patch(site: &Site, command: Result<Command, BadBody>) -> Answered {
    changed_config(site, command, StatusCode::SERVICE_UNAVAILABLE).await
}

async fn put(site: &Site, command: Result<Command, BadBody>) -> Answered {
    changed_config(site, command, StatusCode::BAD_GATEWAY).await
}

/// The configuration as it is afterwards; a failure is a page.
async fn changed_config(
    site: &Site,
    command: Result<Command, BadBody>,
    failed: StatusCode,
) -> Answered {
    let command = match command {
        Ok(command) => command,
        Err(error) => return malformed(&error),
    };
    let limit = answer_limit(&site.snapshots.latest());
    let answer = match ask(site, command, limit).await {
        Ok(answer) => answer,
        Err(answered) => return answered,
    };
    match answer.kind {
        AnswerKind::Done => answer::ready_json(answer.text),
        AnswerKind::Failed => answer::error_page(failed, &answer.text),
        AnswerKind::Accepted
        | AnswerKind::Invalid
        | AnswerKind::Absent
        | AnswerKind::Conflict
        | AnswerKind::Refused
        | AnswerKind::Unusable
        | AnswerKind::Broken => answer::error_page(bodies::status(&answer), &answer.text),
    }
}
