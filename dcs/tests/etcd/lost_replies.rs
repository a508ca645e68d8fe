//! A write was applied and its answer was lost: what the caller is told.

use std::time::Duration;

use herdsman_dcs::etcd::{EtcdDcs, EtcdOptions};
use herdsman_dcs::test_servers::EtcdServers;
use herdsman_dcs::{
    Commit, CommitOutcome, Condition, Dcs, Error, Guard, Key, Lifetime, Limits, Prefix, Renewal,
    Session, Snapshot,
};

use crate::relay::Relay;

/// A server that is reached through a relay first, and directly when the relay fails.
struct Scene {
    dcs: EtcdDcs,
    relay: Relay,
    session: Session,
    key: Key,
    _server: EtcdServers,
}

impl Scene {
    async fn new() -> Self {
        let server = EtcdServers::single();
        let relay = Relay::to(&server.endpoint(0)).await;
        let options = EtcdOptions::new([relay.endpoint(), server.endpoint(0)]).unwrap();
        let limits = Limits {
            call: Duration::from_secs(20),
            attempt: Duration::from_secs(1),
        };
        let dcs = EtcdDcs::new(options.limits(limits).only_given_endpoints());
        let session = dcs.open(Duration::from_secs(60)).await.unwrap();
        Self {
            dcs,
            relay,
            session,
            key: Key::new("/demo/key").unwrap(),
            _server: server,
        }
    }

    /// Commits while the answers of the first server are lost.
    async fn commit(&self, commit: Commit) -> Result<CommitOutcome, Error> {
        self.relay.lose_answers(true);
        self.dcs.commit(Some(&self.session), commit).await
    }

    async fn snapshot(&self) -> Snapshot {
        let prefix = Prefix::new("/demo").unwrap();
        self.dcs.snapshot(&prefix).await.unwrap()
    }

    fn put(&self, lifetime: Lifetime) -> Commit {
        Commit::new().put(self.key.clone(), "mine", lifetime)
    }
}

#[tokio::test]
async fn bound_key_proves_that_the_lost_attempt_took_the_lock() {
    let scene = Scene::new().await;
    let before = scene.snapshot().await.revision;
    let take = scene.put(Lifetime::Session);
    let take = take.guard(scene.key.clone(), Condition::Absent);
    let outcome = scene.commit(take).await.unwrap();
    let entry = scene.snapshot().await.entries[&scene.key].clone();
    let revision = entry.created;
    assert_eq!(outcome, CommitOutcome::Applied { revision });
    assert_eq!(
        (entry.created, entry.modified),
        (before.next(), before.next())
    );
}

#[tokio::test]
async fn permanent_key_leaves_the_outcome_unknown() {
    let scene = Scene::new().await;
    let create = scene.put(Lifetime::Permanent);
    let create = create.guard(scene.key.clone(), Condition::Absent);
    let outcome = scene.commit(create).await;
    assert!(matches!(outcome, Err(Error::Unknown(_))), "{outcome:?}");
    assert!(scene.snapshot().await.entries.contains_key(&scene.key));
}

#[tokio::test]
async fn guarded_delete_leaves_the_outcome_unknown() {
    let scene = Scene::new().await;
    let put = scene.put(Lifetime::Session);
    let put = scene.dcs.commit(Some(&scene.session), put).await.unwrap();
    let at = Condition::AtRevision(put.revision().unwrap());
    let delete = Commit::new().delete(scene.key.clone());
    let outcome = scene.commit(delete.guard(scene.key.clone(), at)).await;
    assert!(matches!(outcome, Err(Error::Unknown(_))), "{outcome:?}");
    assert!(scene.snapshot().await.entries.is_empty());
}

#[tokio::test]
async fn unguarded_put_is_repeated() {
    let scene = Scene::new().await;
    let outcome = scene.commit(scene.put(Lifetime::Permanent)).await.unwrap();
    let entry = scene.snapshot().await.entries[&scene.key].clone();
    assert_eq!(outcome.revision(), Some(entry.modified));
    assert!(entry.modified > entry.created, "both attempts were applied");
}

#[tokio::test]
async fn guards_that_never_held_leave_the_outcome_unknown_only_for_a_write() {
    let scene = Scene::new().await;
    let guard = |commit: Commit| commit.guard(scene.key.clone(), Condition::Present);
    let outcome = scene.commit(guard(Commit::new())).await.unwrap();
    let failed = vec![scene.key.clone()];
    assert_eq!(outcome, CommitOutcome::NotApplied { failed });
    assert!(scene.snapshot().await.entries.is_empty());
}

#[tokio::test]
async fn renewal_and_release_are_repeated() {
    let scene = Scene::new().await;
    let take = scene.put(Lifetime::Session);
    let put = scene.dcs.commit(Some(&scene.session), take).await.unwrap();
    assert!(put.is_applied());
    scene.relay.lose_answers(true);
    let proof = [Guard::new(scene.key.clone(), Condition::HeldBySession)];
    let renewal = scene.dcs.renew(&scene.session, &proof).await;
    assert_eq!(renewal, Ok(Renewal::Held));

    scene.relay.lose_answers(false);
    let again = Scene::new().await;
    again.relay.lose_answers(true);
    assert_eq!(again.dcs.release(again.session.clone()).await, Ok(()));
    let lost = again.dcs.renew(&again.session, &[]).await;
    assert!(matches!(lost, Err(Error::SessionLost { .. })), "{lost:?}");
}

#[tokio::test]
async fn outcome_is_unknown_when_no_server_answers_any_more() {
    let server = EtcdServers::single();
    let relay = Relay::to(&server.endpoint(0)).await;
    let limits = Limits {
        call: Duration::from_secs(2),
        attempt: Duration::from_millis(700),
    };
    let options = EtcdOptions::new([relay.endpoint()]).unwrap().limits(limits);
    let dcs = EtcdDcs::new(options.only_given_endpoints());
    let prefix = Prefix::new("/demo").unwrap();
    dcs.snapshot(&prefix).await.unwrap();
    relay.lose_answers(true);
    let put = dcs.put(None, prefix.key("x").unwrap(), vec![], Lifetime::Permanent);
    assert!(matches!(put.await, Err(Error::Unknown(_))));
    let read = dcs.snapshot(&prefix).await;
    assert!(matches!(read, Err(Error::Unavailable(_))), "{read:?}");
    relay.lose_answers(false);
    let found = dcs.snapshot(&prefix).await.unwrap();
    assert_eq!(found.entries.len(), 1, "it had been applied");
}
