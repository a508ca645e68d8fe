//! From a request to its answer: which method and path mean what, and who may ask.
//!
//! The first segment of a path selects; a GET of anything unknown is a health check, and every
//! HEAD or OPTIONS is one. All reading answers are made from one snapshot.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

use herdsman_ha_core::schema::history_text;

use crate::answer::{self, Answered};
use crate::command::CommandSender;
use crate::dto::{Cluster, Decisions, MemberStatus};
use crate::node::Node;
use crate::query::Query;
use crate::server::Options;
use crate::snapshot::{Snapshot, SnapshotReader};
use crate::{health, metrics, switchover};

/// The largest body that is read: a configuration is a few kilobytes.
const BODY_BYTES: usize = 256 << 10;
/// How much longer than the machine an answer is waited for.
const ANSWER_SLACK: Duration = Duration::from_secs(10);

/// What requests are answered with.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) snapshots: SnapshotReader,
    pub(crate) commands: CommandSender,
    pub(crate) options: Options,
}

impl Site {
    /// What to answer a GET from. Peers compare the positions in `/patroni` with their own; all
    /// other readers are served from what there is.
    async fn snapshot_for(&self, segment: &str) -> Arc<Snapshot> {
        if segment != "patroni" {
            return self.snapshots.latest();
        }
        let options = &self.options;
        let asked_at = (options.clock)();
        self.snapshots
            .looked_since(asked_at, options.look_limit)
            .await
    }

    /// The longest time that a command takes to be answered. The machine gives up before.
    pub(crate) fn answer_limit(&self) -> Duration {
        let loop_wait = self.snapshots.latest().status.rules.loop_wait;
        loop_wait.max(Duration::from_secs(10)) * 2 + ANSWER_SLACK
    }
}

/// Answers one request.
pub(crate) async fn answer(site: &Site, from: SocketAddr, request: Request<Incoming>) -> Answered {
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let answered = dispatch(site, &parts, body).await;
    tracing::debug!(
        %from,
        method = %parts.method,
        path = parts.uri.path(),
        status = answered.status().as_u16(),
        took = ?began.elapsed(),
        "request"
    );
    answered
}

async fn dispatch(site: &Site, parts: &Parts, body: Incoming) -> Answered {
    match parts.method {
        Method::GET => {
            let snapshot = site.snapshot_for(segment(parts.uri.path())).await;
            read(&snapshot, site, parts)
        }
        Method::HEAD | Method::OPTIONS => {
            let snapshot = site.snapshots.latest();
            let node = Node::of(&snapshot, (site.options.clock)());
            answer::status_only(health::check(parts.uri.path(), &query(parts), &node))
        }
        _ => match collect(site, body).await {
            Ok(body) => change(site, parts, body).await,
            Err(refusal) => refusal,
        },
    }
}

fn query(parts: &Parts) -> Query {
    Query::parse(parts.uri.query().unwrap_or_default())
}

/// What stands before the second slash.
fn segment(path: &str) -> &str {
    path.trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default()
}

/// Answers a GET.
fn read(snapshot: &Snapshot, site: &Site, parts: &Parts) -> Answered {
    let node = Node::of(snapshot, (site.options.clock)());
    let path = parts.uri.path();
    match segment(path) {
        "patroni" => answer::json(StatusCode::OK, &MemberStatus::of(&node)),
        "liveness" => answer::status_only(health::liveness(&node)),
        "readiness" => answer::status_only(health::readiness(&query(parts), &node)),
        "cluster" => cluster(&node),
        "history" => history(snapshot),
        "config" => config(snapshot),
        "failsafe" => failsafe(snapshot),
        "metrics" => answer::metrics(metrics::render(&node)),
        "decisions" => answer::json(
            StatusCode::OK,
            &Decisions::of(&snapshot.status, &snapshot.refused),
        ),
        _ => {
            let code = health::check(path, &query(parts), &node);
            answer::json(code, &MemberStatus::of(&node))
        }
    }
}

fn cluster(node: &Node<'_>) -> Answered {
    let Some(view) = node.view else {
        return unseen();
    };
    let scope = &node.snapshot.scope;
    answer::json(
        StatusCode::OK,
        &Cluster::of(view, &node.status().rules, scope),
    )
}

/// The view was never seen, or is too old to be told as what is.
fn unseen() -> Answered {
    answer::error_page(
        StatusCode::SERVICE_UNAVAILABLE,
        "the store cannot be reached",
    )
}

fn history(snapshot: &Snapshot) -> Answered {
    let Some(view) = &snapshot.status.cluster else {
        return unseen();
    };
    let text = history_text(&view.history.value);
    let lines: serde_json::Value =
        serde_json::from_str(&text).expect("the history is written as JSON");
    answer::json(StatusCode::OK, &lines)
}

