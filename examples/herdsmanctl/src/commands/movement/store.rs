//! The way without a member: the request is written to the store, where all members see it.
//!
//! The invariant: it is written only over the request that was seen, so that it never undoes one
//! that somebody else made meanwhile; and what it led to is told from what the store says later.

use herdsman_ha_core::ClusterView;
use herdsman_ha_core::schema::key;
use tokio::time::{Duration, Instant, sleep};

use super::{Move, limit, request};
use crate::cluster::{Cluster, Written};
use crate::error::Error;

/// How often the cluster is looked at.
const LOOK: Duration = Duration::from_millis(300);

/// Writes the request, and waits for what becomes of it unless it is for later.
pub(super) async fn ask(
    cluster: &Cluster,
    view: &ClusterView,
    wanted: &Move,
) -> Result<String, Error> {
    let title = wanted.action.title();
    let value = request(wanted, "member");
    let seen = view.failover.revision;
    if cluster
        .put_unless_changed(key::FAILOVER, seen, &value)
        .await?
        == Written::SomebodyElse
    {
        let text = format!("{title} failed: somebody else asked for one meanwhile");
        return Err(Error::Failed(text));
    }
    if wanted.at.is_some() {
        return Ok(format!("{title} scheduled"));
    }
    let limit = limit(view);
    let deadline = Instant::now() + limit;
    loop {
        let now = cluster.view().await?;
        if let Some(outcome) = outcome(view, &now, wanted) {
            return outcome;
        }
        if Instant::now() >= deadline {
            return Err(Error::Failed(format!(
                "{title} status unknown after {} seconds; operation may still be in progress",
                limit.as_secs()
            )));
        }
        sleep(LOOK).await;
    }
}

/// What became of it; none: nothing yet.
fn outcome(
    before: &ClusterView,
    now: &ClusterView,
    wanted: &Move,
) -> Option<Result<String, Error>> {
    let (old, new) = (super::leader(before), super::leader(now));
    let past = wanted.action.past();
    match (new, &wanted.candidate) {
        (Some(new), _) if Some(new) == old => {
            let title = wanted.action.title();
            let is_over = now.failover.value.is_none();
            is_over.then(|| Err(Error::Failed(format!("{title} failed"))))
        }
        (Some(new), Some(candidate)) if new != candidate => {
            let mut past = past.to_owned();
            past[..1].make_ascii_uppercase();
            Some(Ok(format!(
                "{past} over to \"{new}\" instead of \"{candidate}\""
            )))
        }
        (Some(new), _) => Some(Ok(format!("Successfully {past} over to \"{new}\""))),
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use herdsman_ha_core::Revision;
    use herdsman_ha_core::schema::{RawEntry, read_cluster};

    use super::super::Action;
    use super::*;

    fn view(leader: &str, failover: &str) -> ClusterView {
        let keys = [("leader", leader), ("failover", failover)];
        let entries = keys.iter().filter(|(_, value)| !value.is_empty());
        let entries = entries.map(|(key, value)| RawEntry {
            key,
            value: value.as_bytes(),
            created: Revision(1),
            modified: Revision(1),
            session: None,
        });
        read_cluster(Revision(1), entries)
    }

    #[test]
    fn the_outcome_is_told_by_leader_and_request() {
        let wanted = Move {
            action: Action::Switchover,
            leader: Some("a".to_owned()),
            candidate: Some("b".to_owned()),
            at: None,
        };
        let pending = r#"{"leader":"a","member":"b"}"#;
        let told = |leader, failover| {
            let outcome = outcome(&view("a", ""), &view(leader, failover), &wanted);
            outcome.map(|outcome| outcome.unwrap_or_else(|error| error.line()))
        };
        assert_eq!(told("a", pending), None);
        assert_eq!(told("", pending), None);
        assert_eq!(told("", "{}"), None);
        assert_eq!(told("a", "{}").unwrap(), "Error: Switchover failed");
        let done = "Successfully switched over to \"b\"";
        assert_eq!(told("b", pending).unwrap(), done);
        let other = "Switched over to \"c\" instead of \"b\"";
        assert_eq!(told("c", "{}").unwrap(), other);
    }
}
