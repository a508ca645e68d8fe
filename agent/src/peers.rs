//! Asking other members where they are, and to hold back.
//!
//! Members that are registered are waited for; the others, which may be dead hosts that swallow
//! packets, get a moment and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use herdsman_ha_core::{
    MemberName, PeerAnswer, PeerReport, PromiseAnswer, PromiseReport, PromiseRequest,
};
use herdsman_rest_api::Credentials;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// How much longer than the registered members the others are waited for.
const COURTESY: Duration = Duration::from_millis(150);

/// Asks all `peers` at once; every one of them is in the result.
pub(crate) async fn ask(
    peers: Vec<(MemberName, String)>,
    expected: &BTreeSet<MemberName>,
    limit: Duration,
) -> Vec<PeerReport> {
    let deadline = Instant::now() + limit;
    let mut answers: BTreeMap<MemberName, PeerAnswer> = peers
        .iter()
        .map(|(name, _)| (name.clone(), PeerAnswer::Unreachable))
        .collect();
    let mut waiting: BTreeSet<MemberName> = answers
        .keys()
        .filter(|name| expected.contains(*name))
        .cloned()
        .collect();
    let mut asking = JoinSet::new();
    for (name, url) in peers {
        asking.spawn(async move { (name, herdsman_rest_api::ask(&url, limit).await) });
    }
    let mut until = if waiting.is_empty() {
        deadline.min(Instant::now() + COURTESY)
    } else {
        deadline
    };
    while let Ok(Some(joined)) = timeout_at(until, asking.join_next()).await {
        let Ok((name, answer)) = joined else { continue };
        match answer {
            Ok(answer) => {
                answers.insert(name.clone(), answer);
            }
            Err(error) => tracing::debug!(peer = %name, %error, "no answer"),
        }
        waiting.remove(&name);
        if waiting.is_empty() {
            until = until.min(Instant::now() + COURTESY);
        }
    }
    answers
        .into_iter()
        .map(|(name, answer)| PeerReport { name, answer })
        .collect()
}

/// Asks all `peers` at once to hold back.
pub(crate) async fn ask_promises(
    request: &PromiseRequest,
    peers: Vec<(MemberName, String)>,
    credentials: Option<Credentials>,
    limit: Duration,
) -> Vec<PromiseReport> {
    let mut asking = JoinSet::new();
    for (name, url) in peers {
        let (request, credentials) = (request.clone(), credentials.clone());
        asking.spawn(async move {
            let asked = herdsman_rest_api::ask_promise(&url, &request, credentials.as_ref(), limit);
            let answer = asked.await.unwrap_or_else(|error| {
                tracing::debug!(peer = %name, %error, "no answer");
                PromiseAnswer::Unreachable
            });
            PromiseReport { name, answer }
        });
    }
    let mut reports = Vec::new();
    while let Some(joined) = asking.join_next().await {
        // One that came to grief is missing, which counts as no answer.
        reports.extend(joined);
    }
    reports
}