fn config(snapshot: &Snapshot) -> Answered {
    let view = snapshot.status.cluster.as_ref();
    match view.and_then(|view| view.config.value.as_ref()) {
        Some(config) => answer::json(StatusCode::OK, config),
        None => answer::error_page(StatusCode::BAD_GATEWAY, "the store holds no configuration"),
    }
}

fn failsafe(snapshot: &Snapshot) -> Answered {
    let view = snapshot.status.cluster.as_ref();
    match view.and_then(|view| view.failsafe.as_ref()) {
        Some(_) => not_served("failsafe mode"),
        None => answer::error_page(
            StatusCode::BAD_GATEWAY,
            "the store holds no failsafe topology",
        ),
    }
}

/// Reads a body. It is read also when nobody needs it: closing a connection with bytes unread
/// makes the client lose the answer.
async fn collect(site: &Site, body: Incoming) -> Result<Bytes, Answered> {
    let limited = Limited::new(body, BODY_BYTES);
    let Ok(collected) = timeout(site.options.request_limit, limited.collect()).await else {
        return Err(answer::error_page(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time",
        ));
    };
    collected
        .map(http_body_util::Collected::to_bytes)
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                let message = format!("a body of more than {BODY_BYTES} bytes is not read");
                return answer::error_page(StatusCode::PAYLOAD_TOO_LARGE, &message);
            }
            answer::error_page(StatusCode::BAD_REQUEST, "the body cannot be read")
        })
}

/// Answers what would change something.
async fn change(site: &Site, parts: &Parts, body: Bytes) -> Answered {
    let segment = segment(parts.uri.path());
    let Some(change) = Change::of(&parts.method, segment) else {
        let message = format!("Unsupported method ('{}')", parts.method);
        return answer::error_page(StatusCode::NOT_IMPLEMENTED, &message);
    };
    if let Some(refusal) = unauthorised(site, parts) {
        return refusal;
    }
    match change {
        Change::Switchover if !parts.headers.contains_key(CONTENT_LENGTH) => {
            answer::error_page(StatusCode::LENGTH_REQUIRED, "Content-Length is missing")
        }
        Change::Switchover => move_leadership(site, &body).await,
        Change::Failsafe => answer::error_page(
            StatusCode::BAD_GATEWAY,
            "failsafe mode is not served yet: this member promises nothing",
        ),
        Change::NotServed(what) => not_served(what),
    }
}

fn not_served(what: &str) -> Answered {
    let message = format!("not served yet: {what}");
    answer::error_page(StatusCode::NOT_IMPLEMENTED, &message)
}

/// The calls that change something.
enum Change {
    Switchover,
    /// A primary without a store asks for a promise.
    Failsafe,
    /// Known and missing, in words.
    NotServed(&'static str),
}

impl Change {
    fn of(method: &Method, segment: &str) -> Option<Self> {
        Some(match (method.as_str(), segment) {
            ("POST", "switchover") => Self::Switchover,
            ("POST", "failsafe") => Self::Failsafe,
            ("POST", "failover") => {
                Self::NotServed("a failover by hand; a switchover is served by POST /switchover")
            }
            ("POST", "restart") => Self::NotServed("a restart of PostgreSQL"),
            ("DELETE", "restart") => Self::NotServed("a scheduled restart, so none can be removed"),
            ("DELETE", "switchover") => {
                Self::NotServed("a scheduled switchover, so none can be removed")
            }
            ("POST", "reload") => Self::NotServed("a reload of the configuration"),
            ("POST", "reinitialize") => Self::NotServed("a new copy of the data on demand"),
            ("PATCH" | "PUT", "config") => {
                Self::NotServed("a change of the configuration through this interface")
            }
            ("POST", "citus" | "mpp") => Self::NotServed("Citus"),
            ("POST", "sigterm") => Self::NotServed("a shutdown through this interface"),
            _ => return None,
        })
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

async fn move_leadership(site: &Site, body: &[u8]) -> Answered {
    let command = match switchover::read(body) {
        Ok(command) => command,
        Err(error) => return answer::error_page(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let limit = site.answer_limit();
    match timeout(limit, site.commands.ask(command)).await {
        Ok(Ok(answered)) => answer::text(switchover::status(&answered), &answered.text),
        Ok(Err(error)) => answer::text(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        Err(_) => {
            let text = format!(
                "Switchover status unknown after {} seconds; operation may still be in progress",
                limit.as_secs()
            );
            answer::text(StatusCode::SERVICE_UNAVAILABLE, &text)
        }
    }
}
