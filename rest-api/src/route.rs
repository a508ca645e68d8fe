//! From a request to its answer: which method and path mean what, and who may ask.
//!
//! The first segment of a path selects; a GET of anything unknown is a health check, and every
//! HEAD or OPTIONS is one. All reading answers are made from one snapshot.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, StatusCode};
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
use crate::{change, health, metrics};

/// The largest body that is read: a configuration is a few kilobytes.
const BODY_BYTES: usize = 256 << 10;

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
            Ok(body) => change::change(site, parts, body).await,
            Err(refusal) => refusal,
        },
    }
}

fn query(parts: &Parts) -> Query {
    Query::parse(parts.uri.query().unwrap_or_default())
}

/// What stands before the second slash.
pub(crate) fn segment(path: &str) -> &str {
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
    match view.and_then(|view| view.failsafe.value.as_ref()) {
        Some(list) => answer::json(StatusCode::OK, list),
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
